"""Store records come back as they were; damaged ones are told apart from newer ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.avro.framing import single_object_prefix
from bridge.avro.schemas import load
from bridge.avro.store_codec import AvroStoreCodec, StoreFormatNewer
from bridge.core.coordinates import Birth
from bridge.core.lifecycle import Cursor, Doubt, Ended, Kind, Lifecycle, Phase, StoredRequest
from bridge.core.observation_parts import SightedPart
from bridge.errors import BridgeError, StoreConflict, StoreRecordUnreadable
from bridge.ports import Headers, StoredRecord
from tests.avro.documents import CURSORS, DOUBTS, ENDINGS, LIFECYCLES, STORED_REQUESTS

CODEC = AvroStoreCodec()
BIRTH = Birth("in", 0, 5)
DECODERS: dict[str, Callable[[StoredRecord], object]] = {
    "state": CODEC.decode_state,
    "request": CODEC.decode_request,
    "cursor": CODEC.decode_cursor,
    "ended": CODEC.decode_ended,
}


def stored(encoded: tuple[bytes, Headers]) -> StoredRecord:
    return StoredRecord(b"in/0/5|state", *encoded)


def state(**changes: Any) -> Lifecycle:
    members: dict[str, Any] = {
        "birth": BIRTH, "phase": Phase.FOLLOWING, "sequence": 3, "request_id": "r", "key": b"k",
        "received_at": datetime(2026, 1, 1, tzinfo=UTC), "lane": "/vApp/größe",
    }  # fmt: skip
    return Lifecycle(**{**members, **changes})


@settings(max_examples=100, deadline=None)
@given(LIFECYCLES)
def test_states_come_back(lifecycle: Lifecycle) -> None:
    assert CODEC.decode_state(stored(CODEC.encode_state(lifecycle))) == lifecycle


def test_what_observes_is_told_by_its_headers_or_not_read_at_all() -> None:
    part = SightedPart(order=BIRTH, id="urn:vcloud:task:t", ended_at=datetime(2026, 1, 1, tzinfo=UTC))
    record = stored(CODEC.encode_state(state(kind=Kind.OBSERVED_TASK, organization="größe", observation=part)))
    headers = dict(record.headers)
    assert headers["vb_organization"] == "größe".encode()
    damaged = replace(record, value=b"\xc3")
    assert CODEC.decode_observation(damaged) == part
    with pytest.raises(StoreRecordUnreadable):
        CODEC.decode_state(damaged)
    for text in (None, b"{", b"[]", b"{}", b'{"order": "x"}', b'{"order": "in/0/5", "id": "t", "ended_at": "soon"}'):
        bare = replace(record, headers=tuple({**headers, "vb_observation": text}.items()))
        assert CODEC.decode_observation(bare) is None
        with pytest.raises(StoreRecordUnreadable):
            CODEC.decode_state(bare)


@given(STORED_REQUESTS)
def test_requests_come_back(request: StoredRequest) -> None:
    assert CODEC.decode_request(stored(CODEC.encode_request(request))) == request


@given(CURSORS)
def test_cursors_come_back(cursor: Cursor) -> None:
    assert CODEC.decode_cursor(stored(CODEC.encode_cursor(cursor))) == cursor


def test_when_a_call_was_decided_on_vcds_clock_is_in_a_header() -> None:
    """A process of an older version reads past it."""
    called = state(vcd_called_at=datetime(2026, 1, 1, tzinfo=UTC))
    value, headers = CODEC.encode_state(called)
    assert (value, b"1767225600000") == (CODEC.encode_state(state())[0], dict(headers)["vb_vcd_called_at"])
    assert CODEC.decode_state(stored((value, headers))) == called
    for newer in (b"soon", b"9" * 30):
        told = tuple((name, newer if name == "vb_vcd_called_at" else text) for name, text in headers)
        assert CODEC.decode_state(stored((value, told))) == state()


@given(ENDINGS)
def test_endings_come_back(ended: Ended) -> None:
    assert CODEC.decode_ended(stored(CODEC.encode_ended(ended))) == ended


@given(ENDINGS, DOUBTS)
def test_what_an_ended_one_left_behind_is_in_a_header(ended: Ended, doubt: Doubt) -> None:
    """A process of an older version reads past it."""
    left = replace(ended, doubt=replace(doubt, birth=ended.birth))
    value, headers = CODEC.encode_ended(left)
    assert value == CODEC.encode_ended(ended)[0]
    assert CODEC.decode_ended(stored((value, headers))) == left
    newer = tuple((name, b"other" if name == "vb_doubt" else text) for name, text in headers)
    assert CODEC.decode_ended(stored((value, newer))) == ended


@settings(max_examples=1)
@given(ENDINGS)
def test_an_ending_fits_into_its_topic_whatever_was_asked_for(ended: Ended) -> None:
    doubt = Doubt(birth=ended.birth, entity=None, created_name="ü" * 100_000, called_at=ended.ended_at)
    headers = CODEC.encode_ended(replace(ended, doubt=doubt))[1]
    assert sum(len(text or b"") for _, text in headers) < 10_000


def test_headers_tell_enough_to_park() -> None:
    assert CODEC.encode_state(state())[1] == (
        ("vb_kind", b"state"),
        ("vb_format", b"1"),
        ("vb_sequence", b"3"),
        ("vb_phase", b"following"),
        ("vb_lifecycle", b"action_request"),
        ("vb_lane", "/vApp/größe".encode()),
        ("vb_request_id", b"r"),
    )
    assert "vb_lane" not in dict(CODEC.encode_state(state(lane=None))[1])
    assert dict(CODEC.encode_cursor(Cursor(topic_id="t", next_offset=1))[1]) == {
        "vb_kind": b"cursor",
        "vb_format": b"1",
    }


def test_what_vcd_sends_against_its_own_types_never_stops_the_journal() -> None:
    broken = state(status="\ud800", progress_told=2**40, evidence=("a", "\udfff"), lane="\ud800", entity=None)
    read = CODEC.decode_state(stored(CODEC.encode_state(broken)))
    assert read == state(status="?", progress_told=None, evidence=("a", "?"), lane="?")


@pytest.mark.parametrize("kind", DECODERS)
def test_a_newer_format_is_never_parked(kind: str) -> None:
    record = StoredRecord(b"k", b"whatever", (("vb_format", b"2"),))
    with pytest.raises(StoreFormatNewer, match="has format 2") as caught:
        DECODERS[kind](record)
    assert isinstance(caught.value, StoreConflict)
    assert not isinstance(caught.value, StoreRecordUnreadable)
    assert "newer version" in caught.value.hint


def test_a_newer_format_inside_the_value_counts_too() -> None:
    value, _ = CODEC.encode_cursor(Cursor(topic_id="t", next_offset=1, format_version=2))
    with pytest.raises(StoreFormatNewer):
        CODEC.decode_cursor(StoredRecord(b"cursor", value, ()))


def test_an_unknown_schema_kind_or_phase_means_a_newer_version_wrote_it() -> None:
    value, headers = CODEC.encode_state(state())
    with pytest.raises(StoreFormatNewer, match="unknown schema"):
        CODEC.decode_state(StoredRecord(b"k", single_object_prefix(b"12345678") + value[10:], headers))
    renamed = value.replace(b"\x12following", b"\x12wandering")
    with pytest.raises(StoreFormatNewer, match="wandering"):
        CODEC.decode_state(StoredRecord(b"k", renamed, headers))
    part = SightedPart(order=BIRTH, id="urn:vcloud:task:t")
    value, headers = CODEC.encode_state(state(kind=Kind.OBSERVED_TASK, observation=part))
    later = value.replace(b"\x1aobserved_task", b"\x1aobserved_tree")
    with pytest.raises(StoreFormatNewer, match="observed_tree"):
        CODEC.decode_state(StoredRecord(b"k", later, headers))
    plain, _ = CODEC.encode_state(state())
    assert plain[:10] == value[:10], "one schema for all kinds: those that older versions know are read by them"


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize("value", [b"", b"{}", b"\x00\x00\x00\x00\x01x", b"\xc3\x01", "cut", "longer"])
def test_a_damaged_record_is_unreadable(kind: str, value: bytes | str) -> None:
    name = {"state": "lifecycle-state", "request": "stored-request", "cursor": "cursor", "ended": "ended-lifecycle"}[
        kind
    ]
    prefix = single_object_prefix(load(name).fingerprint)
    damaged = value if isinstance(value, bytes) else prefix + (b"\x02" if value == "cut" else bytes(200))
    with pytest.raises(StoreRecordUnreadable, match=r"store record in/0/5\|state"):
        DECODERS[kind](StoredRecord(b"in/0/5|state", damaged, ()))


def test_a_damaged_birth_is_unreadable() -> None:
    value, headers = CODEC.encode_state(state())
    with pytest.raises(StoreRecordUnreadable):
        CODEC.decode_state(StoredRecord(b"k", value.replace(b"in/0/5", b"in/0/x"), headers))


GOOD = CODEC.encode_state(state())[0]


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3))
def test_any_damage_is_a_bridge_error_or_still_a_state(position: int, patch: bytes) -> None:
    damaged = GOOD[:position] + patch + GOOD[position + len(patch) :]
    with suppress(BridgeError):
        assert isinstance(CODEC.decode_state(StoredRecord(b"k", damaged, ())), Lifecycle)
