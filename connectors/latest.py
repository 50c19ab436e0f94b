"""The newest that a plant has pushed: what a wire without questions and answers is read from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connectors.addresses import of_tag
from connectors.judge import Raw
from connectors.messages import Points
from plant.tags import Quality, Tag
from plant.times import utc


class Latest:
    """Newest value per tag, and the newest that the plant said of itself.

    The order of arrival counts, not the time stamps: messages are numbered, and a plant's clock may be set back.
    """

    def __init__(self, tags: Sequence[Tag]) -> None:
        self._name_at = {of_tag(tag): tag.name for tag in tags}
        self._newest: dict[str, Raw] = {}
        self.time: datetime | None = None
        """The plant's time; None before anything came."""
        self.ended = False
        self.beat = 0

    def take(self, points: Points) -> None:
        """A snapshot has come: all points at the start of a session, afterwards those with news."""
        for point in points.points:
            name = self._name_at.get(point.address)
            if name is not None:
                self._newest[name] = Raw(value=point.value, time=utc(point.time), quality=point.quality, words=point.words)
        self.time, self.ended, self.beat = utc(points.time), points.ended, points.beat

    def raw(self, tag: Tag) -> Raw:
        """The newest of a tag; BAD if the plant has never sent one."""
        absent = Raw(value=None, quality=Quality.BAD, words=f"the plant has no {of_tag(tag)}")
        return self._newest.get(tag.name, absent)
