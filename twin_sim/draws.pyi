import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

def courses(noise: Floats, over: Floats, steps: int, futures: int, keep: float, fresh: float) -> None:
    """Make normal numbers of targets, steps and futures AR(1) courses whose first future is zero, see `twin_sim.futures`.

    Parameters
    ----------
    noise
        The numbers; then what of the courses lies below zero.
    over
        Where what lies above is put.
    steps, futures
        The last two lengths of both.
    keep, fresh
        What is left of a step in the next, and share of what is new in it.

    Raises
    ------
    ValueError
        If the arrays have other lengths.
    """

def drawn(into: Floats, over: Floats, under: Floats, up: Floats, mid: Floats, down: Floats) -> None:
    """Lay courses around a forecast: above by `up`, below by `down`.

    Parameters
    ----------
    into
        Steps × columns: the futures again and again.
    over, under
        Steps × futures.
    up, mid, down
        A number for each step.

    Raises
    ------
    ValueError
        If the arrays have other lengths.
    """
