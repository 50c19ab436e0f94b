"""What a site file may refer to, and what is wrong in words where it refers to something else."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from plant.hours import local_hours
from plant.site import Site, VirtualTag
from plant.tags import Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong, and where."""

    key: str
    words: str


class Names:
    """The names of a site."""

    def __init__(self, site: Site) -> None:
        every: tuple[Tag | VirtualTag, ...] = (*site.tags, *site.virtual_tags)
        self.tags = {tag.name: tag for tag in every}
        self.assets = [asset.name for asset in site.assets]
        self.stores = {store.name: store for store in site.stores}
        self.services = {service.name: service for service in site.services}

    def exists(self, key: str, name: str | None, known: Iterable[str], what: str) -> Iterator[Fault]:
        """A fault unless `name` is None or one of `known`."""
        if name is not None and name not in (known := list(known)):
            yield Fault(key=key, words=f"{name!r} is no {what} of this site{near(name, known)}")

    def tag(self, key: str, name: str | None, units: Sequence[str] = (), *, writable: bool = False) -> Iterator[Fault]:
        """Faults unless `name` is None or a tag, in one of `units` (empty = any), and writable where that is needed."""
        if name is None:
            return
        tag = self.tags.get(name)
        if tag is None:
            yield from self.exists(key, name, self.tags, "tag")
        elif units and tag.unit not in units:
            yield Fault(key=key, words=f"tag {name!r} is in {tag.unit}; {' or '.join(units)} is needed here")
        if writable and isinstance(tag, VirtualTag):
            yield Fault(key=key, words=f"{name!r} is a virtual tag: it cannot be written")
        elif writable and isinstance(tag, Tag) and not tag.writable:
            yield Fault(key=key, words=f"tag {name!r} is not writable; set `writable = true` if the plant lets it be written")


def near(name: str, known: list[str]) -> str:
    """What was probably meant, or what there is; to end a sentence."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    shown = ", ".join(known[:12]) + (" …" if len(known) > 12 else "")
    return f" (there are: {shown})" if known else " (there are none)"


def hours_faults(key: str, texts: Iterable[str]) -> Iterator[Fault]:
    """A fault for every text that is no hours of the local week."""
    for text in texts:
        try:
            local_hours(text)
        except ValueError as error:
            yield Fault(key=key, words=str(error))
