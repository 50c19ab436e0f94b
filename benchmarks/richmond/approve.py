"""Names of the models that wait for approval, one per line: what a person would look at before approving."""

from __future__ import annotations

import json
import subprocess
import sys

listed = subprocess.run([sys.executable, "-m", "ems.cli", "models", "list", "--json"], check=True, capture_output=True, text=True)
document = json.loads(listed.stdout)
for model in document["models"] if isinstance(document, dict) else document:
    if model["state"].lower() == "pending":
        print(model["id"])
