"""`ems health`: how well a detector would have judged recordings, and the health models of a site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ems.options import JsonOption, SiteOption, opened
from plant.errors import ConfigError, NotFoundError
from plant.identity import plain

if TYPE_CHECKING:  # heavy to import, and needed for names only
    from anomaly.features import Bools
    from anomaly.judgement import Judgement
    from anomaly.learner import Learner
    from anomaly.recordings import Recordings
    from anomaly.rules import Episode, RuleReport
    from plant.health import Health

RULES_EXAMPLE = "ems health rules --csv hp.csv --time time --part power=heat_pump_kw --part tank=supply_c --limit rated_kw=2.5"


def mount(app: typer.Typer) -> None:
    """Register `ems health`."""
    health = typer.Typer(no_args_is_help=True, help="Health of machines: backtest, train, score.")
    health.command("backtest", epilog="Example: ems health backtest --csv run.csv --time time --train-rows 400 --out scores.csv")(
        backtest
    )
    health.command("rules", epilog=f"Example: {RULES_EXAMPLE}")(rules)
    health.command("score", epilog="Example: ems health score --site works/site.toml --json")(score)
    app.add_typer(health, name="health")


def backtest(
    csv: Annotated[Path, typer.Option(help="Recordings: comma, semicolon or tab, perhaps gzipped.")],
    time: Annotated[str, typer.Option(help="Column of the time: ISO 8601, or a running number.")],
    train_rows: Annotated[int, typer.Option(help="So many first rows (of each group) are healthy and teach the baseline.")],
    out: Annotated[Path, typer.Option(help="CSV to be written: time,group,score,severity,alarm,driver.")],
    group: Annotated[str | None, typer.Option(help="Column that tells machines or runs apart.")] = None,
    fit_groups: Annotated[
        str | None, typer.Option(help="Groups that teach the model, A-B or A,B,C; all groups get a baseline of their own.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Column of the truth, 1 = fault: adds metrics, is never shown to the detector.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Column that the detector may not see; may be given several times.")
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option(help="Column that acts from outside (weather, load, product); several times.")
    ] = None,
    power: Annotated[str | None, typer.Option(help="Column of the power, from which the operating mode is told.")] = None,
    detector: Annotated[str, typer.Option(help="File of anomaly/detectors.")] = "isolation_forest",
    profile: Annotated[str, typer.Option(help="advisory (for people) or control (may stop a machine).")] = "advisory",
    seed: Annotated[int, typer.Option(help="Of whatever is random.")] = 0,
    json: JsonOption = False,
) -> None:
    """Fit on the first rows, judge every row by what was known until then."""
    from anomaly import backtest as trial
    from anomaly import recordings
    from anomaly.profiles import PROFILES
    from ems.console import emit, stderr

    if profile not in PROFILES:
        raise ConfigError(f"--profile {profile!r}: there are {', '.join(PROFILES)}")
    made = _kind(detector)(seed=seed, context=context or (), power=power)
    read = recordings.read(_there(csv), time=time, group=group, label=label, ignore=ignore or ())
    judged, timing = _judged(made, read, fit_groups, train_rows)
    alarms = {name: trial.alarms_of(judgement, PROFILES[profile]) for name, judgement in judged.items()}
    _write(out, read, judged, alarms)
    words = (*read.words, *trial.dropped_words(made.dropped), *trial.vanished_words(read.groups, made.sensors))
    for sentence in words:
        stderr.print(sentence, markup=False, soft_wrap=True)
    raised = sum(trial.raised(alarm) for alarm in alarms.values())
    counted = {"rows": len(read.times), "groups": len(read.groups), "alarms": raised, **timing}
    told = {"profile": profile, "detector": detector, "model_id": made.model_id, "sensors": made.sensors, "words": words}
    document = {**counted, **told}
    if label is not None:
        document["metrics"] = trial.metrics(read.groups, alarms, train_rows)
    emit(document, json, words=_summary(document, out))


def rules(
    csv: Annotated[Path, typer.Option(help="Readings: comma, semicolon or tab, perhaps gzipped.")],
    time: Annotated[str, typer.Option(help="Column of the time.")],
    part: Annotated[
        list[str] | None, typer.Option(help="PART=COLUMN: which column is the power, the tank, …; several times.")
    ] = None,
    limit: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER: a limit other than the default; several times.")] = None,
    kind: Annotated[str, typer.Option(help="Asset kind whose rules are tried.")] = "heat_pump",
    asset: Annotated[str, typer.Option(help="Name in the events.")] = "asset",
    json: JsonOption = False,
) -> None:
    """Try the static rules of an asset kind on recorded readings: first and last trigger of each."""
    from anomaly import defaults, recordings
    from anomaly.features import renamed
    from anomaly.rules import report
    from ems.console import emit, table
    from plant.times import iso

    columns, limits = _pairs("--part", part), _numbers("--limit", limit)
    stated = defaults.rules_of(kind, limits)
    known = {name for rule in stated for name in rule.parts}
    for name in columns:
        if name not in known:
            raise ConfigError(f"--part {name}: rules of {kind} read {', '.join(sorted(known))}")
    read = recordings.read(_there(csv), time=time, group=None, label=None, ignore=()).groups[0].table
    for name, column in columns.items():
        if column not in read.columns:
            raise ConfigError(f"--part {name}={column}: {csv.name} has the columns {', '.join(read.columns)}")
    found = report(stated, renamed(read, columns), asset)
    shown = table(f"Rules of {kind}", "rule", "triggers", "first", "last", "judged", "what it means")
    for entry in found:
        times = [iso(entry.episodes[i].raised_at) for i in (0, -1)] if entry.episodes else ["–", "–"]
        judged = f"no: {', '.join(entry.missing)} not given" if entry.missing else f"{entry.known_share:.0%} of rows"
        shown.add_row(entry.rule.name, str(len(entry.episodes)), *times, judged, entry.rule.words)
    emit({"asset": asset, "rows": len(read), "rules": [_found(entry) for entry in found]}, json, (shown,))


def score(site: SiteOption = None, json: JsonOption = False) -> None:
    """The health of every asset now, by the model that serves."""
    from datetime import timedelta

    from anomaly.monitor import WINDOW_ROWS, HealthMonitor
    from datasets.repair import resample
    from ems.console import emit, table
    from ems.maintenance import begun, renewed
    from ems.registry import registry_of

    with opened(site) as (loaded, historian):
        control = loaded.site.control
        registry = registry_of(loaded, historian)
        name = f"health/{loaded.site.site.name}"
        serving, span = registry.serving(name), historian.span()
        if serving is None or span is None:
            raise NotFoundError(f"no model serves {name}: `ems health train`, then `ems models approve ID`")
        monitor = renewed(HealthMonitor(loaded.site, _learners(registry.load(serving.id), serving.id)), historian)
        names = [tag.name for tag in loaded.site.tags] + [tag.name for tag in loaded.site.virtual_tags]
        starts = [span[1] - timedelta(seconds=WINDOW_ROWS * control.step_s), *begun(historian).values()]
        readings = historian.table(names, min(starts), None)
    found = monitor.observe(resample(readings, control.step_s))
    shown = table("Health", "asset", "score", "zone", "alarm", "confidence", "why: what deviates most", "words")
    for health in found:
        alarm = "trip" if health.trip else "alarm" if health.alarm else ""
        known = ("–", "–") if health.score is None else (f"{health.score:.2f}", str(health.severity))
        shown.add_row(health.asset, *known, alarm, f"{health.confidence:.0%}", _why(health), health.words)
    emit({"model": serving.id, "health": found}, json, (shown,))


def _why(health: Health) -> str:
    """The sensors that deviate most, with what they were expected to read, and how far in thresholds of an alarm."""
    drivers = [
        f"{driver.tag} {driver.actual:.4g}, expected {driver.expected:.4g} ({driver.share:.0%} of it)"
        for driver in health.drivers[:2]
    ]
    far = max((distance for _, distance in health.parts), default=None)
    return "; ".join([*([] if far is None else [f"{far:.2f} of an alarm's threshold"]), *drivers]) or "–"


def _learners(stored: object, model_id: str) -> dict[str, Learner]:
    from anomaly.learner import Learner

    if not isinstance(stored, dict) or not all(isinstance(learner, Learner) for learner in stored.values()):
        raise ConfigError(f"model {model_id} holds no detectors: train it anew")
    return stored


def _there(csv: Path) -> Path:
    if not csv.is_file():
        raise NotFoundError(f"--csv {csv}: no such file")
    return csv


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for text in given or ():
        name, sign, value = text.partition("=")
        if not sign or not name or not value:
            raise ConfigError(f"{option} {text!r}: write NAME=VALUE")
        pairs[name] = value
    return pairs


def _numbers(option: str, given: list[str] | None) -> dict[str, float]:
    numbers = {}
    for name, value in _pairs(option, given).items():
        try:
            numbers[name] = float(value)
        except ValueError as error:
            raise ConfigError(f"{option} {name}={value}: {value!r} is not a number") from error
    return numbers


def _kind(detector: str) -> type[Learner]:
    from anomaly.learner import Learner
    from plant.kinds import find

    kind = find("anomaly.detectors", detector)
    if not issubclass(kind, Learner):
        raise ConfigError(
            f"--detector {detector!r} has no baseline to learn: take isolation_forest, t2q, residual or twin_residual"
        )
    return kind


def _judged(
    made: Learner, read: Recordings, fit_groups: str | None, train_rows: int
) -> tuple[dict[str, Judgement], dict[str, float]]:
    """Every group's judgement, and how long learning and judging took."""
    from time import perf_counter

    from anomaly.backtest import fit
    from ems.console import progress

    begin = perf_counter()
    fit(made, read.named(fit_groups), train_rows, read.groups)
    fitted = perf_counter()
    judged = {}
    with progress() as bar:
        for recording in bar.track(read.groups, description="judging"):
            judged[recording.group] = made.judge(recording.table, recording.group)
    return judged, {"fit_s": fitted - begin, "score_ms": 1e3 * (perf_counter() - fitted)}


