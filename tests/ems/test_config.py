"""A site file is good, or every fault in it is named: file, key, value, and what would be right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ems.config import historian_url, load, models_folder, schema
from plant.errors import ConfigError
from tests.ems.waterworks import written


def test_the_template_is_good(tmp_path: Path) -> None:
    loaded = load(written(tmp_path))
    assert loaded.folder == tmp_path
    assert loaded.file == tmp_path / "site.toml"
    assert [asset.name for asset in loaded.site.assets] == ["pump_1", "pump_2"]
    assert loaded.site.store("tower").size_per_level == 80.0
    assert models_folder(loaded) == tmp_path / "models"


FAULTS = {
    # values
    ('timezone = "Europe/Berlin"', 'timezon = "Europe/Berlin"'): r"site\.timezon: unknown key 'timezon'; did you mean 'timezone'",
    ('kind = "level", store', 'kind = "levl", store'):
        r'assets\[pump_1\]\.local_control: .*"levl".* is not allowed: one of .*schedule',
    ("start = 3.0", "strat = 3.0"): r"assets\[pump_1\]\.local_control\.start: is missing",
    ("min_up_s = 900", "min_up_s = -1"): r"assets\[pump_1\]\.life\.min_up_s: -1: input should be greater than or equal to 0",
    ("min_up_s = 900", 'min_up_s = "long"'): r"assets\[pump_1\]\.life\.min_up_s: \"long\": input should be a valid number",
    ('mode = "SHADOW"', 'mode = "AUTO"'): r'control\.mode: "AUTO" is not allowed: one of .OBSERVE',
    ('name = "waterworks"', 'name = "water works"'): r'site\.name: "water works": string should match',
    ("[tariff.energy]", "[tariff.enrgy]"): r"tariff\.energy: is missing",
    ("[site]", "[site"): r"not TOML",
    # references
    ('level = "tower_level"', 'level = "towr_level"'): r"stores\[tower\]\.level: 'towr_level' is no tag of this site; did you mean",
    ('power = "site_power"', 'power = "nothing"'): r"limits\.power: 'nothing' is no tag .*there are: site_power",
    ('power = "site_power"', 'power = "site_power"\nimport_target_kw = 50'): r"limits\.import_target_price: a target needs both",
    ('service = "water"\nlevel', 'service = "wine"\nlevel'): r"stores\[tower\]\.service: 'wine' is no service",
    ('store = "tower", start = 3.0', 'store = "tank", start = 3.0'): r"assets\[pump_1\]\.local_control\.store: 'tank' is no store",
    ('into = "tower"', 'into = "tank"'): r"assets\[pump_1\]\.into: 'tank' is no store",
    ('produces = "water"', 'produces = "wine"'): r"assets\[pump_1\]\.produces: 'wine' is no service",
    ('name = "pump_2"', 'name = "pump_1"'): r"assets\[pump_1\]: the name 'pump_1' is given 2 times",
    ('tags = ["pump_1_flow", "pump_2_flow"]', 'tags = ["pump_3_flow"]'):
        r"virtual_tags\[water_demand\]\.tags: 'pump_3_flow' is no tag",
    ('release = [{ tag = "pump_1_command"', 'release = [{ tag = "pump_1_power"'): r"assets\[pump_1\]\.release: .*is not writable",
    # units
    ('name = "tower_level"\nunit = "m"', 'name = "tower_level"\nunit = "bar"'):
        r"stores\[tower\]\.level: tag .* is in bar; m is needed",
    ('name = "pump_1_power"\nunit = "kW"', 'name = "pump_1_power"\nunit = "W"'):
        r"assets\[pump_1\]\.tags\.power: .* is in W; kW is needed",
    ('name = "water_demand"\nunit = "m3/h"', 'name = "water_demand"\nunit = "L/s"'): r"demand of water is in m3/h",
    # numbers that contradict each other
    ("low = 1.5 ", "low = 5.6 "): r"stores\[tower\]\.low: levels must rise: .*low = 5\.6, high = 5\.5",
    ("stop = 5.0", "stop = 7.0"): r"local_control\.stop: 7 is outside store 'tower': 0 to 6 m",
    ("setpoint_nominal = 1.0", "setpoint_nominal = 1.5"): r"life\.setpoint_nominal: 1\.5 is outside 0\.7 to 1\.0",
    ("setpoint_low = 0.7, setpoint_high = 1.0, ", ""): r"assets\[pump_1\]\.life: setpoint_low and setpoint_high are needed",
    ("low = 0\nhigh = 500 ", "low = 600\nhigh = 500 "): r"tags\[site_power\]\.low: 600 is not below high = 500",
    ("horizon_s = 86400", "horizon_s = 60"): r"control\.horizon_s: 60 is shorter than one step",
    # words of a form
    ("Mon-Fri 06:00-22:00", "Mo-Fr 6-22"): r"tariff\.energy\.bands: 'Mo-Fr 6-22' is not hours: write for example",
    ("Europe/Berlin", "Europe/Atlantis"): r"site\.timezone: 'Europe/Atlantis' is no time zone",
    ('country = "DE"', 'country = "ATLANTIS"'): r"site\.country: 'ATLANTIS' is no country",
    # kinds
    ('kind = "pump" ', 'kind = "pmp" '): r"assets\[pump_1\]\.kind: unknown kind 'pmp': .* knows .*pump",
    ("spec = { flow_per_h = 120", "spec = { flow_per_hour = 120"):
        r"assets\[pump_1\]\.spec\.flow_per_hour: unknown key; did you mean 'flow_per_h'",
    ("spec = { flow_per_h = 120", "spec = { flow_per_h = -1"): r"assets\[pump_1\]\.spec\.flow_per_h: -1: Input should be greater",
    ('strategy = "optimal"', 'strategy = "thresold"'): r"control\.strategy: 'thresold' is not known; did you mean 'threshold'",
    ('kind = "opcua" ', 'kind = "opcuaa" '): r"connection\.kind: 'opcuaa' is not known; did you mean 'opcua'",
    # what CONTROL needs
    ('mode = "SHADOW"', 'mode = "CONTROL"\n[learning]\ndetector = "crystal_ball"'):
        r"learning\.detector: 'crystal_ball' is not known",
}  # fmt: skip


@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change[1][:40].replace("\n", " "))
def test_a_fault_is_named(tmp_path: Path, change: tuple[str, str]) -> None:
    file = written(tmp_path, *change)
    with pytest.raises(ConfigError, match=FAULTS[change]) as found:
        load(file)
    assert str(file) in str(found.value)
    assert found.value.exit_code == 2


def test_all_faults_at_once(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.write_text(file.read_text().replace('level = "tower_level"', 'level = "a"').replace('power = "site_power"', 'power = "b"'))
    with pytest.raises(ConfigError, match="2 faults") as found:
        load(file)
    assert "stores[tower].level" in str(found.value)
    assert "limits.power" in str(found.value)


def without(text: str, first: str, last: str) -> str:
    begin = text.index(first)
    return text[:begin] + text[text.index(last, begin) :]


def test_control_needs_a_heartbeat_or_a_simulated_plant(tmp_path: Path) -> None:
    file = written(tmp_path, 'mode = "SHADOW"', 'mode = "CONTROL"')
    load(file)
    bare = without(file.read_text(), "[connection.heartbeat]", "[tariff]")
    file.write_text(bare)
    with pytest.raises(ConfigError, match=r"control\.mode: CONTROL needs \[connection\.heartbeat\]"):
        load(file)
    file.write_text(bare.replace("# simulated = true", "simulated = true"))
    load(file)
    file.write_text(bare.replace('mode = "CONTROL"', 'mode = "SHADOW"'))
    load(file)


def test_control_needs_a_way_back(tmp_path: Path) -> None:
    file = written(tmp_path, 'mode = "SHADOW"', 'mode = "CONTROL"')
    way_back = 'release = [{ tag = "pump_2_command", value = "AUTO" }]'
    assert way_back in file.read_text()
    file.write_text(file.read_text().replace(way_back, ""))
    with pytest.raises(ConfigError, match=r"assets\[pump_2\]\.release: is missing; in CONTROL"):
        load(file)
    file.write_text(file.read_text() + 'safe_state = [{ tag = "pump_2_command", value = "SHUTDOWN" }]\n')
    load(file)


def test_price_file(tmp_path: Path) -> None:
    change = ('kind = "time_of_use"\nbands = [{ hours = "Mon-Fri 06:00-22:00", per_kwh = 0.24 }]\notherwise_per_kwh = 0.16',
              'kind = "file"\nfile = "prices.csv"')  # fmt: skip
    file = written(tmp_path, *change)
    with pytest.raises(ConfigError, match=r"tariff\.energy\.file: 'prices.csv': there is no file"):
        load(file)
    (tmp_path / "prices.csv").write_text("time,price\n")
    with pytest.raises(ConfigError, match=r"tariff\.energy\.column: 'per_kwh' is no column of prices.csv .*price"):
        load(file)
    (tmp_path / "prices.csv").write_text("time,per_kwh\n")
    load(file)


def test_missing_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no such file; name one with --site or EMS_SITE"):
        load(tmp_path / "none.toml")
    monkeypatch.setenv("EMS_SITE", str(written(tmp_path)))
    assert load().site.site.name == "waterworks"


def test_where_the_historian_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMS_DATABASE", raising=False)
    assert historian_url(load(written(tmp_path))) == f"sqlite:///{tmp_path}/waterworks.sqlite"
    file = written(tmp_path, "[limits]", '[storage]\nurl = "sqlite:///data/h.sqlite"\n[limits]')
    assert historian_url(load(file)) == f"sqlite:///{tmp_path}/data/h.sqlite"
    monkeypatch.setenv("EMS_DATABASE", "postgresql://u@h/d")
    assert historian_url(load(file)) == "postgresql://u@h/d"


def test_schema_knows_every_key() -> None:
    whole = schema()
    assert set(whole["required"]) == {"site", "connection", "tariff", "tags", "assets"}
    assert whole["additionalProperties"] is False
    assert "min_up_s" in whole["$defs"]["Life"]["properties"]
    assert whole["$defs"]["Life"]["properties"]["min_up_s"]["minimum"] == 0


def ems(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ems.cli", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_command_line(tmp_path: Path) -> None:
    made = ems("init", tmp_path / "new", "--json")
    file = tmp_path / "new" / "site.toml"
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == {"file": str(file)}
    assert ems("init", tmp_path / "new").returncode == 4
    checked = ems("config", "check", "--site", file, "--json")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["assets"] == 2
    file.write_text(file.read_text().replace("min_up_s = 900", "min_upp_s = 900", 1))
    wrong = ems("config", "check", "--site", file)
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    said = " ".join(wrong.stderr.split())
    assert "life.min_upp_s: unknown key 'min_upp_s'; did you mean 'min_up_s'?" in said
    assert json.loads(ems("config", "schema").stdout) == schema()
    assert json.loads(ems("config", "schema", "--json").stdout) == schema()


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "site-file.md").read_text(encoding="utf-8")
    whole = schema()
    keys = {key for node in [whole, *whole["$defs"].values()] for key in node.get("properties", {})}
    tables = {
        "site",
        "connection",
        "tariff",
        "tags",
        "virtual_tags",
        "services",
        "stores",
        "inventories",
        "flows",
        "assets",
        "groups",
        "asset_prices",
        "weather",
        "prices",
    }
    missing = sorted(
        key for key in keys if f"`{key}`" not in page and key not in tables | {"limits", "control", "storage", "learning"}
    )
    assert missing == []
    assert all(f"`[{table}]`" in page or f"`[[{table}]]`" in page for table in tables)


def test_faults_of_shape_and_of_reference_come_together(tmp_path: Path) -> None:
    """A mistyped key, a value out of its range, a block that lacks something, and names that are not there: one look at all."""
    file = written(tmp_path)
    text = file.read_text()
    text = text.replace("min_up_s = 900", "min_up_s = -1", 1).replace('timezone = "Europe/Berlin"', 'timezon = "Europe/Berlin"')
    text = text.replace('level = "tower_level"', 'level = "towr_level"').replace('power = "site_power"', 'power = "b"')
    file.write_text(text + '\n[[tags]]\nname = "extra"\nadress = "s=x"\n')
    with pytest.raises(ConfigError) as found:
        load(file)
    lines = str(found.value).splitlines()[1:]
    keys = sorted(line.strip().partition(": ")[0] for line in lines)
    assert keys == [
        "assets[pump_1].life.min_up_s",
        "limits.power",
        "site.timezon",
        "stores[tower].level",
        "tags[extra].adress",
        "tags[extra].unit",
    ]


def test_what_comes_of_a_fault_is_not_said_as_another(tmp_path: Path) -> None:
    """A tag without a unit is one fault: that it is named elsewhere is none."""
    file = written(tmp_path)
    text = file.read_text()
    begin = text.index('name = "tower_level"')
    file.write_text(text[:begin] + text[begin:].replace("unit =", "unti =", 1))
    with pytest.raises(ConfigError, match="2 faults") as found:
        load(file)
    assert "stores[tower]" not in str(found.value)
    file.write_text(text.replace("[[tags]]", "[[tag]]"))
    with pytest.raises(ConfigError) as found:
        load(file)
    assert "unknown key 'tag'; did you mean 'tags'" in str(found.value)
    assert "is no tag" not in str(found.value)
