"""What ends the wait for the next cycle: a person's wish, an alarm, a machine that changed unasked, a peak that nobody planned."""

from __future__ import annotations

from ems.heed import fresh_notices
from ems.memory import Memory
from ems.site import Works
from ems.watch import noticed
from plant.assets import Asset
from plant.events import Alarm
from plant.tags import Snapshot
from plant.times import iso

OVER = 0.02
"""A peak counts as passed where the open metering window is on its way to so much more."""


def woken(works: Works, memory: Memory, snapshot: Snapshot) -> str:
    """Why the next cycle must not wait, in words; empty where it may.

    Parameters
    ----------
    snapshot
        What the plant shows now, between two cycles.
    """
    asked = works.historian.open_requests()
    if asked:
        return f"{asked[0].who} asks for {' '.join(filter(None, (asked[0].wish, asked[0].asset)))}"
    if alarm := next((notice for notice in fresh_notices(works, memory) if isinstance(notice, Alarm)), None):
        return f"an alarm: {alarm.words}"
    for asset in works.site.assets:
        found = noticed(asset, memory.standings[asset.name], snapshot, memory.contact_was_lost)
        if found is not None:
            return found.event.words
        if memory.seen is not None and (words := _turned(asset, memory.seen, snapshot)):
            return words
    return _passed(works, memory, snapshot)


def _turned(asset: Asset, before: Snapshot, now: Snapshot) -> str:
    """A permit, selector or trip that is no longer what the last cycle went by."""
    tags = asset.tags
    for tag in filter(None, (tags.tripped, tags.remote, tags.permit_start, tags.permit_stop)):
        was, found = before.truth(tag), now.truth(tag)
        if was is not None and found is not None and was != found:
            return f"{tag} of {asset.name} turned {str(found).lower()}"
    return ""


def _passed(works: Works, memory: Memory, snapshot: Snapshot) -> str:
    """The open metering window is on its way above the contract, or the peak paid or planned for; said once per window."""
    contracted, peak = works.site.limits.import_kw, memory.peak_kw
    window, expected_kw = memory.meter.on_course(snapshot)
    if memory.warned == window:
        return ""
    if contracted is not None and expected_kw > contracted:
        instead = f"{contracted:g} kW are contracted"
    elif peak is not None and expected_kw > peak * (1.0 + OVER):
        instead = f"not {peak:.0f} kW"
    else:
        return ""
    memory.warned = window
    return f"the metering window since {iso(window)} is on its way to {expected_kw:.0f} kW, {instead}"
