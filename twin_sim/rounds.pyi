import numpy as np
import numpy.typing as npt

def change(
    arrays: tuple[npt.NDArray[np.bool_] | npt.NDArray[np.int64] | npt.NDArray[np.float64], ...],
    many: int,
    futures: int,
    rows: int,
    triggers: int,
    now_s: float,
    tick_s: float,
    still: float,
    broken: bool,
    inputs: bool,
) -> tuple[int, int]:
    """One round over the first `many` cells, see `twin_sim.switching.Switches`.

    Parameters
    ----------
    arrays
        Of one ensemble, in the order of `Arrays` in `rounds.c`.
    many
        Cells that are to change.
    futures, rows, triggers
        Columns of the ensemble, its machines, those of them that have level triggers.
    now_s, tick_s
        Beginning and length of the tick.
    still
        A level that moves less crosses nothing.
    broken
        Whether any machine is out of order.
    inputs
        Whether any machine draws from a store.

    Returns
    -------
    tuple
        How many cells changed, now at the front of `cells`, and how many behind them are still to change.

    Raises
    ------
    ValueError
        If another number of arrays is given.
    """
