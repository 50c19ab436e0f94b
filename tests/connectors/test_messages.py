"""The words of the WebSocket wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest

from connectors.messages import SCHEMA_FILE, Ack, Advance, Beat, Hello, Point, Points, Welcome, Write, decode, encode, schema
from plant.errors import DataError
from plant.tags import Quality

NOW = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
ALL = (
    Hello(token="x"),
    Welcome(site="tank", lock_step=True, refresh_s=1.0, seq=0),
    Points(
        seq=1,
        time=NOW,
        ended=False,
        beat=3,
        points=(Point(address="s=A", value=None, quality=Quality.BAD, time=NOW, words="gone"),),
    ),
    Points(
        seq=2, time=NOW, ended=True, beat=4, points=tuple(Point(address="s=A", value=v, time=NOW) for v in (1.5, 3, True, "AUTO"))
    ),
    Write(seq=1, address="s=A", value=0.9, expires=NOW),
    Write(seq=2, address="s=A", value=False),
    Advance(seq=3, until=NOW),
    Beat(seq=4, count=7),
    Ack(re=4, ok=False, words="no"),
)


@pytest.mark.parametrize("message", ALL, ids=lambda message: message.type)
def test_there_and_back(message: Hello) -> None:
    again = decode(encode(message))
    assert again == message
    assert [type(point.value) for point in getattr(again, "points", ())] == [
        type(point.value) for point in getattr(message, "points", ())
    ]


def test_the_schema_beside_the_code_is_the_codes() -> None:
    assert orjson.loads(SCHEMA_FILE.read_bytes()) == schema()


def test_times_are_utc() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=2)))
    text = encode(Write(seq=1, address="s=A", value=1.0, expires=local)).decode()
    assert decode(text).expires == NOW  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_not_a_number_is_not_sent_as_nothing(value: float) -> None:
    with pytest.raises(ValueError, match="NaN"):
        encode(Write(seq=1, address="s=A", value=value))
    with pytest.raises(ValueError, match="NaN"):
        encode(Points(seq=1, time=NOW, ended=False, beat=0, points=(Point(address="s=A", value=value, time=NOW),)))


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"beat","seq":1,"count":1,"more":1}',
        '{"type":"beat","seq":"one","count":1}',
        '{"type":"write","seq":1,"address":"s=A","value":[1]}',
        '{"type":"write","seq":1,"address":"s=A","value":NaN}',
        '{"type":"advance","seq":1,"until":"2026-03-02T00:00:00+25:00"}',
        '{"type":"advance","seq":1,"until":"2026-03-02T00:00:00"}',
        '{"type":"unknown"}',
        "not json",
    ],
)
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="not a message of version 1"):
        decode(text)
