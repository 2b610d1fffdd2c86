"""Where reading a partition begins is told where it is not simply where the group stopped."""

from __future__ import annotations

import pytest

from bridge.core.cursor import offset_doubt
from bridge.core.lifecycle import Cursor


@pytest.mark.parametrize(
    ("cursor", "committed", "low", "told"),
    [
        (None, None, 0, None),
        (7, 7, 0, None),
        (7, 3, 0, "the committed offset 3 lies before the store's cursor 7: the cursor is used"),
        (7, None, 0, "no committed offset any more: reading goes on at the store's cursor 7"),
        (7, 7, 9, "the topic begins at offset 9 now: records from 7 on were deleted before they were read"),
    ],
)
def test_a_doubt_about_the_offset_is_told(
    cursor: int | None, committed: int | None, low: int, told: str | None
) -> None:
    stored = Cursor(topic_id="id", next_offset=cursor) if cursor is not None else None
    doubt = offset_doubt(stored, committed=committed, low=low)
    assert (doubt is None) if told is None else (told in (doubt or ""))
