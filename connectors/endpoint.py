"""Where a site's plant is found."""

from __future__ import annotations

import os

from plant.site import Connection


def endpoint_of(connection: Connection) -> str:
    """The endpoint, from the environment where the site file lets it come from there."""
    return (os.environ.get(connection.endpoint_env) if connection.endpoint_env else None) or connection.endpoint
