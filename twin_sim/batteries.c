/* The batteries of twin_sim/follow.py in C: the same operations on the same numbers in the same order, so every bit is the same. */

#include "held.h"

typedef struct { /* in this order they come */
    /* batteries × futures */
    uint8_t *released, *on;
    double *setpoint, *power, *output;
    /* bills × futures, stores × futures; levels of now and of the tick's end change places from tick to tick */
    double *bill_kw, *late_kw, *followed_kw, *level[2];
    /* batteries, see `_Sizes` in follow.py */
    int64_t *stores, *bills;
    double *share, *most, *standby, *charging, *discharging, *room_kw, *left_kw, *top, *bottom, *per_rate;
    /* a future each */
    double *others, *scratch;
} Arrays;

enum { CELLS, BILLS, LEVELS, BATTERIES, FUTURES };

static const Run RUNS[] = {{CELLS, 1, 2}, {CELLS, 8, 3}, {BILLS, 8, 3}, {LEVELS, 8, 2}, {BATTERIES, 8, 12}, {FUTURES, 8, 2}};

typedef struct {
    Buffers buffers;
    Arrays a;
    Py_ssize_t futures, batteries, stores, bills;
    int alike, one_bill, stands_by;
} Held;

PyDoc_STRVAR(hold_doc, "hold(arrays, futures, batteries, stores, bills, alike, one_bill, stands_by)\n--\n\n"
                       "The arrays of a block of batteries, held for `follow`.");

static PyObject *hold(PyObject *module, PyObject *args)
{
    PyObject *tuple;
    Held *h = PyMem_Calloc(1, sizeof *h);
    (void)module;
    if (!h)
        return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "O!nnnnppp:hold", &PyTuple_Type, &tuple, &h->futures, &h->batteries, &h->stores, &h->bills,
                          &h->alike, &h->one_bill, &h->stands_by)) {
        PyMem_Free(h);
        return NULL;
    }
    const Py_ssize_t sizes[] = {h->batteries * h->futures, h->bills * h->futures, h->stores * h->futures, h->batteries,
                                h->futures};
    return capsule_of(&h->buffers, "batteries", tuple, &h->a, RUNS, LENGTH(RUNS), sizes);
}

static inline double lower(double one, double other)
{
    return one < other ? one : other;
}

static inline double higher(double one, double other)
{
    return one > other ? one : other;
}

WIDE static Py_ssize_t count(const uint8_t *flags, Py_ssize_t size)
{
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; i < size; i++)
        found += flags[i];
    return found;
}

/* Power of the site without batteries. */
WIDE static void others_of(const Held *h, const double *base, Py_ssize_t each)
{
    for (Py_ssize_t i = 0; i < h->futures; i++) {
        double billed = h->a.bill_kw[i], late = h->a.late_kw[i];
        for (Py_ssize_t bill = 1; bill < h->bills; bill++) {
            billed += h->a.bill_kw[bill * h->futures + i];
            late += h->a.late_kw[bill * h->futures + i];
        }
        h->a.others[i] = billed + late + base[i * each];
    }
}

typedef struct { /* who is under local control, and who runs: any, all of them */
    int any, all, run;
} Who;

/* Power of one battery (of all that are alike) at the connection, and what it moves in its store. */
WIDE static void answer(const Held *h, Who who, Py_ssize_t row, const double *restrict level, const double *restrict cap)
{
    const Arrays *a = &h->a;
    const Py_ssize_t futures = h->futures, first = row * futures;
    const int stands_by = h->stands_by;
    const double share = a->share[row], most = a->most[row], standby = a->standby[row], top = a->top[row];
    const double bottom = a->bottom[row], room_kw = a->room_kw[row], left_kw = a->left_kw[row];
    const double charging = a->charging[row], discharging = a->discharging[row];
    const uint8_t *restrict released = a->released + first, *restrict on = a->on + first;
    const double *restrict others = a->others;
    double *restrict setpoint = a->setpoint + first, *restrict given = a->power + first, *restrict output = a->output + first;
    double *restrict scratch = a->scratch;
    for (Py_ssize_t i = 0; i < futures; i++) {
        const double wanted = others[i] * -share;
        scratch[i] = who.all ? wanted : who.any ? (wanted - setpoint[i]) * released[i] + setpoint[i] : setpoint[i];
    }
    for (Py_ssize_t i = 0; cap && i < futures; i++)
        scratch[i] = lower(scratch[i], share * (cap[i] - others[i]) - standby);
    for (Py_ssize_t i = 0; i < futures; i++) {
        double power = scratch[i];
        power = lower(power, higher(lower((top - level[i]) * room_kw, most), 0.0));
        power = higher(power, lower(higher((bottom - level[i]) * left_kw, -most), 0.0));
        setpoint[i] = released[i] ? power : setpoint[i];
        power = who.run ? power : power * on[i];
        output[i] = higher(power, 0.0) * charging + lower(power, 0.0) * discharging;
        given[i] = stands_by ? power + standby : power;
    }
}

