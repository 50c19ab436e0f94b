"""Security of an OPC UA connection, from the site file's words to asyncua's."""

from __future__ import annotations

import os
from pathlib import Path

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies, uacrypto
from cryptography import x509

from plant.errors import ConfigError
from plant.site import Security

CLIENT_URI = "urn:twin-ems:client"

_MODES = {"sign": ua.MessageSecurityMode.Sign, "sign_and_encrypt": ua.MessageSecurityMode.SignAndEncrypt}


def secret(name: str | None, key: str) -> str | None:
    """A secret from the environment; None if the site file names none.

    Raises
    ------
    ConfigError
        If the variable is named but not set.
    """
    if name is None:
        return None
    value = os.environ.get(name)
    if not value:
        raise ConfigError(f"connection.security.{key} = {name!r}: this environment variable is not set")
    return value


def existing(folder: Path, name: str | None, key: str) -> Path:
    """A file that the site file names.

    Raises
    ------
    ConfigError
        If the key is missing or there is no such file.
    """
    if name is None:
        raise ConfigError(f"connection.security.{key} is missing: any policy but none needs it")
    path = folder / name
    if not path.is_file():
        raise ConfigError(f"connection.security.{key} = {name!r}: there is no file {path}")
    return path


async def secure(client: Client, security: Security, folder: Path) -> None:
    """Give a client its certificate, policy, user and password.

    Without `server_certificate` the server's own is taken on trust when connecting; with it, only that server is accepted.

    Raises
    ------
    ConfigError
        If a file or secret is missing or cannot be used.
    """
    client.application_uri = CLIENT_URI
    if security.user is not None:
        client.set_user(security.user)
        client.set_password(secret(security.password_env, "password_env") or "")
    if security.policy == "none":
        return
    certificate = existing(folder, security.certificate, "certificate")
    key = existing(folder, security.private_key, "private_key")
    server = None if security.server_certificate is None else existing(folder, security.server_certificate, "server_certificate")
    try:
        own = await uacrypto.load_certificate(certificate, form_of(certificate))
        await uacrypto.load_private_key(key, None, form_of(key))
    except ValueError as error:
        raise ConfigError(f"{certificate} and {key}: not a certificate and its key without a password ({error})") from error
    client.application_uri = _application_uri(own) or CLIENT_URI
    await client.set_security(
        getattr(security_policies, f"SecurityPolicy{security.policy}"),
        uacrypto.CertProperties(certificate, form_of(certificate)),
        uacrypto.CertProperties(key, form_of(key)),
        server_certificate=None if server is None else uacrypto.CertProperties(server, form_of(server)),
        mode=_MODES[security.mode],
    )


def form_of(file: Path) -> str:
    """`pem` or `der`, from what is in the file: endings differ from house to house."""
    return "pem" if file.read_bytes().lstrip().startswith(b"-----BEGIN") else "der"


def _application_uri(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    found = names.get_values_for_type(x509.UniformResourceIdentifier)
    return found[0] if found else None
