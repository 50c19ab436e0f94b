"""From the site file's words on security to what a served plant asks of its clients."""

from __future__ import annotations

import logging
from pathlib import Path

from connectors.certificates import make_pair
from connectors.security import existing, secret
from connectors.serve.access import Door
from plant.errors import ConfigError
from plant.site import Security

_log = logging.getLogger(__name__)
SERVER_URI = "urn:twin-ems:plant"


def door_of(security: Security, folder: Path) -> Door | None:
    """The door that the site file's own client fits through; None = no security at all.

    The certificate is `server_certificate`, its key lies beside it with the ending `.key`; a pair that does not exist yet is made.

    Raises
    ------
    ConfigError
        If a file or secret is missing.
    """
    password = secret(security.password_env, "password_env")
    if security.policy == "none":
        return None if security.user is None else Door(user=security.user, password=password)
    if security.server_certificate is None:
        raise ConfigError("connection.security.server_certificate is missing: the served plant needs a certificate of its own")
    certificate = folder / security.server_certificate
    key = certificate.with_suffix(".key")
    if not certificate.is_file() and not key.is_file():
        make_pair(certificate, key, SERVER_URI)
        _log.warning("made a self-signed certificate for the served plant: %s", certificate)
    return Door(
        policy=security.policy,
        mode=security.mode,
        certificate=certificate,
        private_key=existing(folder, str(key.relative_to(folder)), "server_certificate"),
        client_certificate=existing(folder, security.certificate, "certificate"),
        user=security.user,
        password=password,
    )
