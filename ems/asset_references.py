"""What a site file says of its machines must agree with the rest of it and with their kinds."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from datetime import time

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ems.naming import Fault, Names, hours_faults
from ems.units import rate_units
from plant import kinds
from plant.assets import Asset, LevelTrigger, Mode, ScheduleControl, TagWrite
from plant.errors import NotFoundError
from plant.site import Site


def asset_faults(asset: Asset, site: Site, names: Names) -> Iterator[Fault]:
    """Everything wrong with one machine of a site."""
    key = f"assets[{asset.name}]"
    yield from _asset_services(asset, site, key, names)
    yield from _asset_tags(asset, key, names)
    yield from _asset_life(asset, key)
    yield from _local_control(asset, key, names)
    for other in asset.needs:
        yield from names.exists(f"{key}.needs", other, [name for name in names.assets if name != asset.name], "other asset")
    yield from _spec(asset, key)
    if site.control.mode is Mode.CONTROL and _commandable(asset) and not asset.release and not asset.safe_state:
        words = "is missing; in CONTROL an asset needs the writes that give it back to local control, or a safe_state"
        yield Fault(key=f"{key}.release", words=words)


def _commandable(asset: Asset) -> bool:
    return asset.tags.command is not None or asset.tags.setpoint_write is not None


def _asset_services(asset: Asset, site: Site, key: str, names: Names) -> Iterator[Fault]:
    pairs = (("produces", asset.produces, "into", asset.into), ("consumes", asset.consumes, "out_of", asset.out_of))
    for name, service, side, store in pairs:
        yield from names.exists(f"{key}.{name}", service, names.services, "service")
        yield from names.exists(f"{key}.{side}", store, names.stores, "store")
        held = names.stores.get(store or "")
        if held is not None and service is not None and held.service != service:
            words = f"store {store!r} holds {held.service!r}, but the asset {name} {service!r}"
            yield Fault(key=f"{key}.{side}", words=words)
        if store is not None and service is None:
            yield Fault(key=f"{key}.{name}", words=f"is missing; {side} = {store!r} needs the service too")
        several = [other.name for other in site.stores if other.service == service and service is not None]
        if store is None and len(several) > 1:
            yield Fault(key=f"{key}.{side}", words=f"is missing; {service!r} has several stores: {', '.join(several)}")


def _asset_tags(asset: Asset, key: str, names: Names) -> Iterator[Fault]:
    tags, service = asset.tags, names.services.get(asset.produces or "")
    yield from names.tag(f"{key}.tags.power", tags.power, ("kW",))
    yield from names.tag(f"{key}.tags.output", tags.output, rate_units(service.unit) if service else ())
    for part in ("running", "setpoint", "permit_start", "permit_stop", "remote", "tripped"):
        yield from names.tag(f"{key}.tags.{part}", getattr(tags, part))
    for part in ("command", "setpoint_write"):
        yield from names.tag(f"{key}.tags.{part}", getattr(tags, part), writable=True)
    for sensor in tags.sensors:
        yield from names.tag(f"{key}.tags.sensors", sensor)
    writes: tuple[tuple[str, tuple[TagWrite, ...]], ...] = (("release", asset.release), ("safe_state", asset.safe_state))
    for part, items in writes:
        for item in items:
            yield from names.tag(f"{key}.{part}", item.tag, writable=True)


def _asset_life(asset: Asset, key: str) -> Iterator[Fault]:
    life = asset.life
    low, high, nominal = life.setpoint_low, life.setpoint_high, life.setpoint_nominal
    if low is not None and high is not None and low >= high:
        yield Fault(key=f"{key}.life.setpoint_low", words=f"{low:g} is not below setpoint_high = {high:g}")
    wanted = [("life.setpoint_nominal", nominal), ("local_control.setpoint", getattr(asset.local_control, "setpoint", None))]
    for part, value in wanted:
        if value is not None and not (low is None or low <= value) & (high is None or value <= high):
            yield Fault(key=f"{key}.{part}", words=f"{value:g} is outside {low} to {high} (setpoint_low to setpoint_high)")
    if asset.tags.setpoint_write is not None and (low is None or high is None):
        yield Fault(key=f"{key}.life", words="setpoint_low and setpoint_high are needed where a set-point is written")
    if asset.ready_by is not None:
        try:
            time.fromisoformat(asset.ready_by)
        except ValueError:
            yield Fault(key=f"{key}.ready_by", words=f"{asset.ready_by!r} is no time of day; write for example 07:30")


def _local_control(asset: Asset, key: str, names: Names) -> Iterator[Fault]:
    control = asset.local_control
    if isinstance(control, LevelTrigger):
        yield from names.exists(f"{key}.local_control.store", control.store, names.stores, "store")
        store = names.stores.get(control.store)
        if control.start == control.stop:
            yield Fault(key=f"{key}.local_control.stop", words=f"{control.stop:g} is also where it starts; they must differ")
        for part, level in (("start", control.start), ("stop", control.stop)):
            if store is not None and not store.bottom <= level <= store.top:
                words = f"{level:g} is outside store {store.name!r}: {store.bottom:g} to {store.top:g} {store.unit}"
                yield Fault(key=f"{key}.local_control.{part}", words=words)
    elif isinstance(control, ScheduleControl):
        yield from hours_faults(f"{key}.local_control.on", control.on)


def _spec(asset: Asset, key: str) -> Iterator[Fault]:
    """The kind exists and its fields are those of the spec."""
    try:
        kind = kinds.find("twin_sim.assets", asset.kind)
    except (NotFoundError, ImportError) as error:
        yield Fault(key=f"{key}.kind", words=str(error))
        return
    if not dataclasses.is_dataclass(kind):
        yield Fault(key=f"{key}.kind", words=f"{asset.kind!r}: {kind.__name__} is no dataclass, so its spec cannot be checked")
        return
    allowed = [field.name for field in dataclasses.fields(kind) if field.init]
    for name in asset.spec:
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1)
            near = f"; did you mean {close[0]!r}?" if close else ""
            words = f"unknown key{near} ({asset.kind} knows: {', '.join(sorted(allowed)) or 'none'})"
            yield Fault(key=f"{key}.spec.{name}", words=words)
    known = {name: value for name, value in asset.spec.items() if name in allowed}
    try:
        _spec_adapter(kind).validate_python(known)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            place = ".".join(str(part) for part in fault["loc"])
            missing = fault["type"] in {"missing", "missing_argument", "missing_keyword_only_argument"}
            words = "is missing; it must be given" if missing else f"{fault['input']!r}: {fault['msg']}"
            yield Fault(key=f"{key}.spec.{place}".rstrip("."), words=words)


def _spec_adapter(kind: type) -> TypeAdapter[object]:
    if hasattr(kind, "__pydantic_config__"):
        return TypeAdapter(kind)
    return TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))
