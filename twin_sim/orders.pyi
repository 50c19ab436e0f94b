import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.bool_] | npt.NDArray[np.int8] | npt.NDArray[np.int64] | npt.NDArray[np.float64]

def hold(
    arrays: tuple[Array, ...], assets: int, limited: int, nowhere: int, futures: int, first: int, columns: int, steps: int
) -> object:
    """The arrays of a script and its ensemble, held for the other functions, see `twin_sim.script.Script`.

    Parameters
    ----------
    arrays
        In the order of `Arrays` in `orders.c`.
    assets, limited, nowhere
        Machines, stores with limits, the row that takes what goes nowhere.
    futures, first, columns
        Columns of the ensemble, the script's first column and their number.
    steps
        Of the script.

    Raises
    ------
    ValueError
        If another number of arrays is given, or one of another length.
    """

def look_ahead(held: object, odd: bool | int) -> int:
    """Let machines answer whose store would leave its limits in the tick that begins.

    Parameters
    ----------
    odd
        Whether levels of now and of the tick's end have changed places.

    Returns
    -------
    int
        The last machine that answers and did not before, -1 if none.
    """

def order(held: object, odd: bool | int, step: int, given: int) -> tuple[int, bool]:
    """Give the orders of a step, except to machines that answer to a store outside its limits.

    Parameters
    ----------
    step, given
        The step, and that whose orders stand (-1: none): what is the same and followed is not given again.

    Returns
    -------
    tuple
        The last machine that does not follow its order in every column, -1 if all do; whether a set-point has changed.

    Raises
    ------
    IndexError
        If there is no such step.
    """
