"""What commands print: one JSON document or tables on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from plant.identity import plain

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)


def emit(document: Any, as_json: bool, tables: tuple[RichTable, ...] = (), words: str = "") -> None:
    """Print a command's answer.

    Parameters
    ----------
    document
        Records, mappings and lists; printed as exactly one JSON document when `as_json`.
    as_json
        Whether the caller asked for `--json`.
    tables, words
        What a person sees instead.
    """
    if as_json:
        sys.stdout.write(json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        return
    for table in tables:
        stdout.print(table)
    if words:
        stdout.print(words)


def table(title: str, *columns: str) -> RichTable:
    """An empty table to be filled with `add_row`."""
    made = RichTable(title=title, title_justify="left")
    for column in columns:
        made.add_column(column)
    return made


def progress() -> Progress:
    """A progress bar on stderr, silent where stderr is no terminal."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=stderr, transient=True
    )
