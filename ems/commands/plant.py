"""`ems plant serve`: the site's own twin as a plant on the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connectors.serve.desk import Received
    from ems.config import LoadedSite
    from plant.ports import Plant
    from twin_sim.drivers import Drivers
    from twin_sim.report import PlantReport

GLANCE_S = 0.1
FAREWELL_S = 30.0
"""How long clients may take to leave once the plant has ended."""

EXAMPLE = "Example: [bold]ems plant serve --site works/site.toml --lock-step --mismatch 0.1 --seed 1 --report plant.json[/]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedReport:
    """What a served plant says of itself at the end."""

    site: str
    seed: int
    mismatch: float
    finished: bool
    """False: it was stopped before its end."""
    orders_received: dict[str, int]
    """Accepted writes to command tags by value."""
    received: Received
    account: PlantReport


def mount(app: typer.Typer) -> None:
    """Register the commands."""
    plant = typer.Typer(no_args_is_help=True, help="A plant to try things on.")
    plant.command("serve", epilog=EXAMPLE)(serve)
    app.add_typer(plant, name="plant")


Endpoints = Annotated[
    list[str] | None, typer.Option("--endpoint", help="opc.tcp:// or ws:// URL; may be given twice. Default: the site's.")
]
DriversFile = Annotated[
    Path | None, typer.Option("--drivers", help="Parquet of what drives it. Default: the historian's last days, repeated.")
]


def serve(
    site: Annotated[Path | None, typer.Option("--site", help="Site file; also EMS_SITE.")] = None,
    endpoint: Endpoints = None,
    lock_step: Annotated[bool, typer.Option("--lock-step", help="Time passes when the client advances it.")] = False,
    mismatch: Annotated[float, typer.Option("--mismatch", min=0.0, max=0.5, help="Physics off by up to this share.")] = 0.1,
    seed: Annotated[int, typer.Option("--seed", help="Of mismatch and noise.")] = 0,
    as_stated: Annotated[
        bool, typer.Option("--as-stated", help="Off from what the site file states, not from what was calibrated.")
    ] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Where the plant's own account is written at its end.")] = None,
    drivers: DriversFile = None,
    state: Annotated[Path | None, typer.Option("--state", help="JSON of where machines and stores stand at the begin.")] = None,
    days: Annotated[float, typer.Option("--days", min=0.01, help="How long it lives when driven by the historian.")] = 8.0,
    as_json: Annotated[bool, typer.Option("--json", help="The account as one JSON document on stdout.")] = False,
) -> None:
    """Serve the site's twin as a plant on OPC UA or WebSocket until its end, Ctrl-C or SIGTERM.

    Prints `ready URL` for each endpoint when all are up (port 0 takes a free one). Its physics differ from the model by a seeded
    mismatch, its readings are noisy.
    """
    from ems.config import load
    from ems.console import emit
    from ems.served import read_state, served_prices, served_twin, span_of

    loaded = load(site)
    driven = _drivers(loaded, drivers, days, lock_step)
    start, end = _span(span_of(driven), lock_step)
    begins = read_state(state) if state is not None else None
    twin = served_twin(loaded, driven, start=start, end=end, seed=seed, mismatch=mismatch, state=begins, as_stated=as_stated)
    prices = served_prices(loaded, driven, start, end)
    finished, received, account = _until_stopped(loaded, twin, endpoint, lock_step, as_json, lambda: twin.report(*prices))
    document = ServedReport(
        site=loaded.site.site.name, seed=seed, mismatch=mismatch, finished=finished,
        orders_received=received.orders, received=received, account=account,
    )  # fmt: skip
    if report is not None:
        _write(report, document)
    emit(document, as_json, words=_words(document))


def _drivers(loaded: LoadedSite, file: Path | None, days: float, lock_step: bool) -> Drivers:
    """What drives the plant; without lock-step its first step is now, whatever the file says."""
    from dataclasses import replace

    from connectors import wall
    from ems.served import read_drivers, recorded_drivers
    from plant.times import floor

    now = floor(wall.now(), loaded.site.control.step_s)
    if file is not None:
        found = read_drivers(file)
        return found if lock_step else replace(found, start=now)
    return recorded_drivers(loaded, _history_end(loaded) if lock_step else now, days)


def _span(driven: tuple[datetime, datetime], lock_step: bool) -> tuple[datetime, datetime]:
    """From when to when the plant lives: without lock-step from this very moment, or its readings would be old from the start."""
    from connectors import wall

    return driven if lock_step else (max(driven[0], wall.now()), driven[1])


def _history_end(loaded: LoadedSite) -> datetime:
    """In lock-step the plant goes on where the history ends."""
    from ems.config import historian_url
    from ems.historian import Historian
    from ems.served import driving
    from plant.errors import DataError
    from plant.times import UTC

    step_s = loaded.site.control.step_s
    with Historian(historian_url(loaded)) as historian:
        times = historian.table(driving(loaded.site), step_s=step_s).times
    if not len(times):
        raise DataError(f"the historian of {loaded.site.site.name} is empty: import readings, or give --drivers FILE")
    last: datetime = times[-1].item()
    return last.replace(tzinfo=UTC) + timedelta(seconds=step_s)


def _until_stopped(
    loaded: LoadedSite, twin: Plant, endpoints: list[str] | None, lock_step: bool, as_json: bool, account: Callable[[], PlantReport]
) -> tuple[bool, Received, PlantReport]:
    """Serve until the plant has ended and its clients have gone, or somebody stops it."""
    import signal
    import threading

    from connectors.endpoint import endpoint_of
    from connectors.serve.desk import Desk
    from connectors.serve.wires import Wires
    from ems.console import stderr, stdout

    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with Desk(twin, loaded.site, lock_step=lock_step) as desk:
        with Wires(desk, endpoints or [endpoint_of(loaded.site.connection)], loaded.folder) as wires:
            for url in wires.endpoints:
                (stderr if as_json else stdout).print(f"ready {url}", soft_wrap=True, markup=False)
            while not stopped.is_set() and not desk.wait(GLANCE_S):
                pass
            if not stopped.is_set():
                wires.empty(FAREWELL_S)
        return desk.ended, desk.received, desk.ask(account)


def _write(file: Path, document: ServedReport) -> None:
    """Write the report so that nobody ever reads half of it."""
    import json

    from plant.identity import plain

    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(file.name + ".part")
    half.write_text(json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    half.replace(file)


def _words(document: ServedReport) -> str:
    account = document.account
    orders = ", ".join(f"{count} {order}" for order, count in sorted(document.orders_received.items())) or "no orders"
    return (
        f"{document.site}: {orders}; {account.energy_kwh:,.0f} kWh, cost {account.cost:,.2f}, "
        f"peak {account.demand_peak_kw:,.1f} kW, served {account.served_share:.4f}"
    )
