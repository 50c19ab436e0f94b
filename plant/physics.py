"""What a machine finds around it and what it then draws and gives: numbers, or arrays that broadcast together."""

from __future__ import annotations

from dataclasses import dataclass

from plant.table import Floats

Numbers = float | Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a machine finds around it. One number each, or one per asset and future."""

    level: Numbers = 0.0
    """Of the store it feeds, in the store's level unit."""
    input_level: Numbers = 0.0
    """Of the store it draws from."""
    outdoor: Numbers = 15.0
    """Outdoor temperature, °C."""
    running_s: Numbers = 1e9
    """Since its first output."""
    health: Numbers = 1.0
    """1 as new, 0 worn out: fouling, leaks."""
    availability: Numbers = 1.0
    """0..1: what nature or the schedule allows now (sun on a panel, a shift's share of a load)."""
    ambient: Numbers = 15.0
    """What the store it feeds loses to, °C or the store's level unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """What a running machine draws and gives in steady state."""

    power_kw: Numbers
    """Negative = generation."""
    output_per_h: Numbers
    """Into the store it feeds; negative where it takes out (cooling, discharge)."""
    input_per_h: Numbers = 0.0
    """Out of the store it draws from."""
    second_output_per_h: Numbers = 0.0
