import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

def answers(told: Floats, setpoints: Floats, many: int, known: Floats, into: Floats) -> float | None:
    """Put in what is known for the set-points that machines are told, see `twin_sim.asking.Answers`.

    Parameters
    ----------
    told
        Machines × futures.
    setpoints, many
        Set-points to which the answers are known, and how many of them are.
    known
        Power, output, intake × machines × set-points.
    into
        Power, output, intake × machines × futures: where the answers are put.

    Returns
    -------
    float or None
        The first set-point to which no answer is known; None if there is none.

    Raises
    ------
    ValueError
        If the arrays have other lengths.
    """
