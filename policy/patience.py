"""A rule made to keep what may not change: minimum times, permits, earliest changes, starts of the day."""

from __future__ import annotations

from plant.situation import Situation
from policy.guard import starts_allowed
from policy.standing import PERMIT_WAIT_S, forbidden, free_from
from policy.walk import Moment, Rule, Wish


def patient(situation: Situation, rule: Rule, names: frozenset[str]) -> Rule:
    """The same rule, in which the named assets wait until they may change between running and standing."""
    clocks = {name: _Clock(situation, name) for name in names}

    def waiting(name: str, moment: Moment) -> Wish:
        wish = rule(name, moment)
        return wish if name not in clocks else clocks[name].held(wish, moment)

    return waiting


class _Clock:
    """When an asset may change next, as it goes through the steps."""

    def __init__(self, situation: Situation, name: str) -> None:
        envelope, self._state = situation.envelope(name), situation.state(name)
        assert envelope is not None  # only assets of an envelope are commanded
        self._life, self._step_s, self._time = envelope.lives[envelope.assets.index(name)], situation.step_s, situation.time
        free = free_from(situation, envelope, name)
        self._free_s = 0.0 if free is None else (free - situation.time).total_seconds()
        self._barred_s = {
            starting: PERMIT_WAIT_S if forbidden(situation, envelope, name, starting=starting) else 0.0
            for starting in (True, False)
        }
        most = starts_allowed(situation, envelope, name)
        self._left = float("inf") if most is None else most - self._state.starts_today

    def held(self, wish: Wish, moment: Moment) -> Wish:
        """The wish, or the present state where it may not be left yet."""
        name, now_s = self._state.asset, moment.step * self._step_s
        on = moment.on[name]
        if wish.on is on:
            return wish
        if now_s < max(self._free_s, self._barred_s[wish.on]) - 1e-6 or (wish.on and self._left < 1.0):
            return Wish(on=on, setpoint=moment.setpoints[name])
        self._left -= 1.0 if wish.on else 0.0
        self._free_s = now_s + (self._life.min_up_s if wish.on else self._life.min_down_s)
        return wish
