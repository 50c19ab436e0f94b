"""Give everything back to local control."""

from __future__ import annotations

from plant.orders import Plan, Reason
from plant.site import Site
from plant.situation import Situation
from policy.local import local_course
from policy.proposal import release_commands, sealed, until
from policy.walk import store_courses

WORDS = "given back to local control"


class Release:
    """The second rung below any plan.

    Parameters
    ----------
    site
        The site.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def propose(self, situation: Situation) -> Plan:
        """A plan that releases every asset that holds an order of ours and says how it is released."""
        return sealed(
            situation,
            Plan(
                id="",
                made_at=situation.time,
                until=situation.time + until(situation),
                strategy="release",
                commands=release_commands(self._site, situation, Reason.SAFETY, WORDS),
                stores=store_courses(situation, local_course(self._site, situation)),
                rung="release",
                words=WORDS,
            ),
        )
