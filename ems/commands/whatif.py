"""`ems whatif`: strategies side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plant.errors import ConfigError
from plant.times import duration_s, instant, iso

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from ems.whatif import WhatIf


def mount(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("whatif")(whatif)


def whatif(
    site: Annotated[Path | None, typer.Option(help="Site file (or EMS_SITE).")] = None,
    strategies: Annotated[
        str, typer.Option(help="Names, comma between: nothing, hold, release, threshold, optimal.")
    ] = "hold,optimal",
    days: Annotated[float, typer.Option(min=0.01, help="How long.")] = 1.0,
    futures: Annotated[int, typer.Option(min=1, help="In how many futures.")] = 20,
    start: Annotated[
        str | None, typer.Option("--from", help="now, scratch, or a time with a zone that the historian holds.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the futures.")] = 0,
    price_factor: Annotated[float, typer.Option(min=0.0, help="Energy prices times this; the demand charge stays.")] = 1.0,
    import_kw: Annotated[float | None, typer.Option(min=0.0, help="Another import limit.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="Take an asset out (may be repeated).")] = None,
    fail: Annotated[list[str] | None, typer.Option(help="An asset is out of order throughout (may be repeated).")] = None,
    every: Annotated[
        str | None, typer.Option(help="Time between plans, whose course is followed, for example 1h; else as the site file says.")
    ] = None,
    rehearsal: Annotated[bool, typer.Option(help="Rehearse every plan, as the product does.")] = True,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes; the numbers do not depend on it.")] = 1,
    traces: Annotated[Path | None, typer.Option(help="Write power and levels of every future to this Parquet file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Live through the days ahead with each strategy, in the same futures, from one start.

    Example: ems whatif --site works/site.toml --strategies hold,optimal --days 2 --futures 20 --json
    """
    from ems.config import load
    from ems.console import emit, progress
    from ems.whatif import Changes, ask

    names = list(dict.fromkeys(name.strip() for name in strategies.split(",") if name.strip()))
    if not names:
        raise ConfigError("--strategies: name one at least, for example nothing,optimal")
    if traces is not None and not traces.absolute().parent.is_dir():
        raise ConfigError(f"--traces: there is no folder {traces.absolute().parent}")
    loaded, every_s = load(site), _every_s(every)
    try:
        moment = None if start in {None, "now", "scratch"} else instant(start or "")
    except ValueError as error:
        raise ConfigError(f"--from: {error}") from error
    changes = Changes(
        price_factor=price_factor, import_kw=import_kw, without=tuple(without or ()), failed=tuple(fail or ()), every_s=every_s,
        rehearsal=rehearsal,
    )  # fmt: skip
    with progress() as bar:
        task = bar.add_task("futures", total=len(names) * futures)
        found = ask(
            loaded, names, days=days, futures=futures, seed=seed, start=moment, scratch=start == "scratch", changes=changes,
            processes=processes, done=lambda count: bar.advance(task, count),
        )  # fmt: skip
    if traces is not None:
        from ems.whatif_traces import write

        write(traces, loaded.site, found)
    emit(document(found), as_json, tables=(_table(found, loaded.site.site.timezone),))


def _every_s(every: str | None) -> float | None:
    from ems.whatif_loop import TICK_S

    try:
        every_s = None if every is None else duration_s(every)
    except ValueError as error:
        raise ConfigError(f"--every: {error}") from error
    if every_s is not None and every_s < TICK_S:
        raise ConfigError(f"--every {every}: plans are made every {TICK_S / 60.0:g} minutes at most")
    return every_s


def document(found: WhatIf) -> dict[str, object]:
    """The JSON shape of a what-if."""
    return {
        "from": iso(found.start),
        "days": found.days,
        "futures": found.futures,
        "seed": found.seed,
        "strategies": {name: {"kpi": answer.kpi, "violations": answer.violations} for name, answer in found.strategies.items()},
    }


def _table(found: WhatIf, timezone: str) -> RichTable:
    from ems.console import table
    from ems.wording import clock, counted

    start, many = clock(found.start, timezone), counted(found.futures, "future")
    made = table(f"{found.days:g} days from {start}, {many}: mean (p5 to p95)", "figure", *found.strategies)
    keys = next(iter(found.strategies.values())).kpi
    for key in keys:
        cells = (answer.kpi[key] for answer in found.strategies.values())
        made.add_row(key, *(f"{_number(cell.mean)} ({_number(cell.p5)} to {_number(cell.p95)})" for cell in cells))
    for rule in dict.fromkeys(rule for answer in found.strategies.values() for rule in answer.violations):
        made.add_row(rule, *(f"{answer.violations.get(rule, 0.0):.0%} of futures" for answer in found.strategies.values()))
    return made


def _number(value: float) -> str:
    """Four digits, without powers of ten."""
    return f"{value:,.0f}" if abs(value) >= 1000.0 else f"{value:.4g}"