/* Enter what one tells of all. */
WIDE static void put_one(const Held *h, double *ahead)
{
    const Arrays *a = &h->a;
    const double many = (double)h->batteries, gain = a->per_rate[0] * many;
    double *followed = a->followed_kw + a->bills[0] * h->futures;
    for (Py_ssize_t i = 0; i < h->futures; i++) {
        followed[i] += a->power[i] * many;
        ahead[a->stores[0] * h->futures + i] += a->output[i] * gain;
    }
    for (Py_ssize_t row = 1; row < h->batteries; row++)
        for (Py_ssize_t i = 0; i < h->futures; i++) {
            a->setpoint[row * h->futures + i] = a->setpoint[i];
            a->power[row * h->futures + i] = a->power[i];
            a->output[row * h->futures + i] = a->output[i];
        }
}

/* Enter what each draws and gives; on one bill, the sum. */
WIDE static void put_each(const Held *h, double *ahead)
{
    const Arrays *a = &h->a;
    for (Py_ssize_t row = 0; row < h->batteries; row++) {
        const double *power = a->power + row * h->futures, *output = a->output + row * h->futures, per_rate = a->per_rate[row];
        double *billed = h->one_bill ? a->scratch : a->followed_kw + a->bills[row] * h->futures;
        double *level = ahead + a->stores[row] * h->futures;
        for (Py_ssize_t i = 0; i < h->futures; i++) {
            billed[i] = h->one_bill && row == 0 ? power[i] : billed[i] + power[i];
            level[i] += output[i] * per_rate;
        }
    }
    for (Py_ssize_t i = 0; h->one_bill && i < h->futures; i++)
        a->followed_kw[a->bills[0] * h->futures + i] += a->scratch[i];
}

PyDoc_STRVAR(follow_doc, "follow(held, odd, base_kw, cap_kw)\n--\n\n"
                         "Set the batteries' power for the tick that begins; `cap_kw` is None where none holds.");

static PyObject *follow(PyObject *module, PyObject *args)
{
    PyObject *capsule, *given, *done = NULL;
    int odd;
    Py_buffer base, cap = {0};
    (void)module;
    if (!PyArg_ParseTuple(args, "Opy*O:follow", &capsule, &odd, &base, &given))
        return NULL;
    const Held *h = PyCapsule_GetPointer(capsule, "batteries");
    if (h && (given == Py_None || PyObject_GetBuffer(given, &cap, PyBUF_CONTIG_RO) == 0)) {
        const Py_ssize_t cells = h->batteries * h->futures, each = base.len != 8, wide = h->futures * 8;
        if ((each && base.len != wide) || (cap.buf && cap.len != wide)) {
            PyErr_SetString(PyExc_ValueError, "powers of other futures");
        } else {
            const Py_ssize_t local = count(h->a.released, cells), running = count(h->a.on, cells);
            const Who who = {local > 0, local == cells, running == cells};
            const int one = h->alike && ((who.all && who.run) || h->batteries == 1);
            others_of(h, base.buf, each);
            for (Py_ssize_t row = 0; row < (one ? 1 : h->batteries); row++)
                answer(h, who, row, h->a.level[odd] + h->a.stores[row] * h->futures, cap.buf);
            (one ? put_one : put_each)(h, h->a.level[!odd]);
            done = Py_NewRef(Py_None);
        }
        if (cap.buf)
            PyBuffer_Release(&cap);
    }
    PyBuffer_Release(&base);
    return done;
}

static PyMethodDef methods[] = {{"hold", hold, METH_VARARGS, hold_doc},
                                {"follow", follow, METH_VARARGS, follow_doc},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "batteries", "The batteries of twin_sim/follow.py, compiled.", 0,
                                        methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_batteries(void)
{
    return PyModuleDef_Init(&definition);
}
