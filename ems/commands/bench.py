"""`ems bench`: every speed and size promise beside its reference."""

from __future__ import annotations

import platform
from typing import Annotated

import typer


def mount(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("bench")(bench)


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of benches, or how they begin; none = all but those by name.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure the promises on this machine; exit code 1 if one is not kept.

    Example: ems bench historian wires --json
    """
    from ems.bench.frame import chosen, run
    from ems.console import emit, stderr, table
    from ems.site import versions

    rows = []
    shown = table("Benchmarks", "name", "value", "unit", "reference", "reference value", "ratio", "goal", "ok")
    for one in chosen(names or []):
        stderr.print(f"measuring {one.name} …")
        for row in run((one,)):
            rows.append(row)
            numbers = (f"{row.value:.4g}", row.unit, row.reference, _text(row.reference_value), _text(row.ratio))
            shown.add_row(row.name, *numbers, row.goal, {True: "yes", False: "NO", None: "–"}[row.ok])
    machine = {"system": platform.system(), "architecture": platform.machine(), "python": platform.python_version()}
    emit({"rows": rows, "machine": machine, "versions": dict(versions())}, as_json, (shown,))
    if any(row.ok is False for row in rows):
        raise typer.Exit(1)


def _text(number: float | None) -> str:
    return "" if number is None else f"{number:.4g}"
