/* The loops of a tick over machines, stores and futures: twin_sim/cells.py and twin_sim/local.py in C, every bit the same. */

#include "held.h"
#include <string.h>

typedef struct { /* in this order they come */
    /* assets × futures */
    uint8_t *want, *released, *producing;
    double *power, *output, *intake, *run_power, *run_output, *run_intake;
    /* bills × futures, stores × futures; levels of now and of the tick's end change places from tick to tick */
    double *bill_kw, *late_kw, *followed_kw, *level[2], *gain, *bias, *unserved, *wasted;
    /* stores */
    double *kept, *bottom, *top, *unit, *per_rate;
    /* assets */
    double *into_gain, *from_gain;
    int64_t *into, *out_of, *bill_of;
    /* triggers, flows */
    int64_t *trigger_store;
    double *sign, *start, *stop;
    int64_t *source, *target;
    double *constant, *slope;
    /* a future each */
    double *sum;
} Arrays;

enum { CELLS, BILLS, LEVELS, STORES, ASSETS, TRIGGERS, FLOWS, FUTURES };

static const Run RUNS[] = {{CELLS, 1, 3},  {CELLS, 8, 6},    {BILLS, 8, 3}, {LEVELS, 8, 6}, {STORES, 8, 5},
                           {ASSETS, 8, 5}, {TRIGGERS, 8, 4}, {FLOWS, 8, 4}, {FUTURES, 8, 1}};

typedef struct {
    Buffers buffers;
    Arrays a;
    Py_ssize_t futures, assets, stores, bills, triggers, flows;
} Held;

PyDoc_STRVAR(hold_doc, "hold(arrays, futures, assets, stores, bills, triggers, flows)\n--\n\n"
                       "The arrays of an ensemble, held for the other functions.");

static PyObject *hold(PyObject *module, PyObject *args)
{
    PyObject *tuple;
    Held *h = PyMem_Calloc(1, sizeof *h);
    (void)module;
    if (!h)
        return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "O!nnnnnn:hold", &PyTuple_Type, &tuple, &h->futures, &h->assets, &h->stores, &h->bills,
                          &h->triggers, &h->flows)) {
        PyMem_Free(h);
        return NULL;
    }
    const Py_ssize_t sizes[] = {h->assets * h->futures, h->bills * h->futures, h->stores * h->futures, h->stores, h->assets,
                                h->triggers, h->flows, h->futures};
    return capsule_of(&h->buffers, "ticks", tuple, &h->a, RUNS, LENGTH(RUNS), sizes);
}

static Held *held_by(PyObject *capsule)
{
    return PyCapsule_GetPointer(capsule, "ticks");
}

WIDE static void levels_ahead(const Held *h, int odd)
{
    for (Py_ssize_t store = 0; store < h->stores; store++) {
        const Py_ssize_t first = store * h->futures;
        const double *level = h->a.level[odd] + first, *gain = h->a.gain + first, *bias = h->a.bias + first;
        double *ahead = h->a.level[!odd] + first;
        const double kept = h->a.kept[store];
        for (Py_ssize_t i = 0; i < h->futures; i++)
            ahead[i] = level[i] * kept + gain[i] + bias[i];
    }
}

PyDoc_STRVAR(look_ahead_doc, "look_ahead(held, odd)\n--\n\n"
                             "The levels at the tick's end if no machine changes; no battery follows yet.");

static PyObject *look_ahead(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    int odd;
    const Held *h;
    (void)module;
    if (!PyArg_ParseTuple(args, "Op:look_ahead", &capsule, &odd) || !(h = held_by(capsule)))
        return NULL;
    memset(h->a.followed_kw, 0, sizeof(double) * h->bills * h->futures);
    levels_ahead(h, odd);
    Py_RETURN_NONE;
}

WIDE static void follow_triggers(const Held *h, const double *levels)
{
    const Py_ssize_t futures = h->futures, triggers = h->triggers;
    for (Py_ssize_t row = 0; row < triggers; row++) {
        const double *ahead = levels + h->a.trigger_store[row] * futures;
        const double sign = h->a.sign[row], start = h->a.start[row], stop = h->a.stop[row];
        const uint8_t *restrict released = h->a.released + row * futures;
        uint8_t *restrict want = h->a.want + row * futures;
        for (Py_ssize_t i = 0; i < futures; i++) {
            const double level = ahead[i] * sign;
            const uint8_t below = level < start, above = level > stop;
            want[i] = (want[i] | (below & released[i])) & (1 ^ (above & released[i]));
        }
    }
}

