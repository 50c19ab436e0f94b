"""`ems health`: how well a detector would have judged recordings, and the health models of a site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plant.errors import ConfigError
from plant.identity import plain

if TYPE_CHECKING:  # heavy to import, and needed for names only
    from anomaly.features import Bools
    from anomaly.judgement import Judgement
    from anomaly.recordings import Recordings


def mount(app: typer.Typer) -> None:
    """Register `ems health`."""
    health = typer.Typer(no_args_is_help=True, help="Health of machines: backtest, train, score.")
    health.command("backtest", epilog="Example: ems health backtest --csv run.csv --time time --train-rows 400 --out scores.csv")(
        backtest
    )
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
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Fit on the first rows, judge every row by what was known until then."""
    from time import perf_counter

    from anomaly import backtest as trial
    from anomaly import recordings
    from anomaly.learner import Learner
    from anomaly.profiles import PROFILES
    from ems.console import emit, progress, stderr
    from plant.kinds import find

    if profile not in PROFILES:
        raise ConfigError(f"--profile {profile!r}: there are {', '.join(PROFILES)}")
    kind = find("anomaly.detectors", detector)
    if not issubclass(kind, Learner):
        raise ConfigError(f"--detector {detector!r} learns nothing from rows: take isolation_forest, t2q or residual")
    read = recordings.read(csv, time=time, group=group, label=label, ignore=ignore or ())
    learner = kind(seed=seed, context=context or (), power=power)
    begin = perf_counter()
    trial.fit(learner, read.named(fit_groups), train_rows, read.groups)
    fit_s = perf_counter() - begin
    begin = perf_counter()
    with progress() as bar:
        task = bar.add_task("judging", total=len(read.groups))
        judged = {}
        for recording in read.groups:
            judged[recording.group] = learner.judge(recording.table, recording.group)
            bar.advance(task)
    score_ms = (perf_counter() - begin) * 1e3
    alarms = {name: trial.alarms_of(judgement, PROFILES[profile]) for name, judgement in judged.items()}
    _write(out, read, judged, alarms)
    words = (*read.words, *trial.dropped_words(learner.dropped))
    for sentence in words:
        stderr.print(sentence, markup=False, soft_wrap=True)
    found = trial.metrics(read.groups, alarms, train_rows) if label is not None else None
    document = {
        "rows": len(read.times),
        "groups": len(read.groups),
        "alarms": sum(trial.raised(alarm) for alarm in alarms.values()),
        "fit_s": fit_s,
        "score_ms": score_ms,
        "profile": profile,
        "detector": detector,
        "model_id": learner.model_id,
        "sensors": list(learner.sensors),
        "words": list(words),
        **({"metrics": found} if found is not None else {}),
    }
    emit(document, json, words=_summary(document, out))


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
                zone(float(score)).value if known else "",
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
    lines = [f"{document['rows']} rows of {document['groups']} groups, {document['alarms']} alarms: {out}"]
    found = document.get("metrics")
    if found is not None:
        lines += [
            f"  {name}: {value:.3f}" if isinstance(value, float) else f"  {name}: {value}" for name, value in plain(found).items()
        ]
    return "\n".join(lines)