def _found(entry: RuleReport) -> dict[str, object]:
    rule, episodes = entry.rule, entry.episodes
    return {
        "rule": rule.name,
        "words": rule.words,
        "not_given": entry.missing,
        "known_share": entry.known_share,
        "triggers": len(episodes),
        "first": _span(episodes[0]) if episodes else None,
        "last": _span(episodes[-1]) if episodes else None,
        "cause": rule.cause,
        "consequence": rule.consequence,
        "advice": rule.advice,
    }


def _span(episode: Episode) -> dict[str, object]:
    return {"raised_at": episode.raised_at, "cleared_at": episode.cleared_at}


def _write(out: Path, read: Recordings, judged: dict[str, Judgement], alarms: dict[str, Bools]) -> None:
    import csv

    import numpy as np

    from anomaly.health import zone

    rows: list[tuple[str, str, str, str, int, str]] = [("", "", "", "", 0, "")] * len(read.times)
    for recording in read.groups:
        judgement = judged[recording.group]
        scores, worst = judgement.scores, judgement.worst_sensors
        for line, row in zip(recording.lines.tolist(), recording.rows.tolist(), strict=True):
            score = scores[row]
            known = bool(np.isfinite(score))
            rows[line] = (
                read.times[line],
                recording.group,
                f"{score:.6f}" if known else "",
                zone(float(judgement.settled[row])).value if known else "",
                int(alarms[recording.group][row]),
                worst[row] if known else "",
            )
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("time", "group", "score", "severity", "alarm", "driver"))
            writer.writerows(rows)
    except OSError as error:
        raise ConfigError(f"--out {out}: {error.strerror}") from error


def _summary(document: dict[str, object], out: Path) -> str:
    from ems.wording import counted

    counts = [counted(int(str(document[key])), key.removesuffix("s")) for key in ("rows", "groups", "alarms")]
    lines = [f"{counts[0]} of {counts[1]}, {counts[2]}: {out}"]
    found = document.get("metrics")
    if found is not None:
        lines += [
            f"  {name}: {value:.3f}" if isinstance(value, float) else f"  {name}: {value}" for name, value in plain(found).items()
        ]
    return "\n".join(lines)
