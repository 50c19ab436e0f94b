import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.bool_] | npt.NDArray[np.int64] | npt.NDArray[np.float64]

def hold(
    arrays: tuple[Array, ...], futures: int, batteries: int, stores: int, bills: int, alike: bool, one_bill: bool, stands_by: bool
) -> object:
    """The arrays of a block of batteries, held for `follow`, see `twin_sim.follow.Follower`.

    Parameters
    ----------
    arrays
        In the order of `Arrays` in `batteries.c`.
    futures, batteries, stores, bills
        How many there are.
    alike
        Whether they are alike and share store and bill.
    one_bill
        Whether they share a bill.
    stands_by
        Whether any draws power at rest.

    Raises
    ------
    ValueError
        If another number of arrays is given, or one of another length.
    """

def follow(held: object, odd: bool | int, base_kw: npt.NDArray[np.float64], cap_kw: npt.NDArray[np.float64] | None) -> None:
    """Set the batteries' power for the tick that begins.

    Parameters
    ----------
    odd
        Whether levels of now and of the tick's end have changed places.
    base_kw
        Power that is not simulated.
    cap_kw
        Site power above which batteries charge less; None = none.

    Raises
    ------
    ValueError
        If there are powers of other futures.
    """
