/* The cells of twin_sim/script.py in C: who follows a plan, and who answers to a store outside its limits. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

enum { LOCAL = -1, RUN = 1 }; /* as in script.py */

typedef struct { /* in this order they come */
    /* stores × columns of the script: it left its limits and is not well back inside */
    uint8_t *left;
    /* assets × futures */
    uint8_t *on, *want, *released;
    double *setpoint;
    /* stores × futures: where the levels will be */
    double *level;
    /* stores with limits; the middle of a store is that of its operating limits */
    double *low, *high, *low_again, *high_again, *middle;
    /* assets */
    int64_t *into, *out_of;
    double *nominal;
    uint8_t *answering, *adjusted;
} Arrays;

#define COUNT ((Py_ssize_t)(sizeof(Arrays) / sizeof(void *)))

typedef struct {
    Py_ssize_t assets, limited, nowhere, futures, first, columns;
} Sizes;

typedef struct { /* left to local control, or at rest because what it draws from runs low */
    int local, rests;
} Answer;

static inline Answer answer(const Arrays *a, const Sizes *s, Py_ssize_t row, Py_ssize_t column)
{
    const int64_t into = a->into[row], out_of = a->out_of[row];
    const int fed = a->left[into * s->columns + column];
    if (!a->left[out_of * s->columns + column])
        return (Answer){fed, 0};
    const int rests = !fed && into != s->nowhere && a->level[out_of * s->futures + s->first + column] < a->middle[out_of];
    return (Answer){!rests, rests};
}

/* Bring `left` to the tick that begins; whether any store is outside in any column. */
static int outside(const Arrays *a, const Sizes *s)
{
    uint8_t any = 0;
    for (Py_ssize_t store = 0; store < s->limited; store++) {
        const double *level = a->level + store * s->futures + s->first;
        const double low = a->low[store], high = a->high[store], low_again = a->low_again[store], high_again = a->high_again[store];
        uint8_t *left = a->left + store * s->columns;
        for (Py_ssize_t column = 0; column < s->columns; column++) {
            const uint8_t out = (level[column] < low) | (level[column] > high);
            const uint8_t near = (level[column] < low_again) | (level[column] > high_again);
            left[column] = (left[column] & near) | out;
            any |= left[column];
        }
    }
    return any;
}

/* To local control what is left to it and was not yet, to rest what shall and does not; the last machine, or -1. */
static Py_ssize_t hand_back(const Arrays *a, const Sizes *s)
{
    Py_ssize_t last = -1;
    for (Py_ssize_t row = 0; row < s->assets; row++)
        for (Py_ssize_t column = 0; column < s->columns; column++) {
            const Answer now = answer(a, s, row, column);
            const Py_ssize_t cell = row * s->futures + s->first + column;
            if (now.local && !a->released[cell]) {
                a->released[cell] = 1;
                a->want[cell] = a->on[cell];
            } else if (now.rests && (a->released[cell] || a->want[cell])) {
                a->released[cell] = a->want[cell] = 0;
            } else {
                continue;
            }
            a->answering[row] = 1;
            last = row;
        }
    return last;
}

/* The order of a step to one machine, except where it answers; whether it follows in all columns. */
static int give(const Arrays *a, const Sizes *s, Py_ssize_t row, int8_t order, double asked)
{
    uint8_t follows = 1, answers = 0, adjusted = 0;
    for (Py_ssize_t column = 0; column < s->columns; column++) {
        const Answer now = answer(a, s, row, column);
        const Py_ssize_t cell = row * s->futures + s->first + column;
        const uint8_t given = now.rests || (order != LOCAL && !now.local);
        const double target = given ? asked : a->nominal[row];
        if (given)
            a->want[cell] = order == RUN && !now.rests;
        else if (!a->released[cell])
            a->want[cell] = a->on[cell];
        a->released[cell] = !given;
        adjusted |= target != a->setpoint[cell];
        a->setpoint[cell] = target;
        follows &= given;
        answers |= now.local || now.rests;
    }
    a->answering[row] = answers;
    a->adjusted[row] = adjusted;
    return follows;
}

/* The buffers of a tuple of arrays; how many are held. */
static Py_ssize_t hold(PyObject *tuple, Py_buffer *buffer, Arrays *a)
{
    Py_ssize_t held = 0;
    if (PyTuple_GET_SIZE(tuple) != COUNT)
        PyErr_Format(PyExc_ValueError, "%zd arrays are needed", COUNT);
    else
        while (held < COUNT && PyObject_GetBuffer(PyTuple_GET_ITEM(tuple, held), buffer + held, PyBUF_CONTIG) == 0) {
            ((void **)a)[held] = buffer[held].buf;
            held++;
        }
    return held;
}

#define SIZES &s.assets, &s.limited, &s.nowhere, &s.futures, &s.first, &s.columns

PyDoc_STRVAR(look_ahead_doc, "look_ahead(arrays, sizes)\n--\n\n"
                             "Let machines answer whose store would leave its limits; the last of them, or -1.");

static PyObject *look_ahead(PyObject *module, PyObject *args)
{
    PyObject *tuple, *last = NULL;
    Sizes s;
    Arrays a;
    Py_buffer buffer[COUNT];
    (void)module;
    if (!PyArg_ParseTuple(args, "O!(nnnnnn):look_ahead", &PyTuple_Type, &tuple, SIZES))
        return NULL;
    Py_ssize_t held = hold(tuple, buffer, &a);
    if (held == COUNT)
        last = PyLong_FromSsize_t(outside(&a, &s) ? hand_back(&a, &s) : -1);
    while (held > 0)
        PyBuffer_Release(buffer + --held);
    return last;
}

PyDoc_STRVAR(order_doc, "order(arrays, sizes, fresh, orders, asked)\n--\n\n"
                        "Give the fresh orders of a step; the last machine that does not follow them in every column, or -1.");

static PyObject *order(PyObject *module, PyObject *args)
{
    PyObject *tuple, *last = NULL;
    Sizes s;
    Arrays a;
    Py_buffer buffer[COUNT], fresh, orders, asked;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!(nnnnnn)y*y*y*:order", &PyTuple_Type, &tuple, SIZES, &fresh, &orders, &asked))
        return NULL;
    Py_ssize_t held = hold(tuple, buffer, &a), own = -1;
    if (held == COUNT) {
        for (Py_ssize_t row = 0; row < s.assets; row++) {
            a.adjusted[row] = 0;
            if (((uint8_t *)fresh.buf)[row] && !give(&a, &s, row, ((int8_t *)orders.buf)[row], ((double *)asked.buf)[row]))
                own = row;
        }
        last = PyLong_FromSsize_t(own);
    }
    while (held > 0)
        PyBuffer_Release(buffer + --held);
    PyBuffer_Release(&fresh);
    PyBuffer_Release(&orders);
    PyBuffer_Release(&asked);
    return last;
}

static PyMethodDef methods[] = {{"look_ahead", look_ahead, METH_VARARGS, look_ahead_doc},
                                {"order", order, METH_VARARGS, order_doc},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "orders", "The cells of twin_sim/script.py, compiled.", 0, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_orders(void)
{
    return PyModuleDef_Init(&definition);
}
