"""`ems`: the command line."""

from __future__ import annotations

import sys

import typer

from plant.errors import EmsError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.callback()
def ems() -> None:
    """Prescriptive energy management: every command is lived through in simulation before it is executed."""


def _mount() -> None:
    import importlib
    import pkgutil

    import ems.commands

    for module in pkgutil.iter_modules(ems.commands.__path__):
        importlib.import_module(f"ems.commands.{module.name}").mount(app)


def main() -> None:
    """Run `ems`; a fault of the product's own kind is one sentence and its exit code."""
    from rich.markup import escape

    from ems.console import stderr

    _mount()
    try:
        app()
    except EmsError as error:
        stderr.print(f"[bold red]error:[/] {escape(str(error))}", markup=True, soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
