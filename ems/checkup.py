"""Is everything that a run needs in order."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from connectors.wall import now
from ems.config import LoadedSite, historian_url, load
from ems.forecasts import targets
from ems.historian import Historian
from ems.issued import IssuedForecasts
from ems.outlook import MODEL, NAMES, NOTED_AFTER
from ems.recover import unended
from ems.registry import State, registry_of
from ems.site import calibration_of, plant_of
from ems.wording import clock, counted
from plant.errors import EmsError, NotConnectedError
from plant.tags import Quality

DEMO_ACCOUNT = "plant.json"
"""What the plant of `ems demo` leaves beside the site file when it ends."""
LEAST_FREE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    well: bool
    words: str


def checkup(file: Path | None, *, plant: bool) -> tuple[Finding, ...]:
    """Look at site file, disk, historian, journal, calibration and, if asked, the plant."""
    try:
        loaded = load(file)
    except EmsError as error:
        return (Finding(what="site file", well=False, words=str(error)),)
    site = loaded.site
    findings = [
        Finding(
            what="site file",
            well=True,
            words=f"{loaded.file}: {counted(len(site.assets), 'asset')}, {counted(len(site.tags), 'tag')}",
        )
    ]
    free = shutil.disk_usage(loaded.folder).free
    findings.append(Finding(what="disk", well=free > LEAST_FREE_BYTES, words=f"{free / 2**30:.1f} GiB free"))
    try:
        with Historian(historian_url(loaded)) as historian:
            findings += [_found(what, partial(look, historian)) for what, look in LOOKS]
            findings.append(_found("calibration", partial(_calibration, site.site.timezone, historian)))
            findings.append(_found("models", lambda: _models(loaded, historian)))
            findings += [_found(what, partial(look, loaded, historian)) for what, look in _feeds(loaded)]
    except EmsError as error:
        findings.append(Finding(what="historian", well=False, words=str(error)))
    if plant:
        findings.append(_found("plant", lambda: _plant(loaded)))
    return tuple(findings)


def _found(what: str, look: Callable[[], tuple[bool, str]]) -> Finding:
    try:
        well, words = look()
    except EmsError as error:
        well, words = False, str(error)
    return Finding(what=what, well=well, words=words)


def _journal(historian: Historian) -> tuple[bool, str]:
    return True, f"{counted(historian.verify(), 'row')}, chain unbroken"


def _commands(historian: Historian) -> tuple[bool, str]:
    waiting = unended(historian)
    return not waiting, f"{len(waiting)} without an outcome: the next run ends them" if waiting else "all have an outcome"


def _calibration(zone: str, historian: Historian) -> tuple[bool, str]:
    found = calibration_of(historian)
    return (
        True,
        "none: the twin uses the site file's numbers" if found is None else f"from readings until {clock(found.end, zone)}",
    )


def _models(loaded: LoadedSite, historian: Historian) -> tuple[bool, str]:
    """Which models serve and may be loaded; one that may not is a fault, one that is missing is not: a run learns a quick one."""
    registry = registry_of(loaded, historian)
    names = [f"forecast/{target}" for target in targets(loaded.site)]
    names += [f"health/{loaded.site.site.name}"] if loaded.site.assets else []
    serving = [record for name in names if (record := registry.serving(name)) is not None]
    faults = [fault for record in serving if (fault := registry.fault(record)) is not None]
    waiting = len(registry.models(state=State.PENDING))
    missing = [name for name in names if name not in {record.name for record in serving}]
    words = [*faults, f"{len(serving)} of {len(names)} serve from the registry"]
    learned = "a run learns quick ones at its start, which end with it and are not registered, for"
    words += [f"{learned} {', '.join(missing)} (`ems worker` or `ems forecast train` register)"] if missing else []
    words += [f"{waiting} wait for approval (`ems models list`)"] if waiting else []
    return not faults, "; ".join(words)


def _feeds(loaded: LoadedSite) -> list[tuple[str, Callable[[LoadedSite, Historian], tuple[bool, str]]]]:
    """What is to be looked at of services outside: only what the site asks for."""
    weather = [("weather", _weather)] if loaded.site.weather is not None else []
    return [*weather, *([("prices", _prices)] if loaded.site.prices is not None else [])]


def _weather(loaded: LoadedSite, historian: Historian) -> tuple[bool, str]:
    newest = IssuedForecasts(historian.database).latest(NAMES[0], MODEL, now())
    if newest is None:
        return False, "no forecast has been fetched: `ems worker` does it"
    made_at, until = newest.forecast.made_at, newest.forecast.p50.end
    zone = loaded.site.site.timezone
    return now() - made_at < NOTED_AFTER, f"forecast of {clock(made_at, zone)}, until {clock(until, zone)}"


def _prices(loaded: LoadedSite, _: Historian) -> tuple[bool, str]:
    from ems.market import known_until

    until = known_until(loaded.site, loaded.folder)
    if until is None:
        return False, "none have been fetched: `ems worker` does it"
    return until > now(), f"known until {clock(until, loaded.site.site.timezone)}"


LOOKS: tuple[tuple[str, Callable[[Historian], tuple[bool, str]]], ...] = (
    ("journal", _journal),
    ("commands", _commands),
)


def _plant(loaded: LoadedSite) -> tuple[bool, str]:
    try:
        with plant_of(loaded) as plant:
            snapshot = plant.read()
    except NotConnectedError as error:
        if not (loaded.folder / DEMO_ACCOUNT).is_file():
            raise
        words = "the plant of a demo ends with the demo, and left its account behind (plant.json); --no-plant leaves it out"
        return False, f"{error}: {words}"
    bad = [f"{reading.tag} ({reading.words})" for reading in snapshot.readings if reading.quality is Quality.BAD]
    return not bad, f"{counted(len(snapshot.readings), 'tag')} read" + (f", BAD: {', '.join(bad)}" if bad else "")
