"""The future that breaks a rule most, as a trace to be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plant.orders import StoreCourse, Trace, Violation
from plant.series import Series
from plant.situation import Situation
from plant.table import Floats

if TYPE_CHECKING:
    from twin_sim.rehearsal import Lived

DIGITS = 3


def worst_future(situation: Situation, lived: Lived, violation: Violation) -> Trace:
    """The future of a plan in which a violation is worst: by the site's power, or by the depth of a store."""
    ticks = lived.recorder.ticks
    kw, levels = lived.recorder.site_kw(), lived.recorder.level[:ticks]
    future = int(np.argmax(_badness(lived, violation, kw[:, lived.plan], levels[:, :, lived.plan])))

    def series(values: Floats, unit: str) -> Series:
        return Series(start=situation.time, step_s=lived.tick_s, values=tuple(np.round(values, DIGITS).tolist()), unit=unit)

    stores = tuple(
        StoreCourse(store=store.name, level=series(levels[:, row, future], store.unit))
        for row, store in enumerate(lived.ensemble.layout.stores)
    )
    return Trace(
        future=future,
        power_kw=series(kw[:, lived.plan][:, future], "kW"),
        nothing_kw=series(kw[:, lived.nothing][:, future], "kW"),
        stores=stores,
        words=f"future {future} of {lived.futures}: {violation.rule} of {violation.asset} at its worst",
    )


def _badness(lived: Lived, violation: Violation, kw: Floats, levels: Floats) -> Floats:
    """How badly each future breaks a rule, shape (futures,)."""
    row = next((row for row, store in enumerate(lived.ensemble.layout.stores) if store.name == violation.asset), None)
    if row is None:
        return np.asarray((-kw if violation.rule == "export_kw" else kw).max(axis=0))
    low = violation.rule in {"store_low", "store_bottom", "service"}
    return np.asarray((-levels[:, row] if low else levels[:, row]).max(axis=0))
