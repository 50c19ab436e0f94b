import numpy as np
import numpy.typing as npt

Arrays = tuple[npt.NDArray[np.bool_] | npt.NDArray[np.int64] | npt.NDArray[np.float64], ...]
Sizes = tuple[int, int, int, int, int, int]

def look_ahead(arrays: Arrays, sizes: Sizes) -> int:
    """Let machines answer whose store would leave its limits in the tick that begins, see `twin_sim.script.Script`.

    Parameters
    ----------
    arrays
        Of one script in one ensemble, in the order of `Arrays` in `orders.c`.
    sizes
        Machines, stores with limits, the row that takes what goes nowhere, columns of the ensemble, the script's first column
        and their number.

    Returns
    -------
    int
        The last machine that answers and did not before, -1 if none.

    Raises
    ------
    ValueError
        If another number of arrays is given.
    """

def order(
    arrays: Arrays, sizes: Sizes, fresh: npt.NDArray[np.bool_], orders: npt.NDArray[np.int8], asked: npt.NDArray[np.float64]
) -> int:
    """Give the fresh orders of a step, except to machines that answer to a store outside its limits.

    Parameters
    ----------
    arrays, sizes
        As for `look_ahead`.
    fresh, orders, asked
        Per machine: whether it is given its order, the order, the set-point.

    Returns
    -------
    int
        The last machine that does not follow its order in every column, -1 if all do.

    Raises
    ------
    ValueError
        If another number of arrays is given.
    """
