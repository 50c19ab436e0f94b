"""A plant that is not its data sheet: physics off by a seeded share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from twin_sim.model import SiteModel


def differing(model: SiteModel, seed: int, share: float) -> SiteModel:
    """The same site with every uncertain number of machines and stores off by up to ± `share`, drawn from `seed`.

    Learned curves of companions are scaled likewise: flow and power of a group, one factor each.
    """
    rng = np.random.default_rng([seed, 10])
    specs: dict[str, dict[str, float]] = {}
    for asset in model.site.assets:
        kind = model.kind(asset.name)
        own: dict[str, float] = {}
        for name in kind.uncertain:
            value = float(getattr(kind, name)) * (1.0 + share * rng.uniform(-1.0, 1.0))
            own[name] = min(value, 1.0) if name == "efficiency" else value
        specs[asset.name] = own
    made = model.changed(specs=specs)
    made.stores = tuple(
        replace(
            store,
            size_per_level=(store.size_per_level or 1.0) * (1.0 + share * rng.uniform(-1.0, 1.0) * (store.unit != "kWh")),
            loss_a=store.loss_a * (1.0 + share * rng.uniform(-1.0, 1.0)),
            loss_b=store.loss_b * (1.0 + share * rng.uniform(-1.0, 1.0)),
        )
        for store in model.stores
    )
    made.groups = tuple(
        _scaled(group, 1.0 + share * rng.uniform(-1.0, 1.0), 1.0 + share * rng.uniform(-1.0, 1.0)) for group in model.groups
    )
    return made


def _scaled(group: Any, flow: float, power: float) -> Any:
    regimes = tuple(
        replace(
            regime,
            points=tuple(
                replace(
                    point,
                    output_per_h=point.output_per_h * flow,
                    input_per_h=point.input_per_h * flow,
                    power_kw=tuple(kw * power for kw in point.power_kw),
                )
                for point in regime.points
            ),
        )
        for regime in group.regimes
    )
    return replace(group, regimes=regimes)
