import numpy as np
import numpy.typing as npt

def leaves(
    word: npt.NDArray[np.int64],
    leaf: npt.NDArray[np.int64],
    bits: int,
    seen: npt.NDArray[np.int64],
    rows: int,
    found: npt.NDArray[np.int64],
) -> None:
    """Write the number of the leaf of each row in each tree into `found`, see `PackedForest`.

    Parameters
    ----------
    word, leaf, bits
        Of the forest.
    seen
        Keys of the rows, one row behind the other.
    rows
        How many.
    found
        Shape (rows, trees).

    Raises
    ------
    ValueError
        If the sizes do not belong together.
    """
