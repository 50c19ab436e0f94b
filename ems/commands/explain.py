"""`ems explain`: why, why not otherwise, and what would have to be otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ems.options import opened


def mount(app: typer.Typer) -> None:
    """Register the command."""
    app.command("explain")(explain)


def explain(
    decision: Annotated[str | None, typer.Argument(metavar="[ID]", help="Command or plan id; the newest plan if none.")] = None,
    site: Annotated[Path | None, typer.Option(help="Site file (or EMS_SITE).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Why a command was given: the best rejected alternative, and the price or limit at which the decision flips.

    For a plan that cannot keep a limit: the smallest set of limits in conflict. Every answer is the decision made again from the
    journal with one thing changed, so it takes some seconds.

    Example: ems explain c-0123456789abcdef
    """
    from ems.console import emit, stderr
    from ems.explain import explain as explained

    with opened(site) as (loaded, historian), stderr.status("deciding again with one thing changed at a time"):
        found = explained(historian, decision)
    emit(found, as_json, words=found.words(loaded.site.site.timezone))
