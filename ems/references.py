"""What a site file says twice must agree: names exist, units fit, and what CONTROL needs is there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ems.asset_references import asset_faults
from ems.feed_references import feed_faults, fetched_files
from ems.naming import Fault, Names, hours_faults, near
from ems.units import rate_units
from plant import kinds
from plant.assets import Inventory, Mode, Store
from plant.site import Site, VirtualTag
from plant.tags import Tag
from plant.tariff import FilePrice, PriceSource, TagPrice, TimeOfUsePrice


def faults(site: Site, folder: Path) -> list[Fault]:
    """Everything about a site that cannot be seen by looking at one value."""
    names = Names(site)
    found: list[Fault] = []
    for check in (_unique(site), _identity(site), _tags(site), _virtual(site, names), _services(site, names), _stores(site, names)):
        found += check
    for asset in site.assets:
        found += asset_faults(asset, site, names)
    found += [
        *_inventories(site, names),
        *_groups(site, names),
        *_tariff(site, names, folder),
        *_limits(site, names),
        *_control(site),
        *_learning(site),
        *feed_faults(site),
    ]
    return found


def _unique(site: Site) -> Iterator[Fault]:
    lists = {
        "tags": [*(tag.name for tag in site.tags), *(tag.name for tag in site.virtual_tags)],
        "services": [service.name for service in site.services],
        "stores": [store.name for store in site.stores],
        "inventories": [inventory.name for inventory in site.inventories],
        "assets": [asset.name for asset in site.assets],
        "groups": [group.name for group in site.groups],
    }
    for key, names in lists.items():
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Fault(key=f"{key}[{name}]", words=f"the name {name!r} is given {names.count(name)} times; each must be its own")


def _identity(site: Site) -> Iterator[Fault]:
    try:
        ZoneInfo(site.site.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        words = f"{site.site.timezone!r} is no time zone; write for example Europe/Berlin or UTC"
        yield Fault(key="site.timezone", words=words)
    if site.site.country is not None:
        yield from _country(site.site.country)
    for day in site.site.shutdown_days:
        try:
            date.fromisoformat(day)
        except ValueError:
            yield Fault(key="site.shutdown_days", words=f"{day!r} is no date; write YYYY-MM-DD")


def _country(code: str) -> Iterator[Fault]:
    import holidays

    known = holidays.list_supported_countries()
    if code not in known:
        yield Fault(
            key="site.country", words=f"{code!r} is no country with a known holiday calendar; write its ISO 3166 code, as DE"
        )


def _tags(site: Site) -> Iterator[Fault]:
    every: tuple[Tag | VirtualTag, ...] = (*site.tags, *site.virtual_tags)
    for tag in every:
        key = f"tags[{tag.name}]"
        if tag.low is not None and tag.high is not None and tag.low >= tag.high:
            yield Fault(key=f"{key}.low", words=f"{tag.low:g} is not below high = {tag.high:g}")
        if isinstance(tag, Tag) and site.connection.kind == "opcua" and not tag.address:
            yield Fault(key=f"{key}.address", words="is missing; over OPC UA every tag needs one, for example s=Plant.Tank.Level")
        if isinstance(tag, Tag) and tag.scale == 0:
            yield Fault(key=f"{key}.scale", words="0 would make every value the same; write another number")


def _virtual(site: Site, names: Names) -> Iterator[Fault]:
    later = [tag.name for tag in site.virtual_tags]
    for tag in site.virtual_tags:
        key = f"virtual_tags[{tag.name}]"
        for name in (*tag.tags, *tag.outflows):
            yield from names.tag(f"{key}.tags", name, (tag.unit,) if tag.kind != "balance" else ())
            if name in later:
                yield Fault(key=f"{key}.tags", words=f"{name!r} is a virtual tag that comes later; put it before {tag.name!r}")
        later.remove(tag.name)
        yield from _balance(tag, key, names) if tag.kind == "balance" else _sum(tag, key)


def _sum(tag: VirtualTag, key: str) -> Iterator[Fault]:
    if not tag.tags:
        yield Fault(key=f"{key}.tags", words=f"is empty; a {tag.kind} needs the tags it is made of")
    if tag.outflows or tag.store:
        yield Fault(key=key, words=f'outflows and store belong to kind = "balance", not to {tag.kind!r}')


def _balance(tag: VirtualTag, key: str, names: Names) -> Iterator[Fault]:
    if tag.store is None:
        yield Fault(key=f"{key}.store", words="is missing; a balance is that of a store")
        return
    yield from names.exists(f"{key}.store", tag.store, names.stores, "store")
    store = names.stores.get(tag.store)
    service = names.services.get(store.service) if store else None
    if service is None:
        return
    units = rate_units(service.unit)
    if tag.unit not in units:
        yield Fault(key=f"{key}.unit", words=f"{tag.unit!r}; the demand of {service.name} is in {' or '.join(units)}")
    for name in (*tag.tags, *tag.outflows):
        if name in names.tags:
            yield from names.tag(f"{key}.tags", name, units)


def _services(site: Site, names: Names) -> Iterator[Fault]:
    for service in site.services:
        yield from names.tag(f"services[{service.name}].demand", service.demand, rate_units(service.unit))
    for number, flow in enumerate(site.flows):
        yield from names.exists(f"flows[{number}].source", flow.source, names.stores, "store")
        yield from names.exists(f"flows[{number}].target", flow.target, names.stores, "store")
        if flow.source == flow.target:
            yield Fault(key=f"flows[{number}].target", words=f"{flow.target!r} is also the source; a flow joins two stores")


def _stores(site: Site, names: Names) -> Iterator[Fault]:
    for store in site.stores:
        key = f"stores[{store.name}]"
        yield from names.exists(f"{key}.service", store.service, names.services, "service")
        yield from names.tag(f"{key}.level", store.level, (store.unit,))
        yield from names.tag(f"{key}.ambient", store.ambient)
        yield from _levels(store, key)


def _levels(store: Store, key: str) -> Iterator[Fault]:
    if not store.bottom <= store.low < store.high <= store.top:
        found = f"bottom = {store.bottom:g}, low = {store.low:g}, high = {store.high:g}, top = {store.top:g}"
        yield Fault(key=f"{key}.low", words=f"levels must rise: bottom <= low < high <= top, but {found}")
    if store.end_level is not None and not store.bottom <= store.end_level <= store.top:
        words = f"{store.end_level:g} is outside {store.bottom:g} to {store.top:g} (bottom to top)"
        yield Fault(key=f"{key}.end_level", words=words)


def _inventories(site: Site, names: Names) -> Iterator[Fault]:
    counted: dict[str, str] = {}
    for inventory in site.inventories:
        key = f"inventories[{inventory.name}]"
        if not inventory.stores:
            yield Fault(key=f"{key}.stores", words="is empty; an inventory needs the stores it counts")
        for name in inventory.stores:
            yield from names.exists(f"{key}.stores", name, names.stores, "store")
            if name in counted:
                yield Fault(key=f"{key}.stores", words=f"{name!r} already counts in {counted[name]!r}")
            counted[name] = inventory.name
        yield from _content(inventory, key, [names.stores[name] for name in inventory.stores if name in names.stores], names)


def _content(inventory: Inventory, key: str, stores: list[Store], names: Names) -> Iterator[Fault]:
    units = sorted({names.services[store.service].unit for store in stores if store.service in names.services})
    if len(units) > 1:
        yield Fault(key=f"{key}.stores", words=f"what they hold counts in {' and '.join(units)}; it must be one unit")
    sizes = [store.size_per_level for store in stores]
    most = sum(size * (store.high - store.bottom) for size, store in zip(sizes, stores, strict=True) if size is not None)
    if stores and None not in sizes and inventory.end_content > most:
        yield Fault(key=f"{key}.end_content", words=f"{inventory.end_content:g} is more than the {most:g} of their high levels")


def _groups(site: Site, names: Names) -> Iterator[Fault]:
    shared: dict[str, str] = {}
    for group in site.groups:
        key = f"groups[{group.name}]"
        for asset in group.assets:
            yield from names.exists(f"{key}.assets", asset, names.assets, "asset")
            if group.shared_curves and asset in shared:
                yield Fault(key=f"{key}.assets", words=f"{asset!r} already shares curves in group {shared[asset]!r}")
            if group.shared_curves:
                shared[asset] = group.name
        if group.at_least > len(group.assets):
            yield Fault(key=f"{key}.at_least", words=f"{group.at_least} of {len(group.assets)} assets cannot run")
        if group.at_most is not None and group.at_most < group.at_least:
            yield Fault(key=f"{key}.at_most", words=f"{group.at_most} is below at_least = {group.at_least}")


def _tariff(site: Site, names: Names, folder: Path) -> Iterator[Fault]:
    tariff = site.tariff
    sources: list[tuple[str, PriceSource | None]] = [
        ("tariff.energy", tariff.energy),
        ("tariff.export", tariff.export),
        ("tariff.co2_g_per_kwh", tariff.co2_g_per_kwh),
    ]
    sources += [(f"asset_prices[{number}].price", bill.price) for number, bill in enumerate(site.asset_prices)]
    for key, source in sources:
        yield from _price(key, source, names, folder, fetched_files(site))
    for number, bill in enumerate(site.asset_prices):
        for asset in bill.assets:
            yield from names.exists(f"asset_prices[{number}].assets", asset, names.assets, "asset")


def _price(key: str, source: PriceSource | None, names: Names, folder: Path, fetched: Mapping[str, str]) -> Iterator[Fault]:
    if isinstance(source, TimeOfUsePrice):
        yield from hours_faults(f"{key}.bands", [band.hours for band in source.bands])
    elif isinstance(source, TagPrice):
        yield from names.tag(f"{key}.tag", source.tag)
    elif isinstance(source, FilePrice):
        yield from _price_file(key, source, folder, fetched)


def _price_file(key: str, source: FilePrice, folder: Path, fetched: Mapping[str, str]) -> Iterator[Fault]:
    file = folder / source.file
    if file.is_file():
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            header = [name.strip().strip('"') for name in lines.readline().rstrip("\r\n").split(",")]
    elif source.file in fetched:
        header = ["time", fetched[source.file]]
    else:
        yield Fault(key=f"{key}.file", words=f"{source.file!r}: there is no file {file}")
        return
    for part, column in (("time", source.time), ("column", source.column)):
        if column not in header:
            yield Fault(key=f"{key}.{part}", words=f"{column!r} is no column of {source.file}{near(column, header)}")


def _target(site: Site) -> Iterator[Fault]:
    target, price, limit = site.limits.import_target_kw, site.limits.import_target_price, site.limits.import_kw
    if (target is None) is not (price is None):
        missing = "import_target_price" if price is None else "import_target_kw"
        yield Fault(key=f"limits.{missing}", words="a target needs both import_target_kw and import_target_price")
    if target is not None and limit is not None and target >= limit:
        yield Fault(key="limits.import_target_kw", words=f"{target:g} is not below import_kw = {limit:g}")


def _limits(site: Site, names: Names) -> Iterator[Fault]:
    yield from _target(site)
    yield from names.tag("limits.power", site.limits.power, ("kW",))
    yield from names.tag("limits.load", site.limits.load, ("kW",))
    yield from names.tag("limits.outdoor", site.limits.outdoor, ("°C",))


def _control(site: Site) -> Iterator[Fault]:
    control = site.control
    yield from _kind("control.strategy", "policy.strategies", control.strategy)
    yield from _kind("connection.kind", "connectors.plants", site.connection.kind)
    if control.horizon_s < control.step_s:
        yield Fault(key="control.horizon_s", words=f"{control.horizon_s:g} is shorter than one step (step_s = {control.step_s:g})")
    if control.mode.rank > Mode.SHADOW.rank and site.connection.heartbeat is None and not site.site.simulated:
        words = f"{control.mode.value} needs [connection.heartbeat], so that the plant notices when we are gone, or site.simulated"
        yield Fault(key="control.mode", words=words)


def _learning(site: Site) -> Iterator[Fault]:
    if site.learning.forecaster != "auto":
        yield from _kind("learning.forecaster", "forecasting.models", site.learning.forecaster)
    yield from _kind("learning.detector", "anomaly.detectors", site.learning.detector)


def _kind(key: str, package: str, kind: str) -> Iterator[Fault]:
    known = kinds.known(package)
    if "." not in kind and kind not in known:
        close = difflib.get_close_matches(kind, known, n=1)
        near = f"; did you mean {close[0]!r}?" if close else ""
        yield Fault(key=key, words=f"{kind!r} is not known{near} (there are: {', '.join(known)}, or a dotted module of your own)")
