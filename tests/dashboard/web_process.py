"""The web of the test works, as a process of its own: `python -m tests.dashboard.web_process FOLDER PORT MODE CLOCK`."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboard.app import serve
from plant.assets import Mode
from tests.dashboard import works

if __name__ == "__main__":
    folder, port, mode, clock = sys.argv[1:]
    serve(works.loaded(Path(folder), Mode(mode), lock_step=clock == "lock_step"), "127.0.0.1", int(port))
