"""Peers by name (extra `bench`): what others' libraries forecast in the protocol of the backtest, and in what time.

The first 70 % of the days are learned from, once; from each later midnight the day that begins is forecast. All but MSTL and the
naive one are told what people usually tell them: lags, rolling means, the calendar with its public holidays.
"""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ems.bench.forecasting import SETS, Set, absent, file_of, read
from ems.bench.frame import Bench, Row

if TYPE_CHECKING:
    from forecasting.days import Days
    from plant.table import Floats

LEVELS = (0.1, 0.5, 0.9)
WARM_UP_DAYS = 28
BOOSTED = {"n_estimators": 400, "learning_rate": 0.05, "num_leaves": 31, "verbose": -1, "n_jobs": 1, "random_state": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One set as days × slots, and where its test begins."""

    days: Days
    first: int

    @property
    def came(self) -> Floats:
        """The days to be forecast, shape (origins, slots)."""
        return self.days.values[self.first :]


def case(name: str) -> Case:
    """A set as the peers see it."""
    from forecasting.calendar import Calendar
    from forecasting.days import fold

    table, _, timezone = read(name)
    calendar = Calendar(country=SETS[name].country)
    days = fold(table.times, table.columns[SETS[name].target], timezone=timezone, step_s=table.step_s, calendar=calendar)
    return Case(days=days, first=int(days.values.shape[0] * 0.7 + 1e-9))


def usual(one: Case) -> tuple[Floats, Floats]:
    """Features as people usually make them, and what came; rows from `WARM_UP_DAYS` on, shape (days, slots, features)."""
    days, at = one.days, np.arange(WARM_UP_DAYS, one.days.values.shape[0])
    columns = [days.values[at - lag] for lag in (1, 2, 3, 7, 14)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a slot without any value in a month has no mean
        columns += [np.nanmean([days.values[at - lag] for lag in range(1, span + 1)], axis=0) for span in (7, 28)]
    columns += [np.broadcast_to(np.arange(days.slots), columns[0].shape)]
    columns += [np.broadcast_to(each[at][:, None], columns[0].shape) for each in (days.groups, days.kinds)]
    return np.stack(columns, axis=-1), days.values[at]


def _taught(one: Case, learn: Callable[[Floats, Floats], Callable[[Floats], Floats]]) -> Floats:
    """What a learner of rows forecasts, shape (origins, slots, its quantiles)."""
    x, y = usual(one)
    first = one.first - WARM_UP_DAYS
    there = np.isfinite(y[:first])
    said = learn(x[:first][there], y[:first][there])(x[first:].reshape(-1, x.shape[-1]))
    return said.reshape(*one.came.shape, -1)


def lightgbm(one: Case) -> Floats:
    """LightGBM, one booster per quantile."""
    library = importlib.import_module("lightgbm")

    def learn(x: Floats, y: Floats) -> Callable[[Floats], Floats]:
        models = [library.LGBMRegressor(objective="quantile", alpha=level, **BOOSTED).fit(x, y) for level in LEVELS]
        return lambda new: np.sort(np.stack([model.predict(new) for model in models], axis=-1), axis=-1)

    return _taught(one, learn)


def forest(one: Case) -> Floats:
    """scikit-learn's forest, its mean."""
    from sklearn.ensemble import RandomForestRegressor

    def learn(x: Floats, y: Floats) -> Callable[[Floats], Floats]:
        model = RandomForestRegressor(200, min_samples_leaf=5, max_features=0.5, n_jobs=1, random_state=0).fit(x, y)
        return lambda new: np.asarray(model.predict(new))

    return _taught(one, learn)


def ridge(one: Case) -> Floats:
    """scikit-learn's ridge on the same rows, slot and kind of day as flags."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def learn(x: Floats, y: Floats) -> Callable[[Floats], Floats]:
        numbers, flags = list(range(x.shape[1] - 3)), list(range(x.shape[1] - 3, x.shape[1]))
        seen = make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), numbers), (OneHotEncoder(handle_unknown="ignore"), flags),
            sparse_threshold=0.0,
        )  # fmt: skip
        model = make_pipeline(seen, RidgeCV(alphas=np.logspace(-1, 4, 6))).fit(x, y)
        return lambda new: np.asarray(model.predict(new))

    return _taught(one, learn)


def mstl(one: Case) -> Floats:
    """MSTL by statsmodels of the 28 days before each midnight, decomposed anew each day: day and week on the last level."""
    seasonal = importlib.import_module("statsmodels.tsa.seasonal")
    days, slots = one.days, one.days.slots
    found = []
    for row in range(one.first, days.values.shape[0]):
        past = _filled(days.values[row - WARM_UP_DAYS : row].ravel())
        parts = seasonal.MSTL(past, periods=(slots, 7 * slots), iterate=1, stl_kwargs={"seasonal_deg": 0}).fit()
        day, week = parts.seasonal[-slots:, 0], parts.seasonal[-7 * slots : -6 * slots, 1]
        found.append(parts.trend[-1] + day + week)
    return np.array(found)[..., None]


def mlforecast(one: Case) -> Floats:
    """LightGBM by mlforecast, which feeds its own forecasts back; it is told the kind of day ahead."""
    pandas = importlib.import_module("pandas")
    library, boosting = importlib.import_module("mlforecast"), importlib.import_module("lightgbm")
    days, slots = one.days, one.days.slots
    rows = days.values.shape[0]
    every = f"{round(days.step_s / 60)}min"
    times = pandas.date_range(str(days.dates[0]), periods=rows * slots, freq=every)
    kinds = np.repeat(days.kinds[:rows], slots)
    frame = pandas.DataFrame({"unique_id": 0, "ds": times, "y": _filled(days.values.ravel()), "kind": kinds})
    model = library.MLForecast(
        {str(level): boosting.LGBMRegressor(objective="quantile", alpha=level, **BOOSTED) for level in LEVELS},
        freq=every, lags=[1, 2, 3, slots, 2 * slots, 7 * slots],
        date_features=["hour", "minute", "dayofweek"],
    )  # fmt: skip
    origins = rows - one.first
    said = model.cross_validation(frame, n_windows=origins, h=slots, step_size=slots, refit=False, static_features=[])
    return np.sort(said[[str(level) for level in LEVELS]].to_numpy().reshape(origins, slots, 3), axis=-1)


def seasonal_naive(one: Case) -> Floats:
    """Last week again."""
    at = np.arange(one.first, one.days.values.shape[0])
    return np.asarray(one.days.values[at - 7][..., None])


PEERS: dict[str, Callable[[Case], Floats]] = {
    "lightgbm": lightgbm, "mlforecast": mlforecast, "forest": forest, "ridge": ridge, "mstl": mstl,
    "seasonal_naive": seasonal_naive,
}  # fmt: skip


def _filled(values: Floats) -> Floats:
    """Gaps filled with the last value, as these libraries want no gaps."""
    index = np.where(np.isfinite(values), np.arange(values.size), 0)
    return np.nan_to_num(values[np.maximum.accumulate(index)])


def scores(name: str, peer: str) -> dict[str, float]:
    """MAE of a peer on a set, pinball loss and what its band covers where it has one, CPU seconds."""
    from forecasting.accuracy import pinball

    one = case(name)
    began = time.process_time()
    said = PEERS[peer](one)
    found = {"cpu_s": time.process_time() - began, "mae": float(np.nanmean(np.abs(said[..., said.shape[-1] // 2] - one.came)))}
    if said.shape[-1] == len(LEVELS):
        known = np.isfinite(one.came)
        inside = (said[..., 0] <= one.came) & (one.came <= said[..., 2])
        found |= {"pinball": pinball(said, one.came), "band": float(inside[known].mean())}
    return found


def _rows(name: str, peer: str) -> Callable[[], tuple[Row, ...]]:
    def run() -> tuple[Row, ...]:
        one: Set = SETS[name]
        label = f"forecasting.peer.{name}.{peer}"
        if file_of(one) is None:
            return absent(label, f"no {one.file}.csv.gz: set EMS_DATA")
        try:
            found = scores(name, peer)
        except (ImportError, OSError) as error:
            return absent(label, f"cannot be loaded: {error}")
        return (
            _row(f"{label}.mae", found["mae"], one.mae, found),
            *((_row(f"{label}.pinball", found["pinball"], one.pinball, found),) if "pinball" in found else ()),
        )

    return run


def _row(label: str, value: float, goal: float, found: dict[str, float]) -> Row:
    told = f"for information; {found['cpu_s']:.0f} CPU s" + (f", its band covers {found['band']:.0%}" if "band" in found else "")
    return Row(
        name=label, value=value, unit="of the target", reference="what auto must reach", reference_value=goal, ratio=value / goal,
        goal=told, ok=None,
    )  # fmt: skip


BENCHES = tuple(
    Bench(name=f"forecasting.peer.{name}.{peer}", run=_rows(name, peer), by_name_only=True) for name in SETS for peer in PEERS
)
