"""Send nothing: assets keep the last command that they accepted, the others stay with local control."""

from __future__ import annotations

from plant.orders import Plan
from plant.site import Site
from plant.situation import Situation
from policy.local import local_rule
from policy.outlook import outlook
from policy.proposal import sealed, until
from policy.walk import Moment, Wish, courses, store_courses, walk


class Hold:
    """The first rung below any plan.

    Parameters
    ----------
    site
        The site.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def propose(self, situation: Situation) -> Plan:
        """A plan without commands; its courses are those of the assets that hold an order of ours."""
        ahead = outlook(situation)
        local = local_rule(self._site, situation, ahead)
        held = frozenset(state.asset for state in situation.assets if not state.released)

        def rule(name: str, moment: Moment) -> Wish:
            state = situation.state(name)
            return Wish(on=bool(state.running), setpoint=state.setpoint) if name in held else local(name, moment)

        walked = walk(situation, rule, ahead)
        return sealed(
            situation,
            Plan(
                id="",
                made_at=situation.time,
                until=situation.time + until(situation),
                strategy="hold",
                commands=(),
                courses=courses(situation, walked, held),
                stores=store_courses(situation, walked),
                rung="hold",
                words="nothing is sent: every asset keeps what it was last told",
            ),
        )
