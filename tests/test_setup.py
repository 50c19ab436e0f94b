"""What `setup.py` builds."""

from __future__ import annotations

import importlib
import shutil
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMPILER = shutil.which("cc") is not None and (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file()


@pytest.mark.skipif(not COMPILER, reason="there is no C compiler, or none that knows Python")
@pytest.mark.parametrize("source", sorted(ROOT.glob("*/*.c")), ids=lambda file: file.stem)
def test_where_there_is_a_compiler_all_of_c_is_built(source: Path) -> None:
    """Without this the tests that compare C and NumPy would be skipped in silence."""
    importlib.import_module(f"{source.parent.name}.{source.stem}")
