"""Types on OPC UA are written out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from asyncua import ua

from connectors.variants import data_value, raw, server_type, variant
from plant.tags import Quality, ValueType

NOW = datetime(2026, 3, 2, tzinfo=UTC)
V = ua.VariantType


@pytest.mark.parametrize(
    ("value", "wanted", "held", "kind"),
    [
        (1.5, ValueType.FLOAT, V.Float, V.Float),
        (1.5, ValueType.FLOAT, None, V.Double),
        (2, ValueType.FLOAT, V.Double, V.Double),
        (2.0, ValueType.FLOAT, V.Int16, V.Int16),
        (7, ValueType.INTEGER, V.UInt32, V.UInt32),
        (7, ValueType.INTEGER, V.Double, V.Double),
        (True, ValueType.BOOLEAN, V.Boolean, V.Boolean),
        ("AUTO", ValueType.TEXT, V.String, V.String),
    ],
)
def test_the_servers_type_decides(value: object, wanted: ValueType, held: ua.VariantType | None, kind: ua.VariantType) -> None:
    made = variant(value, wanted, held)  # type: ignore[arg-type]
    assert made.VariantType is kind
    assert made.Value == value


@pytest.mark.parametrize(
    ("value", "wanted", "held"),
    [
        (1.5, ValueType.FLOAT, V.Int16),
        (40000, ValueType.INTEGER, V.Int16),
        (-1, ValueType.INTEGER, V.UInt16),
        (1.0, ValueType.FLOAT, V.String),
        ("AUTO", ValueType.TEXT, V.Int32),
        (True, ValueType.BOOLEAN, V.String),
        (1.0, ValueType.FLOAT, V.Boolean),
        (1.0, ValueType.FLOAT, V.DateTime),
    ],
)
def test_types_that_do_not_fit_are_refused(value: object, wanted: ValueType, held: ua.VariantType) -> None:
    with pytest.raises(ValueError, match=r"does not fit|the server holds"):
        variant(value, wanted, held)  # type: ignore[arg-type]


def test_an_abstract_data_type_is_told_by_the_value() -> None:
    number = ua.DataValue(ua.Variant(ua.NodeId(26), V.NodeId))
    own = ua.DataValue(ua.Variant(ua.NodeId(3001, 2), V.NodeId))
    assert server_type(number, ua.DataValue(ua.Variant(3, V.Int16))) is V.Int16
    assert server_type(own, ua.DataValue(ua.Variant(3.0, V.Float))) is V.Float
    assert server_type(number, ua.DataValue(ua.Variant(None, V.Null))) is None
    assert server_type(ua.DataValue(ua.Variant(ua.NodeId(11), V.NodeId)), ua.DataValue(ua.Variant(None, V.Null))) is V.Double


@pytest.mark.parametrize(
    ("code", "quality"),
    [
        (ua.StatusCode(0x00000000), Quality.GOOD),
        (ua.StatusCode(0x00960000), Quality.GOOD),
        (ua.StatusCode(0x40900000), Quality.UNCERTAIN),
        (ua.StatusCode(0x80340000), Quality.BAD),
        (ua.StatusCode(0xC0000000), Quality.BAD),
    ],
)
def test_severity_is_quality(code: ua.StatusCode, quality: Quality) -> None:
    found = raw(ua.DataValue(ua.Variant(1.0, V.Double), StatusCode=code, SourceTimestamp=NOW))
    assert found.quality is quality
    assert found.value == (None if quality is Quality.BAD else 1.0)


def test_an_array_is_bad() -> None:
    assert raw(ua.DataValue(ua.Variant([1.0, 2.0], V.Double))).quality is Quality.BAD


@pytest.mark.parametrize("quality", list(Quality))
def test_quality_there_and_back(quality: Quality) -> None:
    found = raw(data_value(1.0, ValueType.FLOAT, quality, NOW))
    assert (found.quality, found.time) == (quality, NOW)


def test_no_value_is_bad() -> None:
    assert raw(data_value(None, ValueType.FLOAT, Quality.GOOD, NOW)).quality is Quality.BAD
