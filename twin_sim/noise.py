"""Measuring noise of a simulated plant's instruments."""

from __future__ import annotations

import numpy as np

from plant.physics import Numbers
from plant.site import Site

NOISE_SHARE = 0.006
"""Standard deviation of powers and flows as a share of the value; a third of it of a store's span for levels."""
TEMPERATURE_K = 0.08
"""Standard deviation of a temperature."""


def spread(site: Site, tag: str, value: Numbers) -> Numbers:
    """Standard deviation of a tag's noise at a value; 0 for states, orders, set-points and prices."""
    store = next((store for store in site.stores if store.level == tag), None)
    if store is not None:
        return NOISE_SHARE / 3.0 * (store.high - store.low)
    found = next((item for item in site.tags if item.name == tag), None)
    silent = found is None or found.writable or found.type.value != "float" or found.unit.endswith("/kWh")
    if silent or any(asset.tags.setpoint == tag for asset in site.assets):
        return 0.0
    return TEMPERATURE_K if found is not None and found.unit == "°C" else NOISE_SHARE * np.abs(value)
