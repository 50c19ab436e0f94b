/* The cells of twin_sim/script.py in C: who follows a plan, and who answers to a store outside its limits. */

#include "held.h"

enum { LOCAL = -1, KEEP = -2, RUN = 1 }; /* as in script.py */

typedef struct { /* in this order they come */
    /* stores × columns of the script: it left its limits and is not well back inside */
    uint8_t *left;
    /* assets × futures */
    uint8_t *on, *want, *released;
    double *setpoint;
    /* stores × futures: now and at the end of the tick, in turns */
    double *level[2];
    /* stores with limits; the middle of a store is that of its operating limits */
    double *low, *high, *low_again, *high_again, *middle;
    /* assets */
    int64_t *into, *out_of;
    double *nominal;
    uint8_t *answering, *adjusted, *alike;
    /* stores: any column has left it */
    uint8_t *any;
    /* steps × assets */
    int8_t *orders;
    double *targets;
} Arrays;

enum { COLUMNS, CELLS, LEVELS, LIMITED, ASSETS, STORES, STEPS };

static const Run RUNS[] = {{COLUMNS, 1, 1}, {CELLS, 1, 3},  {CELLS, 8, 1},  {LEVELS, 8, 2},
                           {LIMITED, 8, 5}, {ASSETS, 8, 3}, {ASSETS, 1, 3}, {STORES, 1, 1},
                           {STEPS, 1, 1},   {STEPS, 8, 1}};

typedef struct {
    Py_ssize_t assets, limited, nowhere, futures, first, columns, steps;
} Sizes;

typedef struct {
    Buffers buffers;
    Arrays a;
    Sizes s;
} Held;

PyDoc_STRVAR(hold_doc, "hold(arrays, assets, limited, nowhere, futures, first, columns, steps)\n--\n\n"
                       "The arrays of a script and its ensemble, held for the other functions.");

static PyObject *hold(PyObject *module, PyObject *args)
{
    PyObject *tuple;
    Held *h = PyMem_Calloc(1, sizeof *h);
    (void)module;
    if (!h)
        return PyErr_NoMemory();
    Sizes *s = &h->s;
    if (!PyArg_ParseTuple(args, "O!nnnnnnn:hold", &PyTuple_Type, &tuple, &s->assets, &s->limited, &s->nowhere, &s->futures,
                          &s->first, &s->columns, &s->steps)) {
        PyMem_Free(h);
        return NULL;
    }
    const Py_ssize_t stores = s->nowhere + 1;
    const Py_ssize_t sizes[] = {stores * s->columns, s->assets * s->futures, stores * s->futures, s->limited, s->assets, stores,
                                s->steps * s->assets};
    return capsule_of(&h->buffers, "orders", tuple, &h->a, RUNS, LENGTH(RUNS), sizes);
}

typedef struct { /* left to local control, or at rest because what it draws from runs low */
    int local, rests;
} Answer;

static inline Answer answer(const Arrays *a, const Sizes *s, const double *level, Py_ssize_t row, Py_ssize_t column)
{
    const int64_t into = a->into[row], out_of = a->out_of[row];
    const int fed = a->left[into * s->columns + column];
    if (!a->left[out_of * s->columns + column])
        return (Answer){fed, 0};
    const int rests = !fed && into != s->nowhere && level[out_of * s->futures + s->first + column] < a->middle[out_of];
    return (Answer){!rests, rests};
}

/* Bring `left` to the tick that begins; whether any store is outside in any column. */
WIDE static int outside(const Arrays *a, const Sizes *s, const double *levels)
{
    const Py_ssize_t columns = s->columns;
    uint8_t any = 0;
    for (Py_ssize_t store = 0; store < s->limited; store++) {
        const double *level = levels + store * s->futures + s->first;
        const double low = a->low[store], high = a->high[store], low_again = a->low_again[store], high_again = a->high_again[store];
        uint8_t *restrict left = a->left + store * columns, found = 0;
        for (Py_ssize_t column = 0; column < columns; column++) {
            const uint8_t out = (level[column] < low) | (level[column] > high);
            const uint8_t near = (level[column] < low_again) | (level[column] > high_again);
            left[column] = (left[column] & near) | out;
            found |= left[column];
        }
        a->any[store] = found;
        any |= found;
    }
    return any;
}