PyDoc_STRVAR(trigger_doc, "trigger(held, odd)\n--\n\nWhat released machines under level triggers want in the tick that begins.");

static PyObject *trigger(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    int odd;
    const Held *h;
    (void)module;
    if (!PyArg_ParseTuple(args, "Op:trigger", &capsule, &odd) || !(h = held_by(capsule)))
        return NULL;
    follow_triggers(h, h->a.level[!odd]);
    Py_RETURN_NONE;
}

/* Power of every bill in the tick; nothing is late any more. */
WIDE static void bill(const Held *h, const double *base, Py_ssize_t each, double *kw)
{
    const Py_ssize_t size = h->bills * h->futures;
    for (Py_ssize_t i = 0; kw && i < size; i++)
        kw[i] = h->a.bill_kw[i] + h->a.late_kw[i] + h->a.followed_kw[i];
    for (Py_ssize_t i = 0; kw && i < h->futures; i++)
        kw[i] += base[i * each];
    memset(h->a.late_kw, 0, sizeof(double) * size);
}

/* What runs between stores by itself. */
WIDE static void flow(const Held *h, const double *level, double *ahead)
{
    for (Py_ssize_t number = 0; number < h->flows; number++) {
        const int64_t source = h->a.source[number] * h->futures, target = h->a.target[number] * h->futures;
        const double constant = h->a.constant[number], slope = h->a.slope[number];
        const double out_of = h->a.per_rate[h->a.source[number]], into = h->a.per_rate[h->a.target[number]];
        for (Py_ssize_t i = 0; i < h->futures; i++) {
            const double rate = constant + slope * (level[source + i] - level[target + i]), flows = rate > 0.0 ? rate : 0.0;
            ahead[source + i] -= flows * out_of;
            ahead[target + i] += flows * into;
        }
    }
}

enum { LANES = 8 };

/* Lowest and highest of some levels; in lanes, so that neighbours are compared at once. */
WIDE static void range(const double *level, Py_ssize_t size, double *lowest, double *highest)
{
    double low[LANES], high[LANES];
    Py_ssize_t i = 0;
    for (int lane = 0; lane < LANES; lane++)
        low[lane] = high[lane] = level[0];
    for (; i + LANES <= size; i += LANES)
        for (int lane = 0; lane < LANES; lane++) {
            low[lane] = level[i + lane] < low[lane] ? level[i + lane] : low[lane];
            high[lane] = level[i + lane] > high[lane] ? level[i + lane] : high[lane];
        }
    for (; i < size; i++) {
        low[0] = level[i] < low[0] ? level[i] : low[0];
        high[0] = level[i] > high[0] ? level[i] : high[0];
    }
    *lowest = low[0];
    *highest = high[0];
    for (int lane = 1; lane < LANES; lane++) {
        *lowest = low[lane] < *lowest ? low[lane] : *lowest;
        *highest = high[lane] > *highest ? high[lane] : *highest;
    }
}

/* A store not below its bottom (what is missing is not served), nor above its top (what is too much is lost). */
static void bound(const Held *h, Py_ssize_t store, double *ahead, double *lowest, double *highest)
{
    const double bottom = h->a.bottom[store], top = h->a.top[store], unit = h->a.unit[store];
    double *unserved = h->a.unserved + store * h->futures, *wasted = h->a.wasted + store * h->futures;
    range(ahead, h->futures, lowest, highest);
    if (!(*lowest < bottom) && !(*highest > top))
        return;
    for (Py_ssize_t i = 0; i < h->futures; i++) {
        if (ahead[i] < bottom) {
            unserved[i] += (bottom - ahead[i]) * unit;
            ahead[i] = bottom;
        }
        if (ahead[i] > top) {
            wasted[i] += (ahead[i] - top) * unit;
            ahead[i] = top;
        }
    }
    range(ahead, h->futures, lowest, highest);
}

/* A buffer of so many doubles (negative: of any number); none for None. */
static int doubles(PyObject *object, Py_buffer *buffer, int flags, Py_ssize_t size)
{
    if (object == Py_None)
        return 1;
    if (PyObject_GetBuffer(object, buffer, flags) != 0)
        return 0;
    if (buffer->itemsize != 8 || (size >= 0 && buffer->len != 8 * size)) {
        PyErr_SetString(PyExc_ValueError, "an array has another length");
        return 0;
    }
    return 1;
}

