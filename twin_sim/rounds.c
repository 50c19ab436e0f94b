/* A round of twin_sim/switching.py in C: the same operations on the same numbers in the same order, so every bit is the same. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>

typedef struct { /* in this order they come */
    /* assets × futures */
    uint8_t *on, *want, *producing, *released, *failed;
    int64_t *starts;
    double *since_s, *idle, *run_power, *run_output, *run_intake, *power, *output, *intake;
    /* bills × futures, stores × futures */
    double *bill_kw, *late_kw, *gain, *level, *ahead;
    /* assets; `hold_s` and `edges` twice: off, on */
    double *hold_s, *edges, *sign, *start_kw, *into_gain, *from_gain;
    int64_t *trigger_store, *bill_of, *into, *out_of;
    uint8_t *slow, *follows;
    /* of one round: the cells that are to change, and as many places more; who is first on each store */
    int64_t *cells, *waiting, *first;
    double *late;
} Arrays;

#define COUNT ((Py_ssize_t)(sizeof(Arrays) / sizeof(void *)))

typedef struct {
    Py_ssize_t futures, rows, triggers;
    double now_s, tick_s, still;
    int broken, inputs;
} Tick;

/* Place of the store whose level triggers a cell under local control, else -1. */
static inline int64_t place_of(const Arrays *a, const Tick *t, int64_t cell, int64_t row)
{
    return row < t->triggers && a->released[cell] ? cell + (a->trigger_store[row] - row) * t->futures : -1;
}

static inline int64_t row_of(const Tick *t, int64_t cell, int64_t row)
{
    while (cell >= (row + 1) * t->futures)
        row++;
    return row;
}

/* Keep those that may change, each with its instant; remember who is first on each store. */
static Py_ssize_t locate(const Arrays *a, const Tick *t, Py_ssize_t many)
{
    Py_ssize_t may = 0;
    for (int64_t number = 0, row = 0; number < many; number++) {
        const int64_t cell = a->cells[number];
        row = row_of(t, cell, row);
        const int64_t side = row + a->on[cell] * t->rows;
        double late = (a->since_s[cell] + a->hold_s[side] - t->now_s) / t->tick_s;
        if (!(late < 1.0) && !(t->broken && a->failed[cell]))
            continue;
        late = late > 1.0 ? 1.0 : late > 0.0 ? late : 0.0;
        const int64_t place = place_of(a, t, cell, row);
        if (place >= 0) {
            const double begin = a->level[place], span = a->ahead[place] - begin;
            const double share = (a->edges[side] - begin) / (fabs(span) <= t->still ? INFINITY : span);
            late = share > 1.0 ? 1.0 : share > late ? share : late;
            if (a->first[place] < 0 || late < a->late[a->first[place]])
                a->first[place] = may;
        }
        a->cells[may] = cell;
        a->late[may++] = late;
    }
    return may;
}

/* Those whose turn is later go to `waiting`. */
static Py_ssize_t part(const Arrays *a, const Tick *t, Py_ssize_t may)
{
    Py_ssize_t go = 0, wait = 0;
    for (int64_t number = 0, row = 0; number < may; number++) {
        const int64_t cell = a->cells[number];
        row = row_of(t, cell, row);
        const int64_t place = place_of(a, t, cell, row);
        if (place >= 0 && a->first[place] != number) {
            a->waiting[wait++] = cell;
        } else {
            a->cells[go] = cell;
            a->late[go++] = a->late[number];
        }
    }
    for (int64_t number = 0, row = 0; number < go; number++) {
        row = row_of(t, a->cells[number], row);
        const int64_t place = place_of(a, t, a->cells[number], row);
        if (place >= 0)
            a->first[place] = -1;
    }
    return go;
}

static inline void flow(double *booked, double now, double gain, double left, double *gained, double *ahead)
{
    const double moved = (now - *booked) * gain;
    *booked = now;
    *gained += moved;
    *ahead += moved * left;
}

