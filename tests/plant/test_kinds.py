import pytest

from plant.errors import NotFoundError
from plant.kinds import class_name, find, known


def test_the_file_is_the_registration() -> None:
    assert "pump" in known("twin_sim.assets")
    assert find("twin_sim.assets", "heat_pump").__name__ == "HeatPump"
    assert class_name("mysite.rotary_kiln") == "RotaryKiln"


def test_an_unknown_kind_lists_the_known() -> None:
    with pytest.raises(NotFoundError, match="pump"):
        find("twin_sim.assets", "warp_drive")


def test_a_customers_own_module_needs_no_fork(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path)) / "mysite"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "kiln.py").write_text("class Kiln:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find("twin_sim.assets", "mysite.kiln").__name__ == "Kiln"
    with pytest.raises(NotFoundError, match="no module"):
        find("twin_sim.assets", "mysite.oven")
