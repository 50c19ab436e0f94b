"""What a page is, and which there are."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from dash import Dash
from dash.development.base_component import Component

import dashboard.pages
from dashboard.queries import Queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What the browser's address says after the page's own path."""

    path: str
    query: tuple[tuple[str, str], ...] = ()

    def value(self, key: str) -> str | None:
        """The value of a key in the address, None if it is not there."""
        return dict(self.query).get(key)


def address(path: str, search: str | None) -> Address:
    """Read an address such as `/assets?asset=pump_1`."""
    pairs = parse_qs((search or "").lstrip("?"))
    return Address(path=path, query=tuple((key, values[0]) for key, values in sorted(pairs.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the dashboard. Each file of `dashboard/pages` holds one as `PAGE`."""

    path: str
    title: str
    order: int
    """Place in the navigation."""
    layout: Callable[[Queries, Address], Component]
    """What stands there before the first figures arrive."""
    register: Callable[[Dash, Queries], None]
    """Connects the page's callbacks."""


def pages() -> tuple[Page, ...]:
    """All pages in their order of navigation."""
    names = [module.name for module in pkgutil.iter_modules(dashboard.pages.__path__)]
    found: list[Page] = [importlib.import_module(f"dashboard.pages.{name}").PAGE for name in names]
    return tuple(sorted(found, key=lambda page: page.order))
