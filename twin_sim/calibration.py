"""What telemetry taught about a site: learned parameters with their uncertainty, and what could not be learned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from plant.envelopes import Regime
from plant.mirror import Credibility


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """One number learned from telemetry."""

    name: str
    """Field of the kind's spec, of Life, Store or Flow that it replaces."""
    value: float
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end of its 95 % interval."""
    unit: str
    samples: int
    """Rows that it rests on."""
    identified: bool = True
    """False: the data cannot tell, `value` is the site file's own; the words name the step test that would."""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedAsset:
    """What was learned of one machine."""

    asset: str
    parameters: tuple[Learned, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEffect:
    """How a combination's output falls as it lifts higher: output × (1 + share × (target level − source level − reference))."""

    regime: str
    target: str | None
    """Store that is filled; None counts as level 0."""
    source: str | None
    """Store that is drawn from; None counts as level 0."""
    reference_level: float
    """Difference of levels at which the points hold."""
    output_share_per_level: float
    """Relative change of output per unit of level, usually negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCheck:
    """How well the calibrated twin foretells a store's level a day ahead, told the demand, on telemetry it has not learned from."""

    store: str
    horizon_s: float
    origins: int
    rmse_level: float
    """Root mean square error at the horizon, in the store's level unit."""
    range_share: float
    """The same over top − bottom, 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedGroup:
    """Operating points per combination of running machines, in the words of an Envelope.

    A machine without companions is a group of one. `output_per_h` of a point is the flow of the whole combination into
    the group's store, `power_kw` is per running machine; between two neighbouring points both are interpolated linearly
    over the first set-point that differs.
    """

    name: str
    assets: tuple[str, ...]
    regimes: tuple[Regime, ...]
    cv_rmse: tuple[tuple[str, float], ...] = ()
    """Per regime name: scatter of the measured output around its points, as a share."""
    level_effects: tuple[LevelEffect, ...] = ()
    """One per regime that feels the levels."""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedStore:
    """What was learned of one store: `size_per_level`, `loss_a`, `loss_b`."""

    store: str
    parameters: tuple[Learned, ...]
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedFlow:
    """What was learned of one transport nobody commands: `a_per_h`, `b_per_h`."""

    source: str
    target: str
    parameters: tuple[Learned, ...]
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """All that was learned from one stretch of telemetry. Journalled as a record of kind `calibration`."""

    site: str
    start: datetime
    """First reading used."""
    end: datetime
    """Last reading used."""
    assets: tuple[LearnedAsset, ...] = ()
    groups: tuple[LearnedGroup, ...] = ()
    stores: tuple[LearnedStore, ...] = ()
    flows: tuple[LearnedFlow, ...] = ()
    credibility: tuple[Credibility, ...] = ()
    """Agreement of the calibrated twin with the telemetry, per asset."""
    level_checks: tuple[LevelCheck, ...] = ()
    """Day-ahead levels, per store whose flows are metered."""
    words: tuple[str, ...] = ()
    """What the data could not tell, one sentence each."""

    def group_of(self, asset: str) -> LearnedGroup | None:
        """The group whose curves an asset has; None if none was learned."""
        return next((group for group in self.groups if asset in group.assets), None)

    def of_asset(self, asset: str) -> dict[str, float]:
        """Learned numbers of an asset by name."""
        return {learned.name: learned.value for found in self.assets if found.asset == asset for learned in found.parameters}

    def of_store(self, store: str) -> dict[str, float]:
        """Learned numbers of a store by name."""
        return {learned.name: learned.value for found in self.stores if found.store == store for learned in found.parameters}

    def of_flow(self, source: str, target: str) -> dict[str, float]:
        """Learned numbers of a flow by name."""
        return {
            learned.name: learned.value
            for found in self.flows
            if (found.source, found.target) == (source, target)
            for learned in found.parameters
        }
