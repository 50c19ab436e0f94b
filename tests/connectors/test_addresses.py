"""Addresses on OPC UA."""

from __future__ import annotations

import pytest
from asyncua import ua

from connectors.addresses import of_tag, parse
from plant.errors import ConfigError
from plant.tags import Tag

SERVER = ("http://opcfoundation.org/UA/", "urn:server", "urn:plant")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("s=Plant.2A.Speed", "ns=2;s=Plant.2A.Speed"),
        ("nsu=urn:server;s=A;B=C", "ns=1;s=A;B=C"),
        ("ns=1;i=7", "ns=1;i=7"),
        ("i=2258", "ns=2;i=2258"),
        ("g=72962b91-fa75-4ae6-8d28-b404dc7daf63", "ns=2;g=72962b91-fa75-4ae6-8d28-b404dc7daf63"),
    ],
)
def test_forms(text: str, node: str) -> None:
    assert parse(text, "urn:plant", "tag x").node_id(SERVER) == ua.NodeId.from_string(node)


def test_a_namespace_is_found_by_its_uri_wherever_the_server_keeps_it() -> None:
    address = parse("s=X", "urn:plant", "tag x")
    moved = address.node_id(("http://opcfoundation.org/UA/", "urn:server", "urn:other", "urn:plant"))
    assert moved == ua.NodeId("X", 3)
    assert address.node_id(SERVER[:2]) is None


@pytest.mark.parametrize("text", ["Plant.Level", "x=1", "ns=two;s=X", "i=one", "nsu=urn:plant", "", "g=not-a-guid"])
def test_what_is_no_address_names_the_key(text: str) -> None:
    with pytest.raises(ConfigError, match="tag level, key address"):
        parse(text, "urn:plant", "tag level, key address")


def test_without_a_namespace_it_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"connection\.namespace"):
        parse("s=X", "", "tag x")
    assert parse("i=2258", "", "tag x").node_id(SERVER) == ua.NodeId(2258)


def test_a_tag_without_an_address_is_found_by_its_name() -> None:
    assert of_tag(Tag(name="level", unit="m")) == "s=level"
    assert parse(of_tag(Tag(name="a.b", unit="m")), "urn:plant", "").path == ("a", "b")
