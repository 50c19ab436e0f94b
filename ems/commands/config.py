"""`ems init`, `ems config check`, `ems config schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def mount(app: typer.Typer) -> None:
    """Register `ems init` and `ems config`."""
    app.command("init", epilog="Example: ems init works && ems config check --site works/site.toml")(init)
    config = typer.Typer(no_args_is_help=True, help="Check a site file, or say what one may hold.")
    config.command("check", epilog="Example: ems config check --site site.toml")(check)
    config.command("schema", epilog="Example: ems config schema > site.schema.json")(schema)
    app.add_typer(config, name="config")


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the new site; made if it is missing.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Begin a site: a commented site file to fill in."""
    from importlib.resources import files

    from ems import console
    from plant.errors import ConfigError, RefusedError

    file = directory / "site.toml"
    if file.exists():
        raise RefusedError(f"{file} is there already; it was not touched")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file.write_text(files("ems.templates").joinpath("site.toml").read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from error
    console.emit({"file": str(file)}, as_json, words=f"made {file}: fill it in, then `ems config check --site {file}`")


def check(
    site: Annotated[Path | None, typer.Option(help="Site file; EMS_SITE if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Check a site file: keys, values, units, and that everything named exists."""
    from ems import console
    from ems.config import historian_url, load
    from ems.database import Database
    from ems.wording import counted

    loaded = load(site)
    known = loaded.site
    with Database(historian_url(loaded)) as database:
        shown = database.shown
    counts = {
        "assets": len(known.assets),
        "stores": len(known.stores),
        "services": len(known.services),
        "tags": len(known.tags),
        "virtual_tags": len(known.virtual_tags),
    }
    answer = {
        "ok": True,
        "file": str(loaded.file),
        "site": known.site.name,
        "mode": known.control.mode,
        "historian": shown,
        **counts,
    }
    said = ", ".join(counted(count, name.removesuffix("s").replace("_", " ")) for name, count in counts.items())
    console.emit(answer, as_json, words=f"{loaded.file}: good ({said}; mode {known.control.mode.value}; historian {shown})")


def schema(_as_json: Annotated[bool, typer.Option("--json", help="Changes nothing: a schema is JSON.")] = False) -> None:
    """Print the JSON Schema of a site file, for editors."""
    from ems import console
    from ems.config import schema as site_schema

    console.emit(site_schema(), as_json=True)
