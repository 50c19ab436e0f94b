"""The tests here need node and `npm install` in this folder; without them they are not collected."""

from __future__ import annotations

import shutil
from pathlib import Path

collect_ignore = [] if shutil.which("node") and (Path(__file__).parent / "node_modules").is_dir() else ["test_node_opcua.py"]
