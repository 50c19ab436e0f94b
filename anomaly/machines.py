"""A site's assets as detectors see them: which tags are judged, and which only explain."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly.features import renamed
from plant.assets import Asset
from plant.site import Site
from plant.table import Table

POWER = "power"
RUNNING = "running"
SETPOINT = "setpoint"
"""Parts of the power, the running state and the set-point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One asset's tags by the part they play, so that machines of one kind can share a model.

    Attributes
    ----------
    asset, kind
        Names from the site file.
    sensors
        (part, tag) of what is judged.
    context
        (part, tag) of what acts from outside: set-point, load, weather, levels of its stores.
    power
        Part that tells the operating mode; None = one mode.
    running
        Tag of the running state; None = not measured.
    """

    asset: str
    kind: str
    sensors: tuple[tuple[str, str], ...]
    context: tuple[tuple[str, str], ...]
    power: str | None
    running: str | None = None

    @property
    def shape(self) -> tuple[str, ...]:
        """Machines of equal shape share a model."""
        return (self.kind, *(part for part, _ in self.sensors), "|", *(part for part, _ in self.context))

    def table(self, readings: Table) -> Table:
        """The machine's columns, named by their parts; what is missing is NaN."""
        parts = dict((*self.sensors, *self.context))
        return renamed(readings, parts if self.running is None else {**parts, RUNNING: self.running})

    def tag(self, part: str) -> str:
        """The tag that plays a part."""
        return dict(self.sensors)[part]


def machine(site: Site, asset: Asset) -> Machine | None:
    """An asset as detectors see it; None if a lone reading with nothing to explain it says nothing about its health.

    Power and output are both judged, each beside the other: what a machine makes is no explanation of how well it is. Where
    the power itself is the purpose (PV, lighting), it is the load that explains the other sensors.
    """
    tags = asset.tags
    sensors = [(f"sensor_{number}", tag) for number, tag in enumerate(tags.sensors, start=1)]
    context: list[tuple[str, str]] = []
    if tags.power is not None and asset.produces is not None:
        sensors.insert(0, (POWER, tags.power))
    elif tags.power is not None:
        context.append((POWER, tags.power))
    if tags.output is not None:
        sensors.append(("output", tags.output))
    if tags.setpoint is not None:
        context.append((SETPOINT, tags.setpoint))
    if not sensors or len(sensors) + len(context) < 2:
        return None
    for part, name, service in (("into", asset.into, asset.produces), ("out_of", asset.out_of, asset.consumes)):
        store = site.store(name) if name is not None else site.store_of(service) if service is not None else None
        if store is not None:
            context.append((part, store.level))
    if site.limits.outdoor is not None:
        context.append(("outdoor", site.limits.outdoor))
    judged = {tag for _, tag in sensors}
    explaining = tuple((part, tag) for part, tag in context if tag not in judged)
    power = POWER if tags.power is not None and asset.produces is not None else None
    return Machine(
        asset=asset.name, kind=asset.kind, sensors=tuple(sensors), context=explaining, power=power, running=tags.running
    )  # fmt: skip
