"""The newest that each tag has sent, where a plant pushes and is not asked."""

from __future__ import annotations

from connectors.judge import Raw


class Latest:
    """Newest value per tag; an older one that arrives late does not replace it."""

    def __init__(self) -> None:
        self._newest: dict[str, Raw] = {}

    def take(self, tag: str, raw: Raw) -> bool:
        """Keep what a tag sent; False if something newer is kept already."""
        known = self._newest.get(tag)
        if known is not None and known.time is not None and raw.time is not None and raw.time < known.time:
            return False
        self._newest[tag] = raw
        return True

    def find(self, tag: str) -> Raw | None:
        """The newest of a tag; None if it has sent nothing yet."""
        return self._newest.get(tag)

    def __len__(self) -> int:
        return len(self._newest)
