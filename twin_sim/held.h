/* Arrays that compiled loops work on from tick to tick: looked at once, then held in a capsule. */

#ifndef TWIN_SIM_HELD_H
#define TWIN_SIM_HELD_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

enum { MOST_ARRAYS = 48 };

typedef struct { /* so many arrays after one another: what they have a number for, and its bytes */
    uint8_t of, size, many;
} Run;

typedef struct { /* what a struct that is held begins with */
    Py_ssize_t held;
    Py_buffer buffer[MOST_ARRAYS];
} Buffers;

static void release(Buffers *buffers)
{
    while (buffers->held > 0)
        PyBuffer_Release(buffers->buffer + --buffers->held);
    PyMem_Free(buffers);
}

static void release_capsule(PyObject *capsule)
{
    release(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
}

/* Put the arrays of a tuple where a struct of pointers is, if they are as many and as long as they are to be. */
static int take(Buffers *buffers, PyObject *tuple, void **arrays, const Run *runs, size_t count, const Py_ssize_t *sizes)
{
    Py_ssize_t needed = 0;
    for (size_t run = 0; run < count; run++)
        needed += runs[run].many;
    if (PyTuple_GET_SIZE(tuple) != needed) {
        PyErr_Format(PyExc_ValueError, "%zd arrays are needed", needed);
        return 0;
    }
    for (size_t run = 0; run < count; run++)
        for (int number = 0; number < runs[run].many; number++) {
            const Py_ssize_t at = buffers->held;
            if (PyObject_GetBuffer(PyTuple_GET_ITEM(tuple, at), buffers->buffer + at, PyBUF_CONTIG) != 0)
                return 0;
            arrays[buffers->held++] = buffers->buffer[at].buf;
            if (buffers->buffer[at].len != sizes[runs[run].of] * runs[run].size) {
                PyErr_Format(PyExc_ValueError, "array %zd has another length", at);
                return 0;
            }
        }
    return 1;
}

/* A capsule of a struct that begins with its buffers; without one it is freed. */
static inline PyObject *capsule_of(Buffers *buffers, const char *name, PyObject *tuple, void *arrays, const Run *runs, size_t count,
                            const Py_ssize_t *sizes)
{
    PyObject *capsule = take(buffers, tuple, arrays, runs, count, sizes) ? PyCapsule_New(buffers, name, release_capsule) : NULL;
    if (!capsule)
        release(buffers);
    return capsule;
}

/* Loops over neighbouring numbers, compiled for two widths of vectors and chosen when loaded: the same bits, sooner. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

#define LENGTH(of) (sizeof(of) / sizeof *(of))

#endif
