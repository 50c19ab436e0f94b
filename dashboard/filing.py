"""What a person asks for on a page, filed for the controller. Nothing here writes to a plant."""

from __future__ import annotations

from typing import Literal

from dashboard.queries import Queries
from plant.errors import NotConnectedError
from plant.identity import content_id
from plant.orders import Request

Wish = Literal["approve", "reject", "ack", "shelve", "mode", "return", "lock", "unlock"]


def file(queries: Queries, wish: Wish, who: str, value: str | None, words: str, asset: str | None = None) -> Request:
    """File a request; the controller takes it in its next cycle.

    Parameters
    ----------
    who
        The person, as they wrote their name.
    value
        What the wish needs besides: a command id, an alarm id, a mode, a duration.
    words
        Why, for the record; for `shelve` how long.

    Raises
    ------
    NotConnectedError
        If no name was given, or no controller has ever run: nobody would take the request.
    """
    person = who.strip()
    if not person:
        raise NotConnectedError("write your name first: the journal keeps who asked")
    newest = queries.historian.entries(newest_first=True, limit=1)
    if not newest:
        raise NotConnectedError("no controller has run on this site yet: nobody would take the request")
    request = Request(
        id=content_id("q", wish, person, value, asset, words, newest[0].seq),
        who=person,
        time=newest[0].time,
        wish=wish,
        asset=asset,
        value=value,
        words=words.strip(),
    )
    queries.historian.file_request(request)
    return request
