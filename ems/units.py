"""Units that history files come in, and how to turn one into another."""

from __future__ import annotations

from dataclasses import dataclass

from plant.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """target value = source value × scale + offset."""

    scale: float
    offset: float = 0.0


_H = 3600.0
# unit → (what it measures, factor to the first unit of its kind, offset): base value = value × factor + offset
_UNITS: dict[str, tuple[str, float, float]] = {
    "kW": ("power", 1.0, 0.0), "W": ("power", 1e-3, 0.0), "MW": ("power", 1e3, 0.0), "kWh/h": ("power", 1.0, 0.0),
    "kWh": ("energy", 1.0, 0.0), "Wh": ("energy", 1e-3, 0.0), "MWh": ("energy", 1e3, 0.0), "MJ": ("energy", 1 / 3.6, 0.0),
    "GJ": ("energy", 1e3 / 3.6, 0.0),
    "m3/h": ("flow", 1.0, 0.0), "L/s": ("flow", 3.6, 0.0), "l/s": ("flow", 3.6, 0.0), "L/min": ("flow", 0.06, 0.0),
    "l/min": ("flow", 0.06, 0.0), "m3/s": ("flow", _H, 0.0), "L/h": ("flow", 1e-3, 0.0), "l/h": ("flow", 1e-3, 0.0),
    "m3/min": ("flow", 60.0, 0.0), "Nm3/h": ("gas flow", 1.0, 0.0), "Nm3/min": ("gas flow", 60.0, 0.0),
    "m3": ("volume", 1.0, 0.0), "L": ("volume", 1e-3, 0.0), "l": ("volume", 1e-3, 0.0),
    "t": ("mass", 1.0, 0.0), "kg": ("mass", 1e-3, 0.0), "t/h": ("mass flow", 1.0, 0.0), "kg/h": ("mass flow", 1e-3, 0.0),
    "kg/s": ("mass flow", 3.6, 0.0),
    "°C": ("temperature", 1.0, 0.0), "degC": ("temperature", 1.0, 0.0), "C": ("temperature", 1.0, 0.0),
    "K": ("temperature", 1.0, -273.15), "°F": ("temperature", 5 / 9, -160 / 9), "degF": ("temperature", 5 / 9, -160 / 9),
    "bar": ("pressure", 1.0, 0.0), "mbar": ("pressure", 1e-3, 0.0), "kPa": ("pressure", 1e-2, 0.0), "Pa": ("pressure", 1e-5, 0.0),
    "MPa": ("pressure", 10.0, 0.0), "psi": ("pressure", 0.0689475729, 0.0),
    "m": ("length", 1.0, 0.0), "cm": ("length", 1e-2, 0.0), "mm": ("length", 1e-3, 0.0), "ft": ("length", 0.3048, 0.0),
    "1": ("share", 1.0, 0.0), "%": ("share", 1e-2, 0.0), "": ("share", 1.0, 0.0),
    "s": ("time", 1.0, 0.0), "min": ("time", 60.0, 0.0), "h": ("time", _H, 0.0),
    "W/m2": ("irradiance", 1.0, 0.0), "kW/m2": ("irradiance", 1e3, 0.0),
    "m/s": ("speed", 1.0, 0.0), "km/h": ("speed", 1 / 3.6, 0.0),
    "Hz": ("frequency", 1.0, 0.0), "rpm": ("frequency", 1 / 60, 0.0),
}  # fmt: skip


def conversion(source: str, target: str) -> Conversion:
    """How to turn values of one unit into another.

    Raises
    ------
    DataError
        If they do not measure the same, or one of two different units is unknown.
    """
    if source == target:
        return Conversion(scale=1.0)
    have, want = _UNITS.get(source), _UNITS.get(target)
    if have is None or want is None:
        unknown = source if have is None else target
        raise DataError(f"unit {unknown!r} is not known: write {target!r}, or give scale and offset in the map")
    if have[0] != want[0]:
        raise DataError(f"{source} measures {have[0]}, {target} measures {want[0]}: they cannot be turned into each other")
    return Conversion(scale=have[1] / want[1], offset=(have[2] - want[2]) / want[1])


def rate_units(unit: str) -> tuple[str, ...]:
    """Units that mean 'this much per hour': `m3` → `m3/h`; `kWh` → `kWh/h` and `kW`."""
    powers = {"kWh": ("kW",), "MWh": ("MW",)}
    return (f"{unit}/h", *powers.get(unit, ()))