/* The tick's end for the levels; those that are kept tell lowest and highest. */
static void settle(const Held *h, int odd, Py_ssize_t kept, double *lowest, double *highest)
{
    double *ahead = h->a.level[!odd], low, high;
    flow(h, h->a.level[odd], ahead);
    for (Py_ssize_t store = 0; store < h->stores; store++) {
        bound(h, store, ahead + store * h->futures, &low, &high);
        if (store < kept) {
            lowest[store] = low < lowest[store] ? low : lowest[store];
            highest[store] = high > highest[store] ? high : highest[store];
        }
    }
}

PyDoc_STRVAR(end_doc, "end(held, odd, base_kw, kw, level, lowest, highest)\n--\n\n"
                      "The tick's end: power, and levels within bottom and top, are put where they are kept, if anywhere.");

static PyObject *end(PyObject *module, PyObject *args)
{
    PyObject *capsule, *given[5], *done = NULL;
    Py_buffer base = {0}, kw = {0}, level = {0}, lowest = {0}, highest = {0};
    int odd;
    const Held *h;
    (void)module;
    if (!PyArg_ParseTuple(args, "OpOOOOO:end", &capsule, &odd, given, given + 1, given + 2, given + 3, given + 4) ||
        !(h = held_by(capsule)))
        return NULL;
    if (doubles(given[0], &base, PyBUF_CONTIG_RO, -1) && doubles(given[1], &kw, PyBUF_CONTIG, h->bills * h->futures) &&
        doubles(given[2], &level, PyBUF_CONTIG, -1)) {
        const Py_ssize_t row = 8 * h->futures, kept = level.len / row;
        if ((base.len != 8 && base.len != row) || kept > h->stores || kept * row != level.len) {
            PyErr_SetString(PyExc_ValueError, "powers of other futures, or levels of other stores");
        } else if (doubles(given[3], &lowest, PyBUF_CONTIG, kept) && doubles(given[4], &highest, PyBUF_CONTIG, kept)) {
            bill(h, base.buf, base.len != 8, kw.buf);
            settle(h, odd, lowest.buf && highest.buf ? kept : 0, lowest.buf, highest.buf);
            if (level.buf)
                memcpy(level.buf, h->a.level[!odd], level.len);
            done = Py_NewRef(Py_None);
        }
    }
    PyBuffer_Release(&base);
    PyBuffer_Release(&kw);
    PyBuffer_Release(&level);
    PyBuffer_Release(&lowest);
    PyBuffer_Release(&highest);
    return done;
}

typedef struct { /* numbers of a block's machines: a row for each or one for all, a column for each future or one for all */
    Py_buffer buffer;
    double one;
    const double *at;
    Py_ssize_t row, column;
} Numbers;

/* The numbers of an object for so many machines and futures. */
static int numbers(PyObject *object, Numbers *n, Py_ssize_t rows, Py_ssize_t futures)
{
    if (PyFloat_Check(object)) {
        n->one = PyFloat_AS_DOUBLE(object);
        n->at = &n->one;
        return 1;
    }
    if (PyObject_GetBuffer(object, &n->buffer, PyBUF_ND | PyBUF_FORMAT) != 0)
        return 0;
    const int ndim = n->buffer.ndim;
    const Py_ssize_t tall = ndim > 1 ? n->buffer.shape[0] : 1, wide = ndim > 0 ? n->buffer.shape[ndim - 1] : 1;
    n->at = n->buffer.buf;
    n->row = tall == 1 ? 0 : wide;
    n->column = wide != 1;
    if (ndim > 2 || n->buffer.itemsize != 8 || n->buffer.format[0] != 'd' || (tall != 1 && tall != rows) ||
        (wide != 1 && wide != futures)) {
        PyErr_SetString(PyExc_ValueError, "numbers for other machines or futures");
        return 0;
    }
    return 1;
}

static inline int differs(const double *run, const double *now, Py_ssize_t column, Py_ssize_t futures)
{
    uint8_t found = 0;
    for (Py_ssize_t i = 0; i < futures; i++)
        found |= run[i] != now[i * column];
    return found;
}

/* Put in what machines would do now; whether it differs from what they would have done before. */
WIDE static int renewed(double *run, const Numbers *n, Py_ssize_t rows, Py_ssize_t futures)
{
    const double *now = n->at;
    int found = 0;
    for (Py_ssize_t row = 0; row < rows && !found; row++)
        found = n->column ? differs(run + row * futures, now + row * n->row, 1, futures)
                          : differs(run + row * futures, now + row * n->row, 0, futures);
    for (Py_ssize_t row = 0; found && row < rows; row++)
        for (Py_ssize_t i = 0; i < futures; i++)
            run[row * futures + i] = now[row * n->row + i * n->column];
    return found;
}

