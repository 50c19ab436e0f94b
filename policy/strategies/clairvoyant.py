"""For measuring only: the optimum of a window whose future is known, and what no plan at all can beat.

Whoever asks puts what really happened into the situation's forecasts; the search is never stopped early, so the plan's
`bound` is proven for the whole window.
"""

from __future__ import annotations

from plant.site import Site
from policy.solve import ENDLESS, Purse
from policy.strategies.optimal import Optimal

GUARD_S = 86400.0


class Clairvoyant(Optimal):
    """The optimal strategy without limits of work.

    Parameters
    ----------
    site
        The site.
    """

    name = "clairvoyant"

    def __init__(self, site: Site) -> None:
        super().__init__(site)

    def purse(self) -> Purse:
        """Everything."""
        return Purse(iterations=ENDLESS, time_limit_s=GUARD_S)
