"""The freeze switch as a record."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.core.freeze import Freeze, UnreadableFreezeError, read_freeze, to_json, write_freeze

AT = datetime(2026, 1, 1, 8, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 9, tzinfo=UTC)


def test_what_is_written_is_read() -> None:
    said = Freeze(frozen=True, reason="upgrade – 10.6", requested_by="jo", at=AT)
    assert read_freeze(write_freeze(said), LATER) == said
    assert to_json(said) == {
        "frozen": True, "reason": "upgrade – 10.6", "requested_by": "jo", "at": "2026-01-01T08:00:00+00:00",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b'{"frozen": true}', Freeze(frozen=True, at=LATER)),
        (b'{"frozen": false, "more": [1]}', Freeze(frozen=False, at=LATER)),
        (b'{"frozen": true, "at": "2026-01-01T09:00:00+01:00"}', Freeze(frozen=True, at=AT)),
        (b'{"frozen": true, "at": "2026-01-01T08:00:00"}', Freeze(frozen=True, at=LATER)),
        (b'{"frozen": true, "at": "tomorrow", "reason": 7}', Freeze(frozen=True, at=LATER)),
        (b'{"frozen": true, "at": "0001-01-01T00:00:00+09:00"}', Freeze(frozen=True, at=LATER)),
        (None, Freeze(frozen=False, at=LATER)),
    ],
)
def test_by_hand_little_is_enough(value: bytes | None, said: Freeze) -> None:
    assert read_freeze(value, LATER) == said


def test_a_reason_in_another_encoding_is_written_all_the_same() -> None:
    said = Freeze(frozen=True, reason="Wartung f\udcfcr alle")
    assert read_freeze(write_freeze(said), None) == said


@pytest.mark.parametrize(
    "value", [b"", b"true", b"{}", b'{"frozen": "yes"}', b'{"frozen": 1}', b"\xff", b"[]", b"[" * 100_000]
)
def test_what_says_neither_yes_nor_no_says_nothing(value: bytes) -> None:
    with pytest.raises(UnreadableFreezeError):
        read_freeze(value, LATER)
