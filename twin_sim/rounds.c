/* A round of twin_sim/switching.py in C: the same operations on the same numbers in the same order, so every bit is the same. */

#include "held.h"
#include <math.h>
#include <string.h>

typedef struct { /* in this order they come */
    /* assets × futures */
    uint8_t *on, *want, *producing, *released, *failed;
    int64_t *starts;
    double *since_s, *idle, *run_power, *run_output, *run_intake, *power, *output, *intake;
    /* bills × futures, stores × futures; levels of now and of the tick's end change places from tick to tick */
    double *bill_kw, *late_kw, *gain, *level, *ahead;
    /* assets; `hold_s` and `edges` twice: off, on */
    double *hold_s, *edges, *sign, *start_kw, *into_gain, *from_gain;
    int64_t *trigger_store, *bill_of, *into, *out_of;
    uint8_t *slow, *follows;
    /* of one round: the cells that are to change, and as many places more; who is first on each store */
    int64_t *cells, *waiting, *first;
    double *late;
} Arrays;

enum { CELLS, BILLS, LEVELS, ASSETS, TWICE, TRIGGERS };

static const Run RUNS[] = {{CELLS, 1, 5},  {CELLS, 8, 9},    {BILLS, 8, 2},  {LEVELS, 8, 3}, {TWICE, 8, 2}, {TRIGGERS, 8, 1},
                           {ASSETS, 8, 3}, {TRIGGERS, 8, 1}, {ASSETS, 8, 3}, {ASSETS, 1, 2}, {CELLS, 8, 2}, {LEVELS, 8, 1},
                           {CELLS, 8, 1}};

typedef struct {
    Py_ssize_t futures, rows, triggers;
    double now_s, tick_s, still;
    int broken, inputs, energetic;
} Tick;

typedef struct {
    Buffers buffers;
    Arrays a;
    Tick t;
} Held;

PyDoc_STRVAR(hold_doc, "hold(arrays, futures, rows, triggers, stores, bills, tick_s, still, inputs)\n--\n\n"
                       "The arrays of an ensemble, held for `due` and `change`.");

static PyObject *hold(PyObject *module, PyObject *args)
{
    PyObject *tuple, *capsule;
    Py_ssize_t stores, bills;
    Held *h = PyMem_Calloc(1, sizeof *h);
    (void)module;
    if (!h)
        return PyErr_NoMemory();
    Tick *t = &h->t;
    if (!PyArg_ParseTuple(args, "O!nnnnnddp:hold", &PyTuple_Type, &tuple, &t->futures, &t->rows, &t->triggers, &stores, &bills,
                          &t->tick_s, &t->still, &t->inputs)) {
        PyMem_Free(h);
        return NULL;
    }
    const Py_ssize_t sizes[] = {t->rows * t->futures, bills * t->futures, stores * t->futures, t->rows, 2 * t->rows, t->triggers};
    capsule = capsule_of(&h->buffers, "rounds", tuple, &h->a, RUNS, LENGTH(RUNS), sizes);
    for (Py_ssize_t row = 0; capsule && row < t->rows; row++)
        t->energetic |= h->a.start_kw[row] > 0.0;
    return capsule;
}

static inline uint8_t changes(const Arrays *a, Py_ssize_t cell, int broken)
{
    return (broken ? a->want[cell] & ~a->failed[cell] : a->want[cell]) ^ a->on[cell];
}

/* Find the cells that are to change; most stay as they are, so a word of them is looked at at once. */
static Py_ssize_t find(const Arrays *a, Py_ssize_t size, int broken)
{
    enum { WORD = sizeof(uint64_t) };
    Py_ssize_t many = 0, cell = 0;
    for (; cell + WORD <= size; cell += WORD) {
        uint64_t want, on;
        memcpy(&want, a->want + cell, WORD);
        memcpy(&on, a->on + cell, WORD);
        for (int i = 0; (want != on || broken) && i < WORD; i++) {
            a->cells[many] = cell + i;
            many += changes(a, cell + i, broken);
        }
    }
    for (; cell < size; cell++) {
        a->cells[many] = cell;
        many += changes(a, cell, broken);
    }
    return many;
}

PyDoc_STRVAR(due_doc, "due(held, broken)\n--\n\n"
                      "Put the cells that are to change, whether or not they may yet, into `cells`; how many.");

