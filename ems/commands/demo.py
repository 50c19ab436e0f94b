"""`ems demo`: a synthetic works in closed loop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from ems.cycle import Cycle
    from ems.demo import Laid
    from ems.report import Report
    from ems.runs import Run
    from twin_sim.report import PlantReport

EXAMPLE = "Example: [bold]ems demo --hours 24 --headless --json[/]"
LIVES_DAYS = 30.0


def mount(app: typer.Typer) -> None:
    """Register the command."""
    app.command("demo", epilog=EXAMPLE)(demo)


def demo(
    hours: Annotated[
        float | None, typer.Option(min=0.25, help="Stop after so many hours of the plant's time; else on Ctrl-C.")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Without dashboard.")] = False,
    seed: Annotated[int, typer.Option(help="Changes all of it.")] = 1,
    rehearsal: Annotated[bool, typer.Option(help="--no-rehearsal shows what rehearsal prevents.")] = True,
    calibrated: Annotated[
        bool,
        typer.Option("--calibrated", help="Calibrate the twin on the works' past first; else it is what the site file states."),
    ] = False,
    folder: Annotated[Path, typer.Option("--dir", help="Where it keeps its files.")] = Path("demo"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the dashboard.")] = 8050,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """A synthetic works behind a real OPC UA server, trained models, closed loop, dashboard.

    The plant's physics are off by a seeded ±10 %, with noise, surprises and a compressor that fouls; the controller sees tags and
    history only. With --hours it runs that long in the plant's time, as fast as it can, and stops.
    """
    from ems.beside import Alongside, beside
    from ems.config import historian_url
    from ems.console import emit, stderr
    from ems.demo import account, lay_out, native, starting
    from ems.historian import Historian
    from ems.learned import Learning
    from ems.progress import watched
    from ems.report import report
    from ems.runs import run
    from ems.site import build, plant_of, strategy_of
    from ems.web import running

    for_s = hours * 3600.0 if hours else None
    with beside() as pool:
        laid = lay_out(folder, seed, hours / 24.0 if hours else LIVES_DAYS, stderr.print, calibrated=calibrated)
        with Historian(historian_url(laid.loaded)) as historian:
            alongside = Alongside(historian, pool)
            with starting(laid) as ready:
                learning = Learning(laid.loaded, historian, stderr.print, pool)
                monitor, loaded = learning.monitor(), ready()
                door, _ = plant_of(loaded), strategy_of(loaded.site)  # loaded while the other process learns
                works = build(loaded, historian, door, learning.forecasters(), monitor, rehearsal=rehearsal)
                with nullcontext() if headless else running(laid.loaded.file, port=port) as web:
                    if web is not None:
                        stderr.print(f"dashboard: {web.url}")
                    with watched(for_s) as show:
                        done = run(works, for_s=for_s, on_cycle=both(show, alongside.follow))
            stderr.print("deriving the rest of the decisions again from the journal")
            made = report(done, alongside.finish())
            told = sent(done)
    plant = account(laid)
    document = told_by_plant(made, laid, told, plant, native(laid, plant["account"]), folder)
    emit(document, as_json, *shown(made, document))


def both(*watchers: Callable[[Run, Cycle], None]) -> Callable[[Run, Cycle], None]:
    """One watcher of cycles that tells several."""

    def tell(run: Run, cycle: Cycle) -> None:
        for watcher in watchers:
            watcher(run, cycle)

    return tell


def sent(run: Run) -> dict[str, int]:
    """Orders that the journal says went out, by the value written."""
    from ems.execute import writes_of
    from ems.standing import SENT

    counts: dict[str, int] = {}
    for item in (*(each for cycle in run.cycles for each in cycle.ended), *run.parted):
        if item.outcome.kind in SENT:
            asset = run.works.site.asset(item.command.asset)
            value = str(writes_of(asset, item.command)[-1].value)
            counts[value] = counts.get(value, 0) + 1
    return counts


def told_by_plant(
    made: Report, laid: Laid, told: dict[str, int], plant: dict[str, Any], untouched: PlantReport, folder: Path
) -> dict[str, Any]:
    """The report with the plant's own account beside it."""
    from plant.identity import plain

    received = plant["orders_received"]
    return {
        **plain(made),
        "seed": laid.seed,
        "orders": {"sent": told, "received": received, "agree": told == received},
        "plant": plant["account"],
        "plant_untouched": plain(untouched),
        "folder": str(folder),
    }


ACCOUNT = (
    ("energy, kWh", "energy_kwh", ",.0f"),
    ("cost of energy", "energy_cost", ",.2f"),
    ("demand charge", "demand_charge", ",.2f"),
    ("cost of starts", "start_cost", ",.2f"),
    ("cost, the three together", "cost", ",.2f"),
    ("peak, kW", "demand_peak_kw", ",.1f"),
    ("served share", "served_share", ".4f"),
    ("starts", "starts", "d"),
)


STORES = ("with twin-ems", "under its own control", "accepted")


def shown(made: Report, document: dict[str, Any]) -> tuple[tuple[RichTable, ...], str]:
    """What a person sees: the plant's own account first, for it is the judge; then what the controller thought."""
    from ems.commands.run import shown as shown_run

    tables, words = shown_run(made, "By the controller: what it read, beside what its model thinks of doing nothing")
    ours, theirs = document["plant"], document["plant_untouched"]
    said = [words, _replayed(made), _orders(document["orders"]), *_place(document["folder"])]
    return (_account(ours, theirs, made.kpi.currency if made.kpi else ""), _stores(made, ours, theirs), *tables), "\n".join(said)


def _account(ours: dict[str, Any], theirs: dict[str, Any], currency: str) -> RichTable:
    from ems.console import table

    made = table(
        f"By the plant's own account ({currency}): this is the judge. Under its own control = the same plant, nobody connected",
        "", "with twin-ems", "under its own control",
    )  # fmt: skip
    for label, key, form in ACCOUNT:
        made.add_row(label, format(ours[key], form), format(theirs[key], form))
    return made


def _stores(made: Report, ours: dict[str, Any], theirs: dict[str, Any]) -> RichTable:
    from ems.console import table

    mine, other = dict(ours["levels_end"]), dict(theirs["levels_end"])
    shown = table("In the stores at the end, by the plant's own account (not in the cost)", "store", *STORES)
    for store in made.stores:
        if store.store in mine and store.store in other:
            levels = (f"{mine[store.store]:,.4g}", f"{other[store.store]:,.4g}")
            shown.add_row(store.store, *levels, f"{store.low:,g} to {store.high:,g} {store.unit}")
    return shown


def _orders(orders: dict[str, Any]) -> str:
    told = ", ".join(f"{count} {order}" for order, count in orders["sent"].items()) or "none"
    if orders["agree"]:
        return f"orders sent: {told}; the plant received the same"
    received = ", ".join(f"{count} {order}" for order, count in orders["received"].items()) or "none"
    return f"orders sent: {told}; the plant received OTHERS: {received}"


def _replayed(made: Report) -> str:
    from ems.replay import said

    decisions, identical, verified = (made.replay[key] or 0 for key in ("decisions", "identical", "verified"))
    return f"replay: {said(decisions, identical, verified)}"


def _place(folder: str) -> list[str]:
    """Where everything lies, and what to do with it."""
    site = f"--site {folder}/site.toml"
    return [
        f"kept in {folder}; its plant has ended with it. Look at it: `ems serve {site}` (dashboard), `ems commands list {site}`, "
        f"`ems replay --all {site}`",
    ]
