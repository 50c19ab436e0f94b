"""Where machines and stores stand when a simulation begins."""

from __future__ import annotations

from dataclasses import dataclass

from plant.situation import Situation
from twin_sim.layout import Layout, nominal_setpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineState:
    """One machine at the start."""

    running: bool
    since_s: float | None = None
    """How long it has been so; None = longer than any minimum time."""
    setpoint: float | None = None
    """None = nominal."""
    released: bool = True
    """True: local control runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinState:
    """All machines and stores at the start, by name; who is not named starts off, who has no level at its middle."""

    machines: tuple[tuple[str, MachineState], ...] = ()
    levels: tuple[tuple[str, float], ...] = ()


def of_situation(situation: Situation) -> TwinState:
    """The state that a situation shows."""
    machines = []
    for state in situation.assets:
        since = None if state.since is None else (situation.time - state.since).total_seconds()
        machines.append(
            (
                state.asset,
                MachineState(running=bool(state.running), since_s=since, setpoint=state.setpoint, released=state.released),
            )
        )
    levels = tuple((item.store, item.level) for item in situation.stores if item.level is not None)
    return TwinState(machines=tuple(machines), levels=levels)


def setpoint_of(layout: Layout, row: int, state: MachineState | None) -> float:
    """Set-point that a machine starts with, inside its limits."""
    nominal = nominal_setpoint(layout.assets[row])
    found = nominal if state is None or state.setpoint is None else state.setpoint
    return float(min(max(found, layout.setpoint_low[row]), layout.setpoint_high[row]))
