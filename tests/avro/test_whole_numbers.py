"""Whole numbers as text: what fits a long is taken, whatever its length."""

from __future__ import annotations

import json

import pytest

from bridge.avro.external_codec import AvroExternalCodec
from bridge.core.coordinates import TopicPartition
from bridge.core.external_commands import ExternalCommand
from bridge.core.requests import Malformed
from bridge.ports import Delivery


def decoded(revision: str) -> object:
    value = json.dumps({"command": "update", "revision": revision}).encode()
    place = TopicPartition("vcd.external-tasks", 0)
    return AvroExternalCodec().decode(
        Delivery(partition=place, epoch=1, offset=0, key=b"CHG1", value=value, headers=(), timestamp_ms=0)
    )


@pytest.mark.parametrize("revision", [2**63 - 1, 1_764_277_611_123_456_789, -(2**63), 0])
def test_a_long_as_text_is_taken(revision: int) -> None:
    taken = decoded(str(revision))
    assert isinstance(taken, ExternalCommand)
    assert taken.revision == revision


@pytest.mark.parametrize("revision", [str(2**63), "99999999999999999999", "1.5", "one"])
def test_what_is_none_is_refused(revision: str) -> None:
    refused = decoded(revision)
    assert isinstance(refused, Malformed)
    assert refused.field == "revision"
