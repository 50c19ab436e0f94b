"""What-ifs that cannot be answered are refused before anything is lived through."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--strategies", ""), "--strategies"),
        (("--every", "0h"), "--every"),
        (("--every", "6"), "--every"),
        (("--traces", "/nowhere/at/all/t.parquet"), "--traces"),
        (("--seed", "-1"), "seed"),
    ],
)
def test_it_says_which_option_is_off(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text((resources.files("ems") / "templates" / "site.toml").read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ems.cli", "whatif", "--site", str(site), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