/* Let cells change and book what they draw and give now. */
static void apply(const Arrays *a, const Tick *t, Py_ssize_t go)
{
    for (int64_t number = 0, row = 0; number < go; number++) {
        const int64_t cell = a->cells[number];
        row = row_of(t, cell, row);
        const int64_t column = cell - row * t->futures, into = a->into[row] * t->futures + column;
        const int64_t bill = a->bill_of[row] * t->futures + column;
        const double late = a->late[number];
        const int on = !a->on[cell], once = on && !a->slow[row];
        a->on[cell] = on;
        a->producing[cell] = once;
        a->starts[cell] += on;
        a->since_s[cell] = late * t->tick_s + t->now_s;
        if (a->follows[row])
            continue;
        const double power = once ? a->run_power[cell] : on ? a->start_kw[row] : a->idle[cell];
        const double moved = power - a->power[cell];
        a->power[cell] = power;
        a->bill_kw[bill] += moved;
        a->late_kw[bill] -= moved * late;
        flow(a->output + cell, a->run_output[cell] * once, a->into_gain[row], 1.0 - late, a->gain + into, a->ahead + into);
    }
    for (int64_t number = 0, row = 0; number < go; number++) { /* after all outputs: the order of the sums */
        const int64_t cell = a->cells[number];
        row = row_of(t, cell, row);
        if (a->follows[row])
            continue;
        const int64_t column = cell - row * t->futures, out_of = a->out_of[row] * t->futures + column;
        if (t->inputs)
            flow(a->intake + cell, a->run_intake[cell] * a->producing[cell], -a->from_gain[row], 1.0 - a->late[number],
                 a->gain + out_of, a->ahead + out_of);
        if (a->producing[cell] && a->start_kw[row] > 0.0)
            a->late_kw[a->bill_of[row] * t->futures + column] += a->start_kw[row];
    }
}

/* Of those that waited, the ones still to change now that others have go behind the `go` that changed. */
static Py_ssize_t look_again(const Arrays *a, const Tick *t, Py_ssize_t go, Py_ssize_t wait)
{
    Py_ssize_t still = 0;
    for (int64_t number = 0, row = 0; number < wait; number++) {
        const int64_t cell = a->waiting[number];
        row = row_of(t, cell, row);
        const uint8_t held = a->on[cell];
        const double level = a->ahead[place_of(a, t, cell, row)] * a->sign[row], edge = a->edges[row + held * t->rows] * a->sign[row];
        if ((held ? level > edge : level < edge) || (t->broken && a->failed[cell]))
            a->cells[go + still++] = cell;
        else
            a->want[cell] = held;
    }
    return still;
}

PyDoc_STRVAR(change_doc, "change(arrays, many, futures, rows, triggers, now_s, tick_s, still, broken, inputs)\n--\n\n"
                         "One round over the first `many` cells: how many changed, and how many behind them are still to change.");

static PyObject *change(PyObject *module, PyObject *args)
{
    PyObject *tuple, *counts = NULL;
    Py_ssize_t many, held = 0;
    Tick t;
    Arrays a;
    Py_buffer buffer[COUNT];
    (void)module;
    if (!PyArg_ParseTuple(args, "O!nnnndddpp:change", &PyTuple_Type, &tuple, &many, &t.futures, &t.rows, &t.triggers, &t.now_s,
                          &t.tick_s, &t.still, &t.broken, &t.inputs))
        return NULL;
    if (PyTuple_GET_SIZE(tuple) != COUNT)
        return PyErr_Format(PyExc_ValueError, "%zd arrays are needed", COUNT);
    while (held < COUNT && PyObject_GetBuffer(PyTuple_GET_ITEM(tuple, held), buffer + held, PyBUF_CONTIG) == 0) {
        ((void **)&a)[held] = buffer[held].buf;
        held++;
    }
    if (held == COUNT) {
        const Py_ssize_t may = locate(&a, &t, many), go = part(&a, &t, may);
        apply(&a, &t, go);
        counts = Py_BuildValue("nn", go, look_again(&a, &t, go, may - go));
    }
    while (held > 0)
        PyBuffer_Release(buffer + --held);
    return counts;
}

static PyMethodDef methods[] = {{"change", change, METH_VARARGS, change_doc}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "rounds", "A round of twin_sim/switching.py, compiled.", 0, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_rounds(void)
{
    return PyModuleDef_Init(&definition);
}
