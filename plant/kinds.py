"""The file is the registration: kind `heat_pump` is class `HeatPump` in `heat_pump.py` of a package."""

from __future__ import annotations

import importlib
import pkgutil

from plant.errors import NotFoundError


def known(package: str) -> list[str]:
    """Names of the kinds a package holds, sorted."""
    paths = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(paths) if not module.name.startswith("_"))


def class_name(kind: str) -> str:
    """`heat_pump` → `HeatPump`; a dotted name counts from its last dot."""
    return "".join(word.capitalize() for word in kind.rsplit(".", 1)[-1].split("_"))


def find(package: str, kind: str) -> type:
    """The class that a kind names.

    Parameters
    ----------
    package
        Dotted package whose files are the kinds, for example `twin_sim.assets`.
    kind
        A file name of that package, or a dotted module of a customer's own (`mysite.kiln`).

    Raises
    ------
    NotFoundError
        If there is no such kind; the text lists the known ones.
    """
    if "." not in kind and kind not in known(package):
        raise NotFoundError(f"unknown kind {kind!r}: {package} knows {', '.join(known(package))}")
    name = kind if "." in kind else f"{package}.{kind}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise NotFoundError(f"kind {kind!r}: no module {error.name!r} can be imported") from error
    found = getattr(module, class_name(kind), None)
    if not isinstance(found, type):
        raise NotFoundError(f"kind {kind!r}: module {name} has no class {class_name(kind)}")
    return found
