"""A seeded machine for the tests of health: a blower with weather, shifts, products, noise, and faults put in by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plant.table import Floats, Table

SENSORS = ("power", "flow", "bearing_c", "vibration")
NOISE = {"power": 0.3, "flow": 4.0, "bearing_c": 0.4, "vibration": 0.05}
"""Standard deviation of each sensor's noise."""
START = np.datetime64("2025-01-01T00:00:00", "us")


@dataclass(frozen=True)
class Fault:
    """A fault that grows in so many rows from its begin to `size` noises and stays."""

    sensor: str
    size: float
    begin: int
    ramp: int = 0


def _weather(rng: np.random.Generator, rows: int, step_s: float) -> Floats:
    hours = np.arange(rows) * step_s / 3600.0
    memory = np.exp(-step_s / 3600.0 / 30.0)
    shocks = rng.normal(0.0, 2.5 * np.sqrt(1 - memory**2), rows)
    course = np.zeros(rows)
    for row in range(1, rows):
        course[row] = memory * course[row - 1] + shocks[row]
    return 10.0 - 10.0 * np.cos(2 * np.pi * hours / 8766.0) - 3.0 * np.cos(2 * np.pi * (hours - 3.0) / 24.0) + course


def _speed(rng: np.random.Generator, rows: int, step_s: float, product: Floats) -> Floats:
    hour = np.arange(rows) * step_s / 3600.0
    shift = ((hour % 24.0 >= 6.0) & (hour % 24.0 < 22.0) & (hour % 168.0 < 120.0)).astype(float)
    wish = 0.75 + 0.1 * product + 0.1 * np.sin(2 * np.pi * hour / 11.0) + rng.normal(0.0, 0.03, rows)
    return shift * np.round(np.clip(wish, 0.5, 1.0), 2)


def table(
    seed: int,
    rows: int,
    *,
    step_s: float = 900.0,
    faults: tuple[Fault, ...] = (),
    product_change: int | None = None,
    always_on: bool = False,
) -> Table:
    """Readings of the blower: four sensors with `speed`, `product` and `outdoor` as context.

    `always_on` runs one product in a hall of constant temperature, at a speed that only trembles.
    """
    rng = np.random.default_rng([seed, 20])
    outdoor = np.full(rows, 10.0) if always_on else _weather(rng, rows, step_s)
    product = np.floor(np.arange(rows) / 480) % 2 if product_change is None else (np.arange(rows) >= product_change).astype(float)
    product = np.zeros(rows) if always_on else product
    speed = np.round(0.8 + 0.05 * rng.standard_normal(rows), 2) if always_on else _speed(rng, rows, step_s, product)
    on = speed > 0
    clean = {
        "power": 0.4 + on * (4.0 + 18.0 * speed**2 + 1.5 * product),
        "flow": on * 600.0 * speed,
        "bearing_c": 18.0 + 0.4 * outdoor + on * (20.0 + 15.0 * speed),
        "vibration": 0.1 + on * (1.0 + 0.8 * speed),
    }
    columns = {name: values + rng.normal(0.0, NOISE[name], rows) for name, values in clean.items()}
    for fault in faults:
        grown = np.clip((np.arange(rows) - fault.begin) / max(fault.ramp, 1), 0.0, 1.0)
        columns[fault.sensor] = columns[fault.sensor] + fault.size * NOISE[fault.sensor] * grown * on
    times = START + np.arange(rows) * np.timedelta64(round(step_s * 1e6), "us")
    return Table(times=times, columns={**columns, "speed": speed, "product": product, "outdoor": outdoor})


def rows_of(source: Table, first: int, stop: int) -> Table:
    """Some rows of a table."""
    return Table(times=source.times[first:stop], columns={name: column[first:stop] for name, column in source.columns.items()})


def with_column(source: Table, name: str, column: Floats) -> Table:
    """The same table with one column replaced."""
    return Table(times=source.times, columns={**source.columns, name: column})
