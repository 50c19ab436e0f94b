"""Originals from where they are published: files with a checksum, records page by page, both cached.

Tests and closed sites give a transport or a cache folder of their own; nothing else here knows where the network is.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import httpx

from plant.errors import DataError, NotConnectedError
from plant.identity import digest

log = logging.getLogger(__name__)

CACHE_VARIABLE = "EMS_CACHE"
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


def cache_folder() -> Path:
    """Where downloads are kept: `EMS_CACHE`, else the user's cache folder."""
    import pooch

    return Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("twin-ems"))


def fetch(url: str, *, name: str, sha256: str | None = None, cache: Path | None = None) -> Path:
    """A published file, downloaded once.

    Parameters
    ----------
    url
        Where it is published.
    name
        What it is called in the cache.
    sha256
        Checksum of the original. Where the publisher names none, the one of the first download is kept beside the file, and
        a file that has changed since is refused.
    cache
        Folder; None = `cache_folder()`.

    Raises
    ------
    NotConnectedError
        If it cannot be downloaded.
    DataError
        If the file is not the one that the checksum belongs to.
    """
    import pooch

    folder = cache or cache_folder()
    beside = folder / f"{name}.sha256"
    known = sha256 or (beside.read_text().strip() if beside.is_file() else None)
    keeper = pooch.create(path=folder, base_url="", registry={name: known}, urls={name: url}, retry_if_failed=3)
    try:
        file = Path(keeper.fetch(name))
    except ValueError as error:
        raise DataError(f"{url}: not the file that was expected ({error})") from error
    except OSError as error:
        raise NotConnectedError(f"{url} cannot be downloaded: {error}") from error
    if known is None:
        beside.write_text(hashlib.sha256(file.read_bytes()).hexdigest())
    return file


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A JSON service: asks again after a fault, waits as long as it is told to, remembers answers that cannot change."""

    base_url: str
    cache: Path | None = None
    """Folder for answers; None = `cache_folder()`."""
    transport: httpx.BaseTransport | None = None
    """Instead of the network."""
    tries: int = 5
    first_pause_s: float = 1.0
    timeout_s: float = 60.0
    pause: Callable[[float], object] = field(default=Event().wait)
    """Waits the given seconds."""

    def get(
        self,
        path: str,
        parameters: Mapping[str, str],
        *,
        keep: bool = False,
        settled: Callable[[Any], bool] = lambda _: True,
    ) -> Any:
        """The JSON answer to one question.

        Parameters
        ----------
        path, parameters
            The question.
        keep
            True for answers that will never change: they are cached.
        settled
            Whether an answer to be kept will indeed never change: one with values still to come is not cached.

        Raises
        ------
        NotConnectedError
            If there is no answer after all tries.
        DataError
            If the service refuses the question or does not answer with JSON.
        """
        file = (
            (self.cache or cache_folder())
            / "answers"
            / f"{digest(self.base_url + path + json.dumps(dict(sorted(parameters.items()))))}.gz"
        )
        if keep and file.is_file():
            try:
                return json.loads(gzip.decompress(file.read_bytes()))
            except (OSError, EOFError, ValueError, zlib.error) as error:
                log.warning("%s is damaged and asked for anew: %s", file, error)
        answer = self._asked(path, parameters)
        if keep and settled(answer):
            _kept(answer, file)
        return answer

    def _asked(self, path: str, parameters: Mapping[str, str]) -> Any:
        told = ""
        with httpx.Client(base_url=self.base_url, transport=self.transport, timeout=self.timeout_s) as client:
            for attempt in range(self.tries):
                if attempt:
                    self.pause(self._pause_s(attempt, told))
                try:
                    response = client.get(path, params=dict(parameters))
                except httpx.TransportError as error:
                    told = f"{type(error).__name__} {error}"
                    continue
                if response.status_code in _TRY_AGAIN:
                    told = f"status {response.status_code}, retry after {response.headers.get('Retry-After', '?')}"
                    continue
                return _json(response)
        raise NotConnectedError(f"{self.base_url}{path} gave no answer in {self.tries} tries: {told}")

    def _pause_s(self, attempt: int, told: str) -> float:
        wished = told.rsplit(" ", 1)[-1]
        return min(float(wished), 120.0) if wished.isdigit() else self.first_pause_s * 2 ** (attempt - 1)

    def pages(
        self, path: str, parameters: Mapping[str, str], *, size: int = 10_000, keep: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Records of a question that is answered page by page (`offset`, `limit`, `total`, `records`)."""
        offset = 0
        while True:
            page = self.get(path, {**parameters, "offset": str(offset), "limit": str(size)}, keep=keep)
            records = page.get("records") if isinstance(page, dict) else None
            if not isinstance(records, list):
                raise DataError(f"{self.base_url}{path}: the answer has no records")
            yield from records
            offset += len(records)
            total = page.get("total")
            if len(records) < size or (isinstance(total, int) and offset >= total):
                return


def _kept(answer: object, file: Path) -> None:
    """Keep an answer; a cache that cannot be written costs time, nothing else."""
    part = file.with_suffix(f".part{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(gzip.compress(json.dumps(answer).encode()))
        part.replace(file)
    except OSError as error:
        log.warning("%s cannot be kept: %s", file, error)


def brief(url: str) -> Service:
    """A service that is asked again later anyway: few tries, short waits."""
    pause = Event()
    return Service(base_url=url, tries=3, timeout_s=15.0, pause=lambda seconds: pause.wait(min(seconds, 10.0)))


def _json(response: httpx.Response) -> Any:
    where = response.url.copy_with(query=None)  # a question may carry a key, and these words go into logs
    if response.is_error:
        raise DataError(f"{where} refuses: {response.status_code} {response.text[:200]}")
    try:
        return response.json()
    except ValueError as error:
        raise DataError(f"{where}: the answer is not JSON: {response.text[:80]!r}") from error
