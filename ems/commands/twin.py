"""`ems twin`: what telemetry teaches the twin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from rich.table import Table as RichTable

    from ems.config import LoadedSite
    from ems.historian import Historian
    from plant.table import Table
    from twin_sim.calibration import Calibration

_EXAMPLE = "Example: ems twin calibrate --history history.csv --end 2026-01-01T00:00:00Z --site site.toml"


def mount(app: typer.Typer) -> None:
    """Register `ems twin`."""
    twin = typer.Typer(no_args_is_help=True, help="The twin: learn its parameters from telemetry.")
    twin.command("calibrate", epilog=_EXAMPLE)(calibrate)
    twin.command("show", epilog="Example: ems twin show --site site.toml")(show)
    app.add_typer(twin, name="twin")


def calibrate(
    history: Annotated[Path | None, typer.Option(help="CSV or Parquet file; the historian's readings if not given.")] = None,
    site: Annotated[Path | None, typer.Option(help="Site file; EMS_SITE if not given.")] = None,
    end: Annotated[str | None, typer.Option(help="Instant at which a running time column (time_s) ends, with its zone.")] = None,
    mapping: Annotated[Path | None, typer.Option("--map", help="TOML file: which column is which tag, in which unit.")] = None,
    since: Annotated[str | None, typer.Option(help="Use readings from this instant on.")] = None,
    until: Annotated[str | None, typer.Option(help="Use readings before this instant.")] = None,
    try_only: Annotated[bool, typer.Option("--try", help="Show what would be learned; keep nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Learn curves, store sizes and free flows from telemetry, judge them on its last part, and keep them for the twin.

    Demands that are known from balances are worked out anew with what was learned.
    The newest calibration is the one that `ems run` and `ems whatif` use.
    """
    from ems import console
    from ems.config import historian_url, load
    from ems.historian import Historian
    from ems.virtual import VirtualTags, derive
    from twin_sim.calibrate import calibrate as learn
    from twin_sim.model import SiteModel

    loaded = load(site)
    first, last = _instant("--since", since), _instant("--until", until)
    with Historian(historian_url(loaded)) as historian:
        if history is None:
            table = _readings(loaded, historian, first, last)
        else:
            table = _file(loaded, history, _instant("--end", end), mapping, first, last)
        learned = learn(loaded.site, table)
        if not try_only:
            model = SiteModel(loaded.site, learned)  # before it is kept: what cannot be must not become the newest
            historian.append("calibration", [learned], cycle="", time=learned.end)
            derive(historian, VirtualTags(loaded.site, stores=model.stores, flows=model.flows), loaded.site)
    console.emit(learned, as_json, tables(learned), "\n".join(learned.words))


def show(
    site: Annotated[Path | None, typer.Option(help="Site file; EMS_SITE if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show the calibration in use."""
    from ems import console
    from ems.config import historian_url, load
    from ems.historian import Historian
    from ems.site import calibration_of
    from plant.errors import NotFoundError

    loaded = load(site)
    with Historian(historian_url(loaded)) as historian:
        learned = calibration_of(historian)
    if learned is None:
        raise NotFoundError("there is no calibration yet: run `ems twin calibrate`")
    console.emit(learned, as_json, tables(learned), "\n".join(learned.words))


def tables(learned: Calibration) -> tuple[RichTable, ...]:
    """What a person sees of a calibration."""
    from ems.console import table

    points = table("Operating points", "group", "running", "set-points", "output per h", "power, kW", "scatter")
    for group in learned.groups:
        scatter = dict(group.cv_rmse)
        for regime in group.regimes:
            for point in regime.points:
                points.add_row(
                    group.name,
                    regime.name,
                    " ".join(f"{value:g}" for value in point.setpoints),
                    f"{point.output_per_h:.1f}",
                    " + ".join(f"{value:.1f}" for value in point.power_kw),
                    f"{scatter.get(regime.name, 0.0):.1%}",
                )
    numbers = table("Learned numbers", "of", "what", "value", "95 % interval", "unit", "rows")
    owners = [(found.asset, found.parameters) for found in learned.assets]
    owners += [(found.store, found.parameters) for found in learned.stores]
    owners += [(f"{found.source} to {found.target}", found.parameters) for found in learned.flows]
    for owner, parameters in owners:
        for item in parameters:
            numbers.add_row(
                owner, item.name, f"{item.value:.4g}", f"{item.low:.4g} – {item.high:.4g}", item.unit, f"{item.samples:,}"
            )
    checks = table("On telemetry not learned from", "of", "figure", "value", "samples")
    for held in learned.credibility:
        checks.add_row(held.asset, "power, CV(RMSE)", f"{held.cv_rmse:.2%}", f"{held.samples:,}")
    for check in learned.level_checks:
        checks.add_row(
            check.store,
            f"level {check.horizon_s / 3600:g} h ahead, RMSE of range",
            f"{check.range_share:.2%}",
            f"{check.origins:,}",
        )
    return (points, numbers, checks) if learned.groups else (numbers, checks)


def _instant(option: str, text: str | None) -> datetime | None:
    from plant.errors import ConfigError
    from plant.times import instant

    if text is None:
        return None
    try:
        return instant(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text}: {error}; write for example 2026-01-01T00:00:00Z") from error


def _readings(loaded: LoadedSite, historian: Historian, since: datetime | None, until: datetime | None) -> Table:
    """What the historian holds of the site's measured tags."""
    from plant.errors import DataError

    known = historian.units()
    tags = [tag.name for tag in loaded.site.tags if tag.name in known]
    if not tags:
        raise DataError("the historian holds no readings yet: `ems import readings`, or name a file with --history")
    return historian.table(tags, since, until)


def _file(
    loaded: LoadedSite, history: Path, end: datetime | None, mapping: Path | None, since: datetime | None, until: datetime | None
) -> Table:
    """A history file, taken in by the road of `ems import readings` but not kept."""
    from ems.columns import read_map
    from ems.historian import Historian
    from ems.imports import ImportOptions, import_readings

    options = ImportOptions(end=end)
    with Historian("sqlite:///:memory:") as passing:
        report = import_readings(passing, loaded.site, history, options, read_map(mapping), lambda *_: None)
        return passing.table([tag.tag for tag in report.tags], since, until)
