"""Which assets follow our orders instead of their own local control, as far as this connection knows."""

from __future__ import annotations

from plant.assets import Asset, TagWrite
from plant.site import Site
from plant.tags import Value


class Held:
    """Follows the accepted writes of one connection.

    Only an asset that was written to is ever given back: a run that may not write never writes a release either.
    """

    def __init__(self, site: Site) -> None:
        self._assets = {asset.name: asset for asset in site.assets}
        self._owner: dict[str, str] = {}
        for asset in site.assets:
            for tag in _order_tags(asset):
                self._owner.setdefault(tag, asset.name)
        self._last: dict[str, dict[str, Value]] = {}

    def note(self, tag: str, value: Value, *, sure: bool = True) -> None:
        """A write was accepted, or (not `sure`) may have been: then it gives nothing back."""
        owner = self._owner.get(tag)
        if owner is None:
            return
        written = self._last.setdefault(owner, {})
        written[tag] = value
        release = self._assets[owner].release
        if sure and release and tag in {write.tag for write in release} and all(written.get(w.tag) == w.value for w in release):
            del self._last[owner]

    def assets(self) -> tuple[str, ...]:
        """Names of the assets that hold our orders, in the order in which they were first written."""
        return tuple(self._last)

    def writes(self, asset: str) -> tuple[TagWrite, ...]:
        """The writes that give an asset back: to local control, or into its safe state where it has none."""
        return self._assets[asset].release or self._assets[asset].safe_state

    def forget(self, asset: str) -> None:
        """The asset is back, or cannot be given back by writing."""
        self._last.pop(asset, None)


def _order_tags(asset: Asset) -> list[str]:
    own = [asset.tags.command, asset.tags.setpoint_write, *(write.tag for write in (*asset.release, *asset.safe_state))]
    return [tag for tag in own if tag is not None]
