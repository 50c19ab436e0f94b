"""Every record that is journalled comes back equal: types, tuples, times, and floats to the last bit."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ems.historian import Historian
from plant.envelopes import Point, Regime
from plant.events import Alarm, Approval, Event, ModeChange
from plant.health import Driver, Health, Severity
from plant.identity import canonical
from plant.kpi import Kpi
from plant.orders import Command, Outcome, Plan, Request, Verdict
from plant.series import Forecast, Series
from plant.situation import Lock, Situation
from twin_sim.calibration import Calibration

KINDS: dict[str, type] = {
    "situation": Situation,
    "plan": Plan,
    "verdict": Verdict,
    "command": Command,
    "outcome": Outcome,
    "event": Event,
    "alarm": Alarm,
    "approval": Approval,
    "kpi": Kpi,
    "forecast": Forecast,
    "health": Health,
    "request": Request,
    "calibration": Calibration,
    "mode": ModeChange,
    "lock": Lock,
}

# canonical JSON has one text for 0.0 and -0.0, which are equal: the only bit that a float may lose
finite = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
times = st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))


def few(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=2).map(tuple)


@st.composite
def series(draw: st.DrawFn, shape: tuple[datetime, float, int, str] | None = None) -> Series:
    start, step_s, length, unit = shape or (draw(times), draw(st.floats(1, 1e5)), draw(st.integers(1, 4)), draw(text))
    values = draw(st.lists(finite, min_size=length, max_size=length))
    return Series(start=start, step_s=step_s, values=tuple(values), unit=unit)


@st.composite
def forecast(draw: st.DrawFn) -> Forecast:
    shape = (draw(times), 900.0, draw(st.integers(1, 4)), "kW")
    drawn = [draw(series(shape)) for _ in range(3)]
    ordered = zip(*(sorted(three) for three in zip(*(one.values for one in drawn), strict=True)), strict=True)
    low, middle, high = (replace(one, values=tuple(values)) for one, values in zip(drawn, ordered, strict=True))
    return Forecast(target=draw(text), made_at=draw(times), model_id=draw(text), p10=low, p50=middle, p90=high, words=draw(text))


@st.composite
def health(draw: st.DrawFn) -> Health:
    score = draw(st.none() | st.floats(0, 1))
    severity = None if score is None else draw(st.sampled_from(Severity))
    drivers, trend = draw(few(of(Driver))), draw(st.none() | st.tuples(finite, finite, finite))
    return Health(
        asset=draw(text), time=draw(times), score=score, severity=severity, alarm=draw(st.booleans()), drivers=drivers,
        hours_to_d=trend, model_id=draw(text), parts=draw(few(st.tuples(text, finite))),
    )  # fmt: skip


@st.composite
def regime(draw: st.DrawFn) -> Regime:
    running = tuple(draw(st.lists(text, min_size=1, max_size=2)))
    numbers = st.lists(finite, min_size=len(running), max_size=len(running)).map(tuple)
    points = st.builds(Point, setpoints=numbers, output_per_h=finite, power_kw=numbers, input_per_h=finite)
    return Regime(name=draw(text), running=running, points=tuple(draw(st.lists(points, min_size=1, max_size=2))))


OWN: dict[Any, st.SearchStrategy[Any]] = {
    float: finite,
    int: st.integers(-(2**53), 2**53),
    bool: st.booleans(),
    str: text,
    datetime: times,
    type(None): st.none(),
    Any: st.booleans() | text | st.integers(-(2**31), 2**31) | st.floats(-1e9, 1e9),
    Series: series(),
    Forecast: forecast(),
    Health: health(),
    Regime: regime(),
}


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type as the records use it."""
    if hint in OWN:
        return OWN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of([of(choice) for choice in inner])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        return few(of(inner[0])) if inner[-1] is Ellipsis else st.tuples(*(of(part) for part in inner))
    if origin is dict:
        return st.dictionaries(of(inner[0]), of(inner[1]), max_size=2)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    assert is_dataclass(hint), hint
    return st.deferred(lambda: record(typing.cast(type, hint)))


def record(cls: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{field.name: bounded(hints[field.name], dict(field.metadata)) for field in fields(cls)})


def bounded(hint: Any, bounds: dict[str, Any]) -> st.SearchStrategy[Any]:
    values = of(hint)
    tests = {"ge": lambda a, b: a >= b, "gt": lambda a, b: a > b, "le": lambda a, b: a <= b}
    named = {key: limit for key, limit in bounds.items() if key in tests}
    if not named:
        return values
    numbers: st.SearchStrategy[Any] = st.floats(named.get("ge", named.get("gt", -1e9)), named.get("le", 1e9))
    if hint is int or int in get_args(hint):
        numbers = st.integers(int(named.get("ge", 1)), 1000)
    kept = numbers.filter(lambda value: all(tests[key](value, limit) for key, limit in named.items()))
    return st.none() | kept if type(None) in get_args(hint) else kept


def bits(value: Any) -> Any:
    """The record as plain values in which every float is its bits and every tuple says that it is one."""
    if is_dataclass(value):
        return (type(value).__name__, *((field.name, bits(getattr(value, field.name))) for field in fields(value)))
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, (tuple, list)):
        return (type(value).__name__, *map(bits, value))
    return (type(value).__name__, value) if isinstance(value, (bool, int, str, Enum)) else value


@pytest.fixture(scope="module")
def historian() -> typing.Iterator[Historian]:
    with Historian("sqlite://") as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_a_record_comes_back_equal(historian: Historian, kind: str, data: st.DataObject) -> None:
    given_record = data.draw(record(KINDS[kind]) if KINDS[kind] not in OWN else OWN[KINDS[kind]])
    historian.append(kind, [given_record], cycle="c", time=datetime(2026, 1, 1, tzinfo=UTC))
    entry = historian.entries(kind, newest_first=True, limit=1)[0]
    assert entry.body == canonical(given_record)
    (back,) = historian.records(kind, KINDS[kind], newest_first=True, limit=1)
    assert back == given_record
    assert bits(back) == bits(given_record)


def test_the_whole_chain_holds(historian: Historian) -> None:
    assert historian.verify() > 0


def test_series_floats_are_bit_exact(historian: Historian) -> None:
    values = (0.1 + 0.2, 1e-308, 5e-324, 1.7976931348623157e308, 2.0**53 + 2.0, 1 / 3, 1e22, 123456789.123456789)
    one = Series(start=datetime(2026, 1, 1, tzinfo=UTC), step_s=0.1, values=values, unit="kW")
    whole = Forecast(target="x", made_at=one.start, model_id="m", p10=one, p50=one, p90=one)
    historian.append("forecast", [whole], cycle="series", time=one.start)
    (back,) = historian.records("forecast", Forecast, cycle="series")
    assert [value.hex() for value in back.p50.values] == [value.hex() for value in values]
    assert isinstance(back.p50.values, tuple)
