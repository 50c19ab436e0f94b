"""`ems run`: the controller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plant.assets import Mode
from plant.errors import ConfigError
from plant.times import duration_s

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from ems.report import Report

ROWS = (
    ("energy, kWh", "energy_kwh", ",.0f"),
    ("cost", "cost", ",.2f"),
    ("currency", "currency", ""),
    ("peak, kW", "demand_peak_kw", ",.1f"),
    ("CO2, kg", "co2_kg", ",.0f"),
    ("served share", "served_share", ".4f"),
    ("starts", "starts", "d"),
)


def mount(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("run")(run)


def run(
    site: Annotated[Path | None, typer.Option(help="Site file (or EMS_SITE).")] = None,
    for_: Annotated[str | None, typer.Option("--for", help="How long, in the plant's time: 90min, 24h, 7d.")] = None,
    mode: Annotated[Mode | None, typer.Option(case_sensitive=False, help="Highest mode of the site.")] = None,
    rehearsal: Annotated[bool, typer.Option(help="Live through every plan in simulation first.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Control a site until it is told to stop.

    Example: ems run --site works/site.toml --for 7d --mode shadow --json
    """
    from ems.config import historian_url, load
    from ems.console import emit, stderr
    from ems.historian import Historian
    from ems.learned import learned
    from ems.progress import watched
    from ems.registry import registry_of
    from ems.report import report
    from ems.runs import run as run_site
    from ems.serving import CurrentForecasters
    from ems.site import build, in_mode, plant_of

    try:
        for_s = duration_s(for_) if for_ is not None else None
    except ValueError as error:
        raise ConfigError(f"--for: {error}") from error
    loaded = in_mode(load(site), mode)
    with Historian(historian_url(loaded)) as historian:
        forecasters, monitor = learned(loaded, historian, stderr.print)
        current = CurrentForecasters(registry_of(loaded, historian), forecasters, stderr.print)
        works = build(loaded, historian, plant_of(loaded), current, monitor, rehearsal=rehearsal)
        with watched(for_s) as on_cycle:
            done = run_site(works, for_s=for_s, on_cycle=on_cycle)
        made = report(done, None)
        (figures, orders), words = shown(made)
        emit(made, as_json, (figures, stores(made), orders) if made.stores else (figures, orders), words)


def shown(made: Report, title: str = "Key figures") -> tuple[tuple[RichTable, ...], str]:
    """What a person sees of a report."""
    from ems.console import table
    from ems.wording import counted

    figures = table(title, "", "with twin-ems, as read", "doing nothing, by the model")
    for label, key, form in ROWS:
        ours, theirs = getattr(made.kpi, key, None), getattr(made.nothing, key, None)
        figures.add_row(label, "–" if ours is None else format(ours, form), "–" if theirs is None else format(theirs, form))
    kinds = ("confirmed", "no_effect", "refused", "unconfirmed", "expired", "not_sent")
    orders = table("Commands", "action", *kinds)
    for action, counts in made.commands.items():
        orders.add_row(action, *(str(counts[kind]) for kind in kinds))
    plans = ", ".join(f"{count} {word}" for word, count in made.plans.items())
    words = f"{counted(made.cycles, 'cycle')} over {made.simulated_hours:g} h in {made.mode} with {made.strategy}: plans {plans}"
    if made.refused_because:
        words += "; refused because of " + ", ".join(f"{rule} ({count})" for rule, count in sorted(made.refused_because.items()))
    return (figures, orders), "\n".join([words, *made.remarks])


def stores(made: Report) -> RichTable:
    """Levels at the end, beside those of doing nothing: what was stored more is in no cost."""
    from ems.console import table

    shown = table(
        "In the stores at the end (not in the cost)", "store", "with twin-ems, as read", "doing nothing, by the model", "accepted"
    )
    for store in made.stores:
        levels = ("–" if level is None else f"{level:,.4g}" for level in (store.level, store.nothing))
        shown.add_row(store.store, *levels, f"{store.low:,g} to {store.high:,g} {store.unit}")
    return shown