/* Book what producing machines draw now: the bills move by the sum over the machines that each has of the block. */
WIDE static void to_bills(const Held *h, Py_ssize_t first, Py_ssize_t end)
{
    for (int64_t bill = 0; bill < h->bills; bill++) {
        double *sum = h->a.sum, *billed = h->a.bill_kw + bill * h->futures;
        int begun = 0;
        for (Py_ssize_t row = first; row < end; row++) {
            if (h->a.bill_of[row] != bill)
                continue;
            const Py_ssize_t cell = row * h->futures;
            const double *run = h->a.run_power + cell;
            const uint8_t *producing = h->a.producing + cell;
            double *booked = h->a.power + cell;
            for (Py_ssize_t i = 0; i < h->futures; i++) {
                const double moved = (run[i] - booked[i]) * producing[i];
                booked[i] += moved;
                sum[i] = begun ? sum[i] + moved : moved;
            }
            begun = 1;
        }
        for (Py_ssize_t i = 0; begun && i < h->futures; i++)
            billed[i] += sum[i];
    }
}

/* Book what producing machines move in their stores now; `sign` −1: what they draw from them. */
WIDE static void to_stores(const Held *h, Py_ssize_t first, Py_ssize_t end, double *booked, const double *run, const double *gains,
                      const int64_t *stores, double sign, int somewhere)
{
    for (Py_ssize_t row = first; row < end; row++) {
        const Py_ssize_t cell = row * h->futures;
        const uint8_t *producing = h->a.producing + cell;
        const double gain = sign * gains[row];
        double *gained = h->a.gain + stores[row] * h->futures;
        for (Py_ssize_t i = 0; i < h->futures; i++) {
            const double moved = (run[cell + i] - booked[cell + i]) * producing[i];
            booked[cell + i] += moved;
            if (somewhere)
                gained[i] += moved * gain;
        }
    }
}

PyDoc_STRVAR(put_doc, "put(held, first, end, book, feeds, draws, power, output, intake)\n--\n\n"
                      "Keep what the machines of a block would draw and give now; book what is news for those that produce.\n\n"
                      "`intake` is None where no machine has one; `feeds`, `draws`: whether they fill or draw from any store.");

static PyObject *put(PyObject *module, PyObject *args)
{
    PyObject *capsule, *given[3], *done = NULL;
    Py_ssize_t first, end;
    int book, feeds, draws;
    Numbers power = {0}, output = {0}, intake = {0};
    const Held *h;
    (void)module;
    if (!PyArg_ParseTuple(args, "OnnpppOOO:put", &capsule, &first, &end, &book, &feeds, &draws, given, given + 1, given + 2) ||
        !(h = held_by(capsule)))
        return NULL;
    const Arrays *a = &h->a;
    const Py_ssize_t cell = first * h->futures, rows = end - first, futures = h->futures;
    if (first < 0 || rows < 0 || end > h->assets) {
        PyErr_Format(PyExc_IndexError, "there are no machines %zd to %zd", first, end);
    } else if (numbers(given[0], &power, rows, futures) && numbers(given[1], &output, rows, futures) &&
               (given[2] == Py_None || numbers(given[2], &intake, rows, futures))) {
        if (renewed(a->run_power + cell, &power, rows, futures) && book)
            to_bills(h, first, end);
        if (renewed(a->run_output + cell, &output, rows, futures) && book)
            to_stores(h, first, end, a->output, a->run_output, a->into_gain, a->into, 1.0, feeds);
        if (intake.at && renewed(a->run_intake + cell, &intake, rows, futures) && book)
            to_stores(h, first, end, a->intake, a->run_intake, a->from_gain, a->out_of, -1.0, draws);
        done = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&power.buffer);
    PyBuffer_Release(&output.buffer);
    PyBuffer_Release(&intake.buffer);
    return done;
}

typedef struct { /* what some neighbouring levels gain from outside in a tick: factors, times a column's step where there is one */
    Py_ssize_t first, end, steps;
    int adds, wide;
    Py_buffer factor, column;
} Term;

typedef struct {
    Py_buffer bias;
    Py_ssize_t futures, stores, count;
    Term term[];
} Terms;

