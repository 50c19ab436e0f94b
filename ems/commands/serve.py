"""`ems serve`: dashboard, REST and metrics of a site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: [bold]ems serve --site site.toml --port 8050[/], then open http://127.0.0.1:8050 in a browser."


def mount(app: typer.Typer) -> None:
    """Register the command."""
    app.command("serve", epilog=EXAMPLE)(serve)


def serve(
    site: Annotated[Path | None, typer.Option("--site", help="Site file; also EMS_SITE.", envvar="EMS_SITE")] = None,
    host: Annotated[str, typer.Option("--host", help="Address of this machine to listen on; loopback only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 8050,
) -> None:
    """Serve dashboard (/), REST (/api/v1), health (/healthz) and metrics (/metrics) of a site until stopped."""
    from ems import config, web
    from ems.console import stderr

    loaded = config.load(site)
    stderr.print(f"[bold]{loaded.site.site.name}[/]: http://{host}:{port}  (Ctrl-C stops it)", markup=True)
    web.serve(loaded, host, port)
