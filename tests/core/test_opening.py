"""A record opens a lifecycle, or is told at once why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.core.coordinates import Birth
from bridge.core.events import Reason
from bridge.core.opening import MAX_KEY_BYTES, Opening, asker, open_request, reject
from bridge.core.requests import ActionRequest

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
BIRTH = Birth("requests", 0, 7)


def test_a_start_that_is_past_is_told_with_the_time_that_was_read() -> None:
    """A requester who wrote seconds for milliseconds sees it there."""
    opening = Opening(
        organization=None, content_hash="1:0", entity=None, lane=None, created_name=None,
        start_by=NOW - timedelta(days=1), watch_until=None,
    )  # fmt: skip
    (event,) = open_request(NOW, asker(BIRTH, None, ActionRequest(request_id="r")), opening).events
    assert event.reason is not None
    assert event.reason.message == (
        "start_by 2026-11-23T04:00:00+00:00 was already past at 2026-11-24T04:00:00+00:00"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("request_id", "key", "answered_under"),
    [
        ("r", b"vm-1", b"r"),
        (None, b"vm-1", b"vm-1"),
        (None, b"k" * MAX_KEY_BYTES, b"k" * MAX_KEY_BYTES),
        (None, b"k" * (MAX_KEY_BYTES + 1), None),
        (None, None, None),
    ],
)
def test_the_key_of_an_answer(request_id: str | None, key: bytes | None, answered_under: bytes | None) -> None:
    who = asker(BIRTH, key, ActionRequest(request_id=request_id))
    assert reject(NOW, who, Reason("missing_field", "no")).key == answered_under
