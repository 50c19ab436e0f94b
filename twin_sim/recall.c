/* What machines have answered to set-points, for a whole block of them at once: the loop of twin_sim/asking.py. */

#include "held.h"
#include <string.h>

enum { QUANTITIES = 3 }; /* power, output, intake */

typedef struct {
    Py_ssize_t rows, futures, most, many;
} Sizes;

/* Put in what is known for every machine and future; the first set-point for which nothing is, or NULL. */
static const double *look_up(const Sizes *s, const double *told, const double *setpoints, const double *known, double *into)
{
    const Py_ssize_t cells = s->rows * s->futures;
    for (Py_ssize_t row = 0; row < s->rows; row++) {
        const double *own = known + row * s->most;
        Py_ssize_t at = 0;
        for (Py_ssize_t cell = row * s->futures; cell < (row + 1) * s->futures; cell++) {
            if (s->many == 0)
                return told + cell;
            if (memcmp(setpoints + at, told + cell, sizeof *told) != 0) { /* bits: neither zeros nor what is no number are mixed up */
                for (at = 0; at < s->many && memcmp(setpoints + at, told + cell, sizeof *told) != 0;)
                    at++;
                if (at == s->many)
                    return told + cell;
            }
            for (int quantity = 0; quantity < QUANTITIES; quantity++)
                into[quantity * cells + cell] = own[quantity * s->rows * s->most + at];
        }
    }
    return NULL;
}

PyDoc_STRVAR(answers_doc, "answers(told, setpoints, many, known, into)\n--\n\n"
                          "Put in what is known for the set-points told; the first for which nothing is, or None.");

static PyObject *answers(PyObject *module, PyObject *args)
{
    Py_buffer told, setpoints, known, into;
    Sizes s;
    PyObject *done = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*y*ny*w*:answers", &told, &setpoints, &s.many, &known, &into))
        return NULL;
    s.most = setpoints.len / 8;
    s.rows = s.most ? known.len / (8 * QUANTITIES * s.most) : 0;
    s.futures = s.rows ? told.len / (8 * s.rows) : 0;
    if (s.many < 0 || s.many > s.most || known.len != 8 * QUANTITIES * s.rows * s.most || told.len != 8 * s.rows * s.futures ||
        into.len != QUANTITIES * told.len) {
        PyErr_SetString(PyExc_ValueError, "answers of other machines or futures");
    } else {
        const double *missing = look_up(&s, told.buf, setpoints.buf, known.buf, into.buf);
        done = missing ? PyFloat_FromDouble(*missing) : Py_NewRef(Py_None);
    }
    PyBuffer_Release(&told);
    PyBuffer_Release(&setpoints);
    PyBuffer_Release(&known);
    PyBuffer_Release(&into);
    return done;
}

static PyMethodDef methods[] = {{"answers", answers, METH_VARARGS, answers_doc}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "recall", "What machines have answered before, compiled.", 0, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_recall(void)
{
    return PyModuleDef_Init(&definition);
}
