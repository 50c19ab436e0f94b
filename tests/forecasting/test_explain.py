from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from forecasting.explain import drivers
from forecasting.models.extra_trees import ExtraTrees
from tests.forecasting.series import changed, works


def test_a_planned_shift_is_named_as_the_driver() -> None:
    table, rng = works(days=60), np.random.default_rng(2)
    plan = rng.integers(0, 2, 60).repeat(24).astype(float)
    plan[50 * 24 : 51 * 24] = 1.0
    plan[30 * 24 : 50 * 24] = np.repeat(rng.random(20) < 0.2, 24)
    planned = changed(changed(table, "load_kw", table.columns["load_kw"] + 80 * plan), "plan", plan)
    model = ExtraTrees(known=("plan",)).fit(planned.before(np.datetime64("2024-02-20")), "load_kw")
    first = drivers(model, planned, datetime(2024, 2, 20, tzinfo=UTC))[0]
    assert first.feature in {"plan", "plan_deviation"}
    assert first.effect > 10.0
    assert sum(share for _, share in model.importances) == pytest.approx(1.0)
    assert {"plan", "plan_deviation"} & {name for name, _ in model.importances[:8]}