/* To local control what is left to it and was not yet, to rest what shall and does not; the last machine, or -1. */
WIDE static Py_ssize_t hand_back(const Arrays *a, const Sizes *s, const double *level)
{
    Py_ssize_t last = -1;
    for (Py_ssize_t row = 0; row < s->assets; row++) {
        if (!a->any[a->into[row]] && !a->any[a->out_of[row]])
            continue;
        for (Py_ssize_t column = 0; column < s->columns; column++) {
            const Answer now = answer(a, s, level, row, column);
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
    }
    return last;
}

/* The order of a step to one machine, except where it answers; whether it follows in all columns. */
WIDE static int give(const Arrays *a, const Sizes *s, const double *level, Py_ssize_t row, int8_t order, double asked)
{
    uint8_t follows = 1, answers = 0, adjusted = 0;
    for (Py_ssize_t column = 0; column < s->columns; column++) {
        const Answer now = answer(a, s, level, row, column);
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
    a->alike[row] &= !adjusted;
    return follows;
}

PyDoc_STRVAR(look_ahead_doc, "look_ahead(held, odd)\n--\n\n"
                             "Let machines answer whose store would leave its limits; the last of them, or -1.");

static PyObject *look_ahead(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    int odd;
    (void)module;
    if (!PyArg_ParseTuple(args, "Op:look_ahead", &capsule, &odd))
        return NULL;
    const Held *h = PyCapsule_GetPointer(capsule, "orders");
    if (!h)
        return NULL;
    const double *level = h->a.level[!odd];
    return PyLong_FromSsize_t(outside(&h->a, &h->s, level) ? hand_back(&h->a, &h->s, level) : -1);
}

/* Whether a machine is to be given its order of a step: it is another than that of `given` (−1: none), or was not followed. */
static int fresh(const Arrays *a, const Sizes *s, Py_ssize_t row, Py_ssize_t step, Py_ssize_t given)
{
    const Py_ssize_t now = step * s->assets + row, before = given * s->assets + row;
    if (a->orders[now] == KEEP)
        return 0;
    return given < 0 || a->orders[now] != a->orders[before] || a->targets[now] != a->targets[before] || a->answering[row];
}

PyDoc_STRVAR(order_doc, "order(held, odd, step, given)\n--\n\n"
                        "Give the orders of a step that do not stand since step `given`; the last machine that does not follow\n"
                        "them in every column (or -1), and whether any set-point has changed.");

static PyObject *order(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    int odd, adjusted = 0;
    Py_ssize_t step, given, own = -1;
    const Held *h;
    (void)module;
    if (!PyArg_ParseTuple(args, "Opnn:order", &capsule, &odd, &step, &given) || !(h = PyCapsule_GetPointer(capsule, "orders")))
        return NULL;
    if (step < 0 || step >= h->s.steps || given >= h->s.steps)
        return PyErr_Format(PyExc_IndexError, "there is no step %zd", step);
    for (Py_ssize_t row = 0; row < h->s.assets; row++) {
        const Py_ssize_t now = step * h->s.assets + row;
        h->a.adjusted[row] = 0;
        if (fresh(&h->a, &h->s, row, step, given) &&
            !give(&h->a, &h->s, h->a.level[!odd], row, h->a.orders[now], h->a.targets[now]))
            own = row;
        adjusted |= h->a.adjusted[row];
    }
    return Py_BuildValue("nN", own, PyBool_FromLong(adjusted));
}

static PyMethodDef methods[] = {{"hold", hold, METH_VARARGS, hold_doc},
                                {"look_ahead", look_ahead, METH_VARARGS, look_ahead_doc},
                                {"order", order, METH_VARARGS, order_doc},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "orders", "The cells of twin_sim/script.py, compiled.", 0, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_orders(void)
{
    return PyModuleDef_Init(&definition);
}
