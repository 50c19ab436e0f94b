from datetime import UTC, datetime

import numpy as np

from anomaly.alarms import updated
from anomaly.site_rules import conditions, rules_of
from plant.assets import Asset, AssetTags, Service, Store
from plant.health import Health, Severity
from plant.site import Connection, Identity, Site, SiteLimits
from plant.table import Table
from plant.tags import Tag
from plant.tariff import FlatPrice, Tariff

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
HEAT_PUMP = Asset(name="hp", kind="heat_pump", produces="heat", spec={"power_kw": 10.0}, tags=AssetTags(power="hp.kw"))
PUMP = Asset(name="pump", kind="pump", spec={"power_kw": 5.0}, tags=AssetTags(power="pump.kw"))
SITE = Site(
    site=Identity(name="s"),
    connection=Connection(endpoint="opc.tcp://127.0.0.1:4840"),
    tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=0.2)),
    tags=tuple(Tag(name=name, unit="1") for name in ("hp.kw", "pump.kw", "room", "out")),
    services=(Service(name="heat", unit="kWh"),),
    stores=(Store(name="house", service="heat", level="room", unit="°C", bottom=0.0, top=40.0, low=20.0, high=24.0),),
    assets=(HEAT_PUMP, PUMP),
    limits=SiteLimits(outdoor="out"),
)


def _readings(**last: float) -> Table:
    values = {"hp.kw": 4.0, "pump.kw": 2.0, "room": 21.0, "out": 5.0} | last
    times = np.datetime64("2025-01-01T00:00:00", "us") + np.arange(96) * np.timedelta64(450, "s")
    return Table(times=times, columns={name: np.full(96, value) for name, value in values.items()})


def test_rules_follow_the_kind_and_the_site_file() -> None:
    names = {rule.name for rule in rules_of(SITE, HEAT_PUMP)[0]}
    assert {"power_above_rating", "tank_too_cold", "tank_too_hot", "outdoor_too_cold"} <= names
    assert "no_supply_voltage" not in names
    assert [rule.name for rule in rules_of(SITE, PUMP)[0]] == ["power_above_rating"]


def test_a_healthy_site_needs_nobody() -> None:
    assert conditions(SITE, _readings(), ()) == ()


def test_broken_rules_and_health_become_alarms() -> None:
    ill = Health(asset="pump", time=NOW, score=0.5, severity=Severity.C, alarm=True, model_id="m")
    found = conditions(SITE, _readings(**{"pump.kw": 6.0, "room": 17.0}), (ill,))
    assert {(condition.rule, condition.asset) for condition in found} == {
        ("health", "pump"),
        ("power_above_rating", "pump"),
        ("tank_too_cold", "hp"),
    }
    assert len(updated((), found, NOW)) == 3
