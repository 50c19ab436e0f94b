"""Self-signed certificates for simulated plants; a real one brings its own."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path

from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_private_key, generate_self_signed_app_certificate
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID


def make_pair(certificate: Path, key: Path, uri: str) -> None:
    """Write a self-signed certificate (DER, or PEM by its ending) for an application, and its key (PEM, owner only).

    Parameters
    ----------
    uri
        Application URI: OPC UA compares it with what the application says of itself.
    """
    private = generate_private_key()
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(uri),
        x509.DNSName(socket.gethostname()),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    usage = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    made = generate_self_signed_app_certificate(private, uri, {}, names, usage)
    certificate.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(dump_private_key_as_pem(private))
    certificate.write_bytes(made.public_bytes(Encoding.PEM if certificate.suffix == ".pem" else Encoding.DER))
