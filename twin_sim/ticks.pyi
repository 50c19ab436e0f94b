import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.bool_] | npt.NDArray[np.int64] | npt.NDArray[np.float64]
Term = tuple[int, int, npt.NDArray[np.float64], npt.NDArray[np.float64] | None, bool]
"""First row and end, a factor for each row, what it is multiplied with at each step (None: 1), whether it is added."""

def hold(arrays: tuple[Array, ...], futures: int, assets: int, stores: int, bills: int, triggers: int, flows: int) -> object:
    """The arrays of an ensemble, held for the other functions, see `twin_sim.cells.Cells`.

    Parameters
    ----------
    arrays
        In the order of `Arrays` in `ticks.c`.
    futures, assets, stores, bills, triggers, flows
        How many there are.

    Raises
    ------
    ValueError
        If another number of arrays is given, or one of another length.
    """

def look_ahead(held: object, odd: bool | int) -> None:
    """Levels at the end of the tick if no machine changes; no battery follows yet.

    Parameters
    ----------
    held
        What `hold` gave.
    odd
        Whether levels of now and of the tick's end have changed places.
    """

def trigger(held: object, odd: bool | int) -> None:
    """Let released machines want what their level triggers say."""

def put(
    held: object,
    first: int,
    end: int,
    book: bool,
    feeds: bool,
    draws: bool,
    power: float | npt.NDArray[np.float64],
    output: float | npt.NDArray[np.float64],
    intake: float | npt.NDArray[np.float64] | None,
) -> None:
    """Keep what the machines of a block would draw and give now; book what is news for those that produce.

    Parameters
    ----------
    first, end
        Rows of the block.
    book, feeds, draws
        Whether its machines are booked at all, fill stores, draw from some.
    power, output, intake
        A row for each machine or one for all, a column for each future or one for all; None: no machine of the site has one.

    Raises
    ------
    ValueError
        If there are numbers for other machines or futures.
    """

def end(
    held: object,
    odd: bool | int,
    base_kw: npt.NDArray[np.float64],
    kw: npt.NDArray[np.float64] | None,
    level: npt.NDArray[np.float64] | None,
    lowest: npt.NDArray[np.float64] | None,
    highest: npt.NDArray[np.float64] | None,
) -> None:
    """End a tick: flows between stores, no level beyond its bottom or top, nothing late any more.

    Parameters
    ----------
    base_kw
        Power that is not simulated.
    kw, level, lowest, highest
        Where power and levels of the tick, and the lowest and highest level so far, are put; None: not kept.

    Raises
    ------
    ValueError
        If an array has another length.
    """

def terms(bias: npt.NDArray[np.float64], terms: tuple[Term, ...]) -> object:
    """What levels gain from outside, held for `bias`, see `twin_sim.outside.Outside`.

    Raises
    ------
    ValueError
        If a term is for other stores or futures.
    """

def bias(terms: object, step: int) -> None:
    """Bring what levels gain from outside to a driver step.

    Raises
    ------
    IndexError
        If there is no such step.
    """
