"""Which Tasks could be the trace of a call whose answer was lost, and what an entity's state proves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.core.cursor import starting_offset
from bridge.core.lifecycle import FORMAT_VERSION, Cursor
from bridge.core.recognition import same_entity
from bridge.core.rules import Backoff
from bridge.errors import StoreConflict

UUID = "00000000-0000-4000-8000-00000000000a"


@pytest.mark.parametrize(
    ("reference", "entity", "same"),
    [
        (f"https://vcd.example/api/vApp/vm-{UUID}", f"/vApp/vm-{UUID}", True),
        (f"https://elsewhere/api/admin/vdc/{UUID}", f"/vdc/{UUID}", True),
        (f"urn:vcloud:vm:{UUID}", f"/vApp/vm-{UUID}", True),
        (f"https://vcd.example/api/vApp/vm-{UUID[:-1]}b", f"/vApp/vm-{UUID}", False),
        ("", f"/vApp/vm-{UUID}", False),
    ],
)
def test_an_entity_is_the_same_in_every_view(reference: str, entity: str, same: bool) -> None:
    assert same_entity(reference, entity) is same


# --- where to start reading -------------------------------------------------------------------------------------------


def _start(cursor: Cursor | None, *, committed: int | None, state: bool = False, low: int = 0, high: int = 100) -> int:
    return starting_offset(
        "t/0", cursor=cursor, has_state=state, committed=committed, low=low, high=high, topic_id="id"
    )


def test_a_first_start_reads_from_the_beginning() -> None:
    assert _start(None, committed=None, low=7) == 7


def test_lost_or_rewound_offsets_are_overruled_by_the_cursor() -> None:
    cursor = Cursor(topic_id="id", next_offset=50)
    assert _start(cursor, committed=None) == 50
    assert _start(cursor, committed=3) == 50


def test_what_retention_removed_is_not_waited_for() -> None:
    assert _start(Cursor(topic_id="id", next_offset=5), committed=5, low=9) == 9


@pytest.mark.parametrize(
    ("cursor", "committed", "state", "says"),
    [
        (None, 12, False, "no cursor"),
        (None, None, True, "no cursor"),
        (Cursor(topic_id="other", next_offset=5), 5, False, "made again"),
        (Cursor(topic_id="id", next_offset=101), 101, False, "ahead of the topic"),
        (Cursor(topic_id="id", next_offset=5, format_version=FORMAT_VERSION + 1), 5, False, "format"),
    ],
)
def test_contradictions_stop_the_partition(
    cursor: Cursor | None,
    committed: int | None,
    state: bool,
    says: str,
) -> None:
    with pytest.raises(StoreConflict, match=says) as stopped:
        _start(cursor, committed=committed, state=state)
    assert stopped.value.hint


# --- delays -----------------------------------------------------------------------------------------------------------


def test_backoff_has_full_jitter_a_cap_and_a_floor() -> None:
    backoff = Backoff(base=timedelta(seconds=1), cap=timedelta(seconds=10))
    assert [backoff.delay(n, 0.0).total_seconds() for n in range(6)] == [1, 2, 4, 8, 10, 10]
    assert backoff.delay(3, 0.5) == timedelta(seconds=4)
    assert backoff.delay(0, 0.999999) == backoff.floor
    assert backoff.delay(10_000, 0.0) == timedelta(seconds=10)
    assert datetime.now(UTC) + backoff.delay(3, 0.1) > datetime.now(UTC)
