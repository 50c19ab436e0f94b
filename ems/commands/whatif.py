"""`ems whatif`: strategies side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plant.errors import ConfigError
from plant.times import duration_s, instant, iso

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from ems.whatif import Answer, Distribution, WhatIf


STRATEGIES = (
    "Names, comma between. nothing, hold, release: local control. threshold, price_rule: rules. optimal: plans. "
    "clairvoyant: the bound on cost with the future known (of the model, not lived through), and so every other's regret."
)


def mount(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("whatif")(whatif)


def whatif(
    site: Annotated[Path | None, typer.Option(help="Site file (or EMS_SITE).")] = None,
    strategies: Annotated[str, typer.Option(help=STRATEGIES)] = "hold,optimal",
    days: Annotated[float, typer.Option(min=0.01, help="How long.")] = 1.0,
    futures: Annotated[int, typer.Option(min=1, help="In how many futures.")] = 20,
    start: Annotated[
        str | None,
        typer.Option("--from", help="now: the newest reading (as without it); scratch: stores half full, machines off; or a time."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the futures.")] = 0,
    price_factor: Annotated[
        float, typer.Option(min=0.0, help="Prices of energy, bought and sold, times this; the demand charge stays.")
    ] = 1.0,
    import_kw: Annotated[
        float | None, typer.Option(min=0.0, help="Another contracted power; what the contract costs is not in cost.")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="Take an asset out (may be repeated).")] = None,
    fail: Annotated[list[str] | None, typer.Option(help="An asset is out of order throughout (may be repeated).")] = None,
    every: Annotated[
        str | None,
        typer.Option(
            help="Time between plans, whose course is followed, for example 1h; else as the site file says (keeps limits best)."
        ),
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
    from ems.whatif import Changes, ask, parts_of

    names = list(dict.fromkeys(name.strip() for name in strategies.split(",") if name.strip()))
    if not names:
        raise ConfigError("--strategies: name one at least, for example nothing,optimal")
    if traces is not None and not traces.absolute().parent.is_dir():
        raise ConfigError(f"--traces: there is no folder {traces.absolute().parent}")
    loaded, every_s = load(site), _every_s(every)
    try:
        moment = None if start in {None, "now", "scratch"} else instant(start or "")
    except ValueError as error:
        raise ConfigError(f"--from {start}: write now, scratch, or a time such as 2026-02-01T12:00+01:00 ({error})") from error
    changes = Changes(
        price_factor=price_factor, import_kw=import_kw, without=tuple(without or ()), failed=tuple(fail or ()), every_s=every_s,
        rehearsal=rehearsal,
    )  # fmt: skip
    with progress() as bar:
        task = bar.add_task("futures", total=parts_of(names) * futures)
        found = ask(
            loaded, names, days=days, futures=futures, seed=seed, start=moment, scratch=start == "scratch", changes=changes,
            processes=processes, done=lambda count: bar.advance(task, count),
        )  # fmt: skip
    if traces is not None:
        from ems.whatif_traces import write

        write(traces, loaded.site, found)
    emit(document(found), as_json, tables=(_table(found, loaded.site.site.timezone),), words="\n".join(_remarks(found)))


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
        "asked": found.changes,
        "scratch": found.scratch,
        "currency": found.currency,
        "level_units": found.level_units,
        "strategies": found.strategies,
        "remarks": _remarks(found),
    }


def _table(found: WhatIf, timezone: str) -> RichTable:
    from ems.console import table
    from ems.wording import clock, counted

    start, many = clock(found.start, timezone), counted(found.futures, "future")
    asked = ", ".join([f"{found.days:.4g} days from {start}", *_asked(found), many])
    told = "" if found.futures == 1 else ": mean (p5 to p95)"
    made = table(f"{asked}{told}", "figure", *found.strategies)
    answers = found.strategies.values()
    for key in dict.fromkeys(key for answer in answers for key in answer.kpi):
        name = f"{key}, {found.currency}" if key in {"cost", "regret"} else key
        made.add_row(name, *(_spread(answer.kpi.get(key)) for answer in answers))
    for store in dict.fromkeys(store for answer in answers for store in answer.levels_end):
        made.add_row(
            f"{store} at the end, {found.level_units[store]}", *(_spread(answer.levels_end.get(store)) for answer in answers)
        )
    for key in dict.fromkeys(key for answer in answers for key in answer.plans):
        made.add_row(PLANS[key], *(f"{answer.plans[key]:,}" if key in answer.plans else "" for answer in answers))
    for rule in dict.fromkeys(rule for answer in answers for rule in answer.violations):
        made.add_row(rule, *(_breach(found, answer, rule) for answer in answers))
    return made


PLANS = {
    "proposed": "plans made, all futures",
    "refused": "refused by the rehearsal",
    "failed": "strategy failed",
    "fallback": "only hold or release left",
}


def _asked(found: WhatIf) -> list[str]:
    """What is different from the site file, in words."""
    changes, said = found.changes, []
    if found.scratch:
        said.append("stores half full")
    if changes.price_factor != 1.0:
        said.append(f"energy prices × {changes.price_factor:g}")
    if changes.import_kw is not None:
        said.append(f"{changes.import_kw:g} kW contracted")
    said += [f"without {name}" for name in changes.without] + [f"{name} out of order" for name in changes.failed]
    if changes.every_s is not None:
        said.append(f"a plan every {changes.every_s / 3600.0:g} h")
    if not changes.rehearsal:
        said.append("plans not rehearsed")
    return said


def _spread(figure: Distribution | None) -> str:
    if figure is None:
        return ""
    mean, low, high = (_number(value) for value in (figure.mean, figure.p5, figure.p95))
    return mean if low == high else f"{mean} ({low} to {high})"


def _breach(found: WhatIf, answer: Answer, rule: str) -> str:
    from ems.whatif import BOUND

    if rule not in answer.violations:
        return "kept" if answer is not found.strategies.get(BOUND) else ""
    broken = answer.broken[rule]
    far = f"by at most {_number(broken.worst)} {broken.unit}, for {_number(broken.hours)} h on average"
    return f"in {answer.violations[rule]:.0%} of futures {far}"


def _remarks(found: WhatIf) -> list[str]:
    """What the figures alone would not say."""
    from ems.whatif import BOUND, UNPLANNED
    from ems.wording import counted

    said, names = [], [name for name in found.strategies if name != BOUND]
    if found.days < 1.0:
        said.append("Less than a day: stores that end emptier make a strategy look cheap; compare what they hold at the end.")
    same = [name for name in names if name in UNPLANNED]
    if len(same) > 1:
        said.append(f"{' and '.join(same)} are the same here: from a start under local control they send nothing.")
    every_s = found.changes.every_s or 0.0
    if len(same) < len(names) and every_s > found.every_s:
        said.append(
            f"Plans are made every {every_s / 3600.0:g} h here, by the controller every {found.every_s / 3600.0:g} h: "
            "more limits are broken than it would break."
        )
    said.append("cost bears the whole demand charge of its peak, as if none had been reached before, whatever the days.")
    broke = [name for name in names if found.strategies[name].violations]
    if broke and len(broke) < len(names):
        said.append(f"{' and '.join(broke)} broke limits that others kept; comfort and unserved service are not in cost.")
    if BOUND in found.strategies:
        said.append(
            "regret: against a bound that leaves stores as this strategy left them. "
            f"{BOUND} shows the least of these bounds, so cost less {BOUND} is not the regret."
        )
    for name, count in found.unbounded.items():
        rest = "no regret is told" if count == found.futures else "regret is that of the others"
        said.append(f"{name}: a store ran dry, or no plan is known, in {counted(count, 'future')}: {rest}.")
    return said


def _number(value: float) -> str:
    """Four digits, without powers of ten."""
    return f"{value:,.0f}" if abs(value) >= 1000.0 else f"{value:.4g}"
