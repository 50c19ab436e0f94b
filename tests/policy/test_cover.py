"""A machine is stopped for its health only where the others can carry its service."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plant.health import Health, Severity
from plant.orders import Action, Reason
from plant.series import Series
from plant.situation import Situation
from policy.instances import works
from policy.risk import must_rest
from policy.strategies.optimal import Optimal
from policy.strategies.threshold import Threshold


def _ill(situation: Situation, *names: str, demand: float) -> Situation:
    """All machines run, some are ill, and the demand of every service is scaled."""
    states = tuple(replace(state, running=True) for state in situation.assets)
    health = tuple(
        Health(asset=name, time=situation.time, score=0.1, severity=Severity.D, alarm=True, trip=True, model_id="drawn")
        for name in names
    )
    forecasts = tuple(
        replace(item, **{part: replace(getattr(item, part), values=tuple(demand * v for v in getattr(item, part).values))
                         for part in ("p10", "p50", "p90")})
        for item in situation.forecasts
    )  # fmt: skip
    return replace(situation, assets=states, health=health, forecasts=forecasts)


def test_it_rests_where_the_others_carry_the_service_and_runs_on_where_not() -> None:
    made = works(5, 8, seed=2)
    assert must_rest(_ill(made.situation, "m0", demand=0.5), "m0") is not None
    assert must_rest(_ill(made.situation, "m0", demand=3.0), "m0") is None
    assert must_rest(_ill(made.situation, "m0", demand=0.5), "m1") is None


def test_two_that_are_ill_cannot_stand_in_for_each_other() -> None:
    made = works(2, 8, seed=2)
    assert must_rest(_ill(made.situation, "m0", demand=0.3), "m0") is not None
    assert must_rest(_ill(made.situation, "m0", "m1", demand=0.3), "m0") is None


def test_a_service_without_a_forecast_is_not_given_up() -> None:
    made = works(5, 8, seed=2)
    unknown = replace(_ill(made.situation, "m0", demand=0.3), forecasts=())
    assert must_rest(unknown, "m0") is None


def _cooling(situation: Situation) -> Situation:
    """The same with all that is made being taken out: outputs and demands are negative."""
    envelopes = tuple(
        replace(
            envelope,
            regimes=tuple(
                replace(regime, points=tuple(replace(point, output_per_h=-point.output_per_h) for point in regime.points))
                for regime in envelope.regimes
            ),
        )
        for envelope in situation.envelopes
    )

    def minus(series: Series) -> Series:
        return replace(series, values=tuple(-value for value in series.values))

    forecasts = tuple(
        replace(item, p10=minus(item.p90), p50=minus(item.p50), p90=minus(item.p10)) for item in situation.forecasts
    )  # fmt: skip
    return replace(situation, envelopes=envelopes, forecasts=forecasts)


def test_what_takes_out_needs_cover_as_well() -> None:
    made = works(5, 8, seed=2)
    assert must_rest(_cooling(_ill(made.situation, "m0", demand=0.5)), "m0") is not None
    assert must_rest(_cooling(_ill(made.situation, "m0", demand=3.0)), "m0") is None
    alone = tuple(item for item in made.situation.envelopes if not set(item.assets) & {"m1", "m2", "m3", "m4"})
    only = replace(_ill(made.situation, "m0", demand=0.5), envelopes=alone)
    assert must_rest(_cooling(only), "m0") is None


@pytest.mark.parametrize("strategy", [Threshold, Optimal])
@pytest.mark.parametrize(("demand", "rests"), [(0.3, True), (3.0, False)])
def test_both_strategies_propose_the_shutdown_only_then(strategy: type[Threshold | Optimal], demand: float, rests: bool) -> None:
    made = works(5, 8, seed=2)
    plan = strategy(made.site).propose(_ill(made.situation, "m0", demand=demand))
    stopped = [item for item in plan.commands if item.asset == "m0" and item.action is Action.SHUTDOWN]
    assert any(item.reason is Reason.HEALTH for item in stopped) is rests
