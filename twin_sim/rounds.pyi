import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.bool_] | npt.NDArray[np.int64] | npt.NDArray[np.float64]

def hold(
    arrays: tuple[Array, ...],
    futures: int,
    rows: int,
    triggers: int,
    stores: int,
    bills: int,
    tick_s: float,
    still: float,
    inputs: bool,
) -> object:
    """The arrays of an ensemble, held for the other functions, see `twin_sim.switching.Switches`.

    Parameters
    ----------
    arrays
        In the order of `Arrays` in `rounds.c`.
    futures, rows, triggers, stores, bills
        Columns of the ensemble, its machines, those of them that have level triggers, rows of levels and of bills.
    tick_s
        Length of a tick.
    still
        A level that moves less crosses nothing.
    inputs
        Whether any machine draws from a store.

    Raises
    ------
    ValueError
        If another number of arrays is given, or one of another length.
    """

def due(held: object, broken: bool) -> int:
    """Put the cells that are to change, whether or not they may yet, into `cells`; how many.

    Parameters
    ----------
    broken
        Whether any machine is out of order.
    """

def run(held: object, odd: bool | int, most: int, now_s: float, broken: bool) -> bool:
    """All rounds of a tick; cells that are still to change after them stay as they are.

    Parameters
    ----------
    odd, now_s, broken
        As in `change`.
    most
        Rounds.

    Returns
    -------
    bool
        Whether any cell was to change.
    """

def change(held: object, odd: bool | int, first: int, many: int, now_s: float, broken: bool) -> tuple[int, int]:
    """One round over some of the cells.

    Parameters
    ----------
    odd
        Whether levels of now and of the tick's end have changed places.
    first, many
        Where in `cells` they are.
    now_s
        Beginning of the tick.
    broken
        Whether any machine is out of order.

    Returns
    -------
    tuple
        How many cells changed, now at the front of these, and how many behind them are still to change.

    Raises
    ------
    ValueError
        If there are no such cells.
    """
