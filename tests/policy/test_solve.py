"""The solver writes nothing: stdout is for one JSON document."""

from __future__ import annotations

import subprocess
import sys

PLANNED = """
from policy.instances import works
from policy.strategies.optimal import Optimal
made = works(2, 4, seed=1)
Optimal(made.site).propose(made.situation)
"""


def test_a_plan_is_made_in_silence() -> None:
    done = subprocess.run([sys.executable, "-c", PLANNED], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == ""
