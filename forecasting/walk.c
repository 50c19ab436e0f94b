/* The walk of forecasting/packed.py in C; what a word is stands there. Integers only: nothing is rounded. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#define LANES 8  /* rows that walk together: while one waits for its node, the others go on */
#define LEVELS 3 /* from one look whether all have arrived to the next: a leaf leads to itself */

#if defined(__GNUC__) /* so that a number of bits known beforehand is known inside */
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

INLINE int64_t next(const int64_t *word, int bits, const int64_t *row, int64_t node)
{
    const int64_t here = word[node];
    return (here + row[here & ((1 << bits) - 1)]) >> (32 + bits);
}

INLINE void walk(const int64_t *word, const int64_t *leaf, int bits, const int64_t *seen, int64_t *found,
                 Py_ssize_t rows, Py_ssize_t width, Py_ssize_t trees)
{
    int64_t node[LANES];
    const int64_t *row[LANES];
    for (Py_ssize_t tree = 0; tree < trees; tree++) /* outside: a tree fits into the nearest cache */
        for (Py_ssize_t first = 0; first < rows; first += LANES) {
            const Py_ssize_t many = rows - first < LANES ? rows - first : LANES;
            int64_t moved = 1;
            for (int lane = 0; lane < LANES; lane++) { /* lanes left over repeat the last row */
                row[lane] = seen + (first + (lane < many ? lane : many - 1)) * width;
                node[lane] = tree;
            }
            while (moved) {
                for (int level = 1; level < LEVELS; level++)
                    for (int lane = 0; lane < LANES; lane++)
                        node[lane] = next(word, bits, row[lane], node[lane]);
                moved = 0;
                for (int lane = 0; lane < LANES; lane++) {
                    const int64_t after = next(word, bits, row[lane], node[lane]);
                    moved |= after ^ node[lane];
                    node[lane] = after;
                }
            }
            for (Py_ssize_t lane = 0; lane < many; lane++)
                found[(first + lane) * trees + tree] = leaf[node[lane]];
        }
}

PyDoc_STRVAR(leaves_doc, "leaves(word, leaf, bits, seen, rows, found)\n--\n\n"
                         "Write the leaf of each row in each tree into `found`; all arrays are int64, one row behind the other.");

static PyObject *leaves(PyObject *module, PyObject *args)
{
    Py_buffer word, leaf, seen, found;
    Py_ssize_t rows;
    int bits;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*y*iy*nw*:leaves", &word, &leaf, &bits, &seen, &rows, &found))
        return NULL;
    const Py_ssize_t size = sizeof(int64_t);
    const int fits = rows > 0 && bits >= 0 && bits < 31 && word.len == leaf.len && word.len % size == 0 &&
                     seen.len % (rows * size) == 0 && found.len % (rows * size) == 0 && found.len / rows <= word.len;
    if (fits) {
        const Py_ssize_t width = seen.len / size / rows, trees = found.len / size / rows;
        Py_BEGIN_ALLOW_THREADS
        if (bits == 7) /* 33 to 64 features: to shift by a number known beforehand takes a fifth less time */
            walk(word.buf, leaf.buf, 7, seen.buf, found.buf, rows, width, trees);
        else
            walk(word.buf, leaf.buf, bits, seen.buf, found.buf, rows, width, trees);
        Py_END_ALLOW_THREADS
    } else {
        PyErr_SetString(PyExc_ValueError, "arrays of int64 that belong together are needed");
    }
    PyBuffer_Release(&word);
    PyBuffer_Release(&leaf);
    PyBuffer_Release(&seen);
    PyBuffer_Release(&found);
    if (!fits)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"leaves", leaves, METH_VARARGS, leaves_doc}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "walk", "The walk of forecasting/packed.py, compiled.", 0, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_walk(void)
{
    return PyModuleDef_Init(&definition);
}