static PyObject *due(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    int broken;
    const Held *h;
    (void)module;
    if (!PyArg_ParseTuple(args, "Op:due", &capsule, &broken) || !(h = PyCapsule_GetPointer(capsule, "rounds")))
        return NULL;
    return PyLong_FromSsize_t(find(&h->a, h->t.rows * h->t.futures, broken));
}

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
        const double wait_s = a->since_s[cell] + a->hold_s[side] - t->now_s;
        if (!(wait_s < t->tick_s) && !(t->broken && a->failed[cell])) /* just where their quotient is not below 1 */
            continue;
        double late = wait_s / t->tick_s;
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
    if (!t->inputs && !t->energetic)
        return;
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
        const double level = a->ahead[place_of(a, t, cell, row)] * a->sign[row];
        const double edge = a->edges[row + held * t->rows] * a->sign[row];
        if ((held ? level > edge : level < edge) || (t->broken && a->failed[cell]))
            a->cells[go + still++] = cell;
        else
            a->want[cell] = held;
    }
    return still;
}

/* One round over the first `many` of some cells: how many changed; those behind them that are still to change are `left`. */
static Py_ssize_t round_of(const Arrays *a, const Tick *t, Py_ssize_t many, Py_ssize_t *left)
{
    const Py_ssize_t may = locate(a, t, many), go = part(a, t, may);
    apply(a, t, go);
    *left = look_again(a, t, go, may - go);
    return go;
}

/* The arrays and times of the tick that begins. */
static void now(const Held *h, int odd, double now_s, int broken, Arrays *a, Tick *t)
{
    *a = h->a;
    *t = h->t;
    t->now_s = now_s;
    t->broken = broken;
    if (odd) {
        a->level = h->a.ahead;
        a->ahead = h->a.level;
    }
}

PyDoc_STRVAR(run_doc, "run(held, odd, most, now_s, broken)\n--\n\n"
                      "All rounds of a tick, so many at most; those that are still to change then stay as they are. Whether any did.");

static PyObject *run(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    int odd, broken;
    Py_ssize_t most;
    double now_s;
    const Held *h;
    Arrays a;
    Tick t;
    (void)module;
    if (!PyArg_ParseTuple(args, "Opndp:run", &capsule, &odd, &most, &now_s, &broken) ||
        !(h = PyCapsule_GetPointer(capsule, "rounds")))
        return NULL;
    now(h, odd, now_s, broken, &a, &t);
    Py_ssize_t many = find(&a, t.rows * t.futures, broken);
    const int any = many > 0;
    for (Py_ssize_t number = 0; number < most && many; number++)
        a.cells += round_of(&a, &t, many, &many);
    for (Py_ssize_t number = 0; number < many; number++)
        a.want[a.cells[number]] = a.on[a.cells[number]];
    return PyBool_FromLong(any);
}

PyDoc_STRVAR(change_doc, "change(held, odd, first, many, now_s, broken)\n--\n\n"
                         "One round over so many cells: how many changed, and how many behind them are still to change.");

static PyObject *change(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    int odd, broken;
    Py_ssize_t first, many;
    double now_s;
    (void)module;
    if (!PyArg_ParseTuple(args, "Opnndp:change", &capsule, &odd, &first, &many, &now_s, &broken))
        return NULL;
    const Held *h = PyCapsule_GetPointer(capsule, "rounds");
    if (!h)
        return NULL;
    if (first < 0 || many < 0 || first + many > h->t.rows * h->t.futures)
        return PyErr_Format(PyExc_ValueError, "there are no cells %zd to %zd", first, first + many);
    Arrays a;
    Tick t;
    Py_ssize_t left;
    now(h, odd, now_s, broken, &a, &t);
    a.cells += first;
    const Py_ssize_t go = round_of(&a, &t, many, &left);
    return Py_BuildValue("nn", go, left);
}

static PyMethodDef methods[] = {{"hold", hold, METH_VARARGS, hold_doc},
                                {"due", due, METH_VARARGS, due_doc},
                                {"change", change, METH_VARARGS, change_doc},
                                {"run", run, METH_VARARGS, run_doc},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "rounds", "A round of twin_sim/switching.py, compiled.", 0, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_rounds(void)
{
    return PyModuleDef_Init(&definition);
}
