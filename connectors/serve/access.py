"""Who may come to a served plant's OPC UA door."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.crypto import uacrypto
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from cryptography.hazmat.primitives.serialization import Encoding

from connectors.security import form_of

_POLICIES = {
    "Basic256Sha256": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    "Aes128Sha256RsaOaep": ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    "Aes256Sha256RsaPss": ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
}
_SIGNED = {
    "Basic256Sha256": ua.SecurityPolicyType.Basic256Sha256_Sign,
    "Aes128Sha256RsaOaep": ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    "Aes256Sha256RsaPss": ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a client must bring."""

    policy: str = "none"
    mode: str = "sign_and_encrypt"
    certificate: Path | None = None
    """Our own, as is the key."""
    private_key: Path | None = None
    client_certificate: Path | None = None
    """The only client accepted; None = any."""
    user: str | None = None
    password: str | None = None


class _Porter(UserManager):
    def __init__(self, door: Door, client: bytes | None) -> None:
        self._door = door
        self._client = client

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        del iserver
        if self._client is not None and certificate != self._client:
            return None
        if self._door.user is not None:
            same_user = hmac.compare_digest((username or "").encode(), self._door.user.encode())
            same_password = hmac.compare_digest((password or "").encode(), (self._door.password or "").encode())
            if not (same_user and same_password):
                return None
        return User(role=UserRole.User, name=username)


async def guard(server: Server, door: Door | None) -> None:
    """Set a server's policies, certificate and porter."""
    if door is None or door.policy == "none":
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    else:
        policies = _POLICIES if door.mode == "sign_and_encrypt" else _SIGNED
        server.set_security_policy([policies[door.policy]])
        if door.certificate is not None and door.private_key is not None:
            await server.load_certificate(door.certificate, form_of(door.certificate))
            await server.load_private_key(door.private_key, None, form_of(door.private_key))
    server.set_identity_tokens([ua.AnonymousIdentityToken if door is None or door.user is None else ua.UserNameIdentityToken])
    if door is None:
        return
    client = (
        None
        if door.client_certificate is None
        else await uacrypto.load_certificate(door.client_certificate, form_of(door.client_certificate))
    )
    server.iserver.user_manager = _Porter(door, None if client is None else client.public_bytes(Encoding.DER))
