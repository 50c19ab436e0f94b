/* The draws of twin_sim/futures.py in C: the same operations on the same numbers in the same order, so every bit is the same. */

#include "held.h"

/* One step of a course: what is left of the step before and what is new, parted into what lies above zero and below. */
WIDE static void go_on(double *noise, double *over, double *before, double keep, double fresh, Py_ssize_t futures)
{
    for (Py_ssize_t i = 0; i < futures; i++) {
        const double now = noise[i] * fresh + keep * before[i];
        before[i] = now;
        over[i] = now > 0.0 ? now : 0.0;
        noise[i] = now < 0.0 ? now : 0.0;
    }
}

PyDoc_STRVAR(courses_doc, "courses(noise, over, steps, futures, keep, fresh)\n--\n\n"
                          "Make normal numbers of targets, steps and futures AR(1) courses: what lies above zero, and below in their\n"
                          "place.");

static PyObject *courses(PyObject *module, PyObject *args)
{
    Py_buffer noise, over;
    Py_ssize_t steps, futures;
    double keep, fresh, *before = NULL;
    PyObject *done = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*w*nndd:courses", &noise, &over, &steps, &futures, &keep, &fresh))
        return NULL;
    const Py_ssize_t course = 8 * steps * futures;
    if (steps < 1 || futures < 1 || noise.len != over.len || noise.len % course) {
        PyErr_SetString(PyExc_ValueError, "courses of other steps or futures");
    } else if (!(before = PyMem_Malloc(8 * futures))) {
        PyErr_NoMemory();
    } else {
        for (Py_ssize_t row = 0; row < noise.len / (8 * futures); row++) {
            double *now = (double *)noise.buf + row * futures, *above = (double *)over.buf + row * futures;
            for (Py_ssize_t i = 0; row % steps == 0 && i < futures; i++)
                before[i] = 0.0;
            go_on(now, above, before, keep, row % steps ? fresh : 1.0, futures);
            now[0] = above[0] = 0.0;
        }
        done = Py_NewRef(Py_None);
    }
    PyMem_Free(before);
    PyBuffer_Release(&noise);
    PyBuffer_Release(&over);
    return done;
}

WIDE static void around(double *drawn, const double *over, const double *under, double up, double mid, double down,
                        Py_ssize_t futures)
{
    for (Py_ssize_t i = 0; i < futures; i++)
        drawn[i] = over[i] * up + mid + under[i] * down;
}

PyDoc_STRVAR(drawn_doc, "drawn(into, over, under, up, mid, down)\n--\n\n"
                        "Lay courses around a forecast, step by step; `into` has the futures again and again.");

static PyObject *drawn(PyObject *module, PyObject *args)
{
    Py_buffer into, over, under, up, mid, down;
    PyObject *done = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*y*y*y*y*y*:drawn", &into, &over, &under, &up, &mid, &down))
        return NULL;
    const Py_ssize_t steps = mid.len / 8, futures = steps ? over.len / mid.len : 0, columns = steps ? into.len / mid.len : 0;
    if (futures < 1 || up.len != mid.len || down.len != mid.len || over.len != futures * mid.len || under.len != over.len ||
        into.len != columns * mid.len) {
        PyErr_SetString(PyExc_ValueError, "courses of other steps or futures");
    } else {
        const double *ups = up.buf, *mids = mid.buf, *downs = down.buf;
        for (Py_ssize_t step = 0; step < steps; step++) {
            const double *above = (double *)over.buf + step * futures, *below = (double *)under.buf + step * futures;
            double *row = (double *)into.buf + step * columns;
            for (Py_ssize_t first = 0; first < columns; first += futures)
                around(row + first, above, below, ups[step], mids[step], downs[step],
                       columns - first < futures ? columns - first : futures);
        }
        done = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&into);
    PyBuffer_Release(&over);
    PyBuffer_Release(&under);
    PyBuffer_Release(&up);
    PyBuffer_Release(&mid);
    PyBuffer_Release(&down);
    return done;
}

static PyMethodDef methods[] = {{"courses", courses, METH_VARARGS, courses_doc},
                                {"drawn", drawn, METH_VARARGS, drawn_doc},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "draws", "The draws of twin_sim/futures.py, compiled.", 0, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_draws(void)
{
    return PyModuleDef_Init(&definition);
}