static void drop(Terms *t)
{
    for (Py_ssize_t number = 0; number < t->count; number++) {
        PyBuffer_Release(&t->term[number].factor);
        PyBuffer_Release(&t->term[number].column);
    }
    PyBuffer_Release(&t->bias);
    PyMem_Free(t);
}

static void drop_capsule(PyObject *capsule)
{
    drop(PyCapsule_GetPointer(capsule, "terms"));
}

static int take_term(Term *term, const Terms *t, PyObject *given)
{
    PyObject *factor, *column;
    if (!PyArg_ParseTuple(given, "nnOOp", &term->first, &term->end, &factor, &column, &term->adds))
        return 0;
    if (!doubles(factor, &term->factor, PyBUF_CONTIG_RO, term->end - term->first) ||
        !doubles(column, &term->column, PyBUF_CONTIG_RO, -1))
        return 0;
    if (term->first < 0 || term->end > t->stores || !term->factor.buf ||
        (term->column.buf && (term->column.ndim != 2 || (term->column.shape[1] != 1 && term->column.shape[1] != t->futures)))) {
        PyErr_SetString(PyExc_ValueError, "a term for other stores or futures");
        return 0;
    }
    term->wide = term->column.buf && term->column.shape[1] != 1;
    term->steps = term->column.buf ? term->column.shape[0] : 0;
    return 1;
}

PyDoc_STRVAR(terms_doc, "terms(bias, terms)\n--\n\n"
                        "What levels gain from outside, held for `bias`: (first row, end, factors, column or None, adds) each.");

static PyObject *terms(PyObject *module, PyObject *args)
{
    PyObject *bias, *given, *capsule = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO!:terms", &bias, &PyTuple_Type, &given))
        return NULL;
    const Py_ssize_t count = PyTuple_GET_SIZE(given);
    Terms *t = PyMem_Calloc(1, sizeof *t + count * sizeof(Term));
    if (!t)
        return PyErr_NoMemory();
    int fits = doubles(bias, &t->bias, PyBUF_CONTIG, -1);
    if (fits && t->bias.ndim != 2) {
        PyErr_SetString(PyExc_ValueError, "gains are rows and columns");
    } else if (fits) {
        t->stores = t->bias.shape[0];
        t->futures = t->bias.shape[1];
        while (fits && t->count < count) {
            Term *term = t->term + t->count++;
            fits = take_term(term, t, PyTuple_GET_ITEM(given, term - t->term));
        }
        if (fits)
            capsule = PyCapsule_New(t, "terms", drop_capsule);
    }
    if (!capsule)
        drop(t);
    return capsule;
}

WIDE static void add_up(const Terms *t, const Term *term, const double *value)
{
    for (Py_ssize_t row = term->first; row < term->end; row++) {
        double *into = (double *)t->bias.buf + row * t->futures;
        const double factor = ((double *)term->factor.buf)[row - term->first];
        for (Py_ssize_t i = 0; i < t->futures; i++) {
            const double gained = factor * value[term->wide ? i : 0];
            into[i] = term->adds ? into[i] + gained : gained;
        }
    }
}

PyDoc_STRVAR(bias_doc, "bias(terms, step)\n--\n\nBring what levels gain from outside to a step.");

static PyObject *bias(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    Py_ssize_t step;
    const double one = 1.0;
    const Terms *t;
    (void)module;
    if (!PyArg_ParseTuple(args, "On:bias", &capsule, &step) || !(t = PyCapsule_GetPointer(capsule, "terms")))
        return NULL;
    for (const Term *term = t->term; term < t->term + t->count; term++) {
        if (term->column.buf && (step < 0 || step >= term->steps))
            return PyErr_Format(PyExc_IndexError, "there is no step %zd", step);
        add_up(t, term, term->column.buf ? (double *)term->column.buf + step * (term->wide ? t->futures : 1) : &one);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"hold", hold, METH_VARARGS, hold_doc},
                                {"look_ahead", look_ahead, METH_VARARGS, look_ahead_doc},
                                {"trigger", trigger, METH_VARARGS, trigger_doc},
                                {"end", end, METH_VARARGS, end_doc},
                                {"put", put, METH_VARARGS, put_doc},
                                {"terms", terms, METH_VARARGS, terms_doc},
                                {"bias", bias, METH_VARARGS, bias_doc},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "ticks", "The loops of a tick, compiled.", 0, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_ticks(void)
{
    return PyModuleDef_Init(&definition);
}
