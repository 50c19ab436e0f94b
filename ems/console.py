"""What commands print: one JSON document or tables on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from plant.identity import plain

_FILE_WIDTH = 160
"""Columns of a table that goes to a file or another program: nobody's screen limits it."""

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _FILE_WIDTH)


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
        if table.title:  # the table itself would pad its title with blanks up to its own width
            stdout.print(table.title, style="italic", markup=False, soft_wrap=True)
        table.title = None
        stdout.print(table)
    if words:
        stdout.print(words, markup=False, soft_wrap=True)


class _Table(RichTable):
    """A table whose cells are shown as they are: what stands in [brackets] is no markup."""

    def add_row(self, *cells: Any, **style: Any) -> None:
        super().add_row(*(escape(cell) if isinstance(cell, str) else cell for cell in cells), **style)


def table(title: str, *columns: str) -> RichTable:
    """An empty table to be filled with `add_row`; what does not fit is continued below, never cut off."""
    made = _Table(title=title)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def progress() -> Progress:
    """A progress bar on stderr, silent where stderr is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,  # elsewhere it would leave an empty line
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """Work in parts, as stderr shows it."""

    bar: Progress
    task: TaskID

    def say(self, words: str) -> None:
        """A line above the bar; where stderr is no terminal, the line alone."""
        stderr.print(words, markup=False, soft_wrap=True)

    def begin(self, name: str) -> None:
        """The part that is being done."""
        self.bar.update(self.task, description=name)

    def done(self) -> None:
        """A part is over."""
        self.bar.advance(self.task)


@contextmanager
def parts(name: str, total: int) -> Iterator[Parts]:
    """Show work that has so many parts on stderr: a bar on a terminal, lines elsewhere."""
    with progress() as bar:
        yield Parts(bar, bar.add_task(name, total=total))
