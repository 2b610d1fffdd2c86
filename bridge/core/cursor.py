"""Where to start reading a partition: committed offset, cursor and topic held against each other."""

from __future__ import annotations

from bridge.core.lifecycle import FORMAT_VERSION, Cursor
from bridge.errors import StoreConflict


def starting_offset(
    partition: str, *, cursor: Cursor | None, has_state: bool, committed: int | None, low: int, high: int, topic_id: str
) -> int:
    """The next input offset to read.

    The cursor wins over a committed offset that is lower or missing (lost, reset or rewound offsets would double work).
    Without cursor and committed offset this is a first start: from the beginning of the topic.

    Raises StoreConflict when going on could lose or double work: the cursor is missing though the group has committed
    or state exists, the cursor is ahead of the topic, or the topic was made anew.
    """
    if cursor is None:
        if committed is None and not has_state:
            return low
        known = f"work was committed (offset {committed})" if committed is not None else "it knows of requests"
        raise StoreConflict(
            f"{partition}: the store has no cursor although {known}",
            hint="the changelog topic was lost or belongs to another group; restore it, or use a new group_id",
        )
    if cursor.format_version > FORMAT_VERSION:
        raise StoreConflict(
            f"{partition}: the store has format {cursor.format_version}, this process knows {FORMAT_VERSION}",
            hint="finish the upgrade: run the newer version on every process",
        )
    if cursor.topic_id and topic_id and cursor.topic_id != topic_id:
        raise StoreConflict(
            f"{partition}: the topic was deleted and made again (id {topic_id}, the store knows {cursor.topic_id})",
            hint="offsets of the old topic mean nothing in the new one; use a new group_id",
        )
    if cursor.next_offset > high:
        raise StoreConflict(
            f"{partition}: the cursor ({cursor.next_offset}) is ahead of the topic (end {high})",
            hint="the input topic lost records or was truncated",
        )
    if committed is not None and committed > max(cursor.next_offset, low):
        # Both are written in one transaction, so somebody has moved the offset, or the store has lost its end.
        raise StoreConflict(
            f"{partition}: the committed offset ({committed}) is ahead of the store's cursor ({cursor.next_offset})",
            hint="set the group's offset back to the cursor or restore the changelog, or records between are skipped",
        )
    return max(cursor.next_offset, low)


def require_whole(partition: str, *, cursor: Cursor | None, open_lifecycles: int, counted_last: bool) -> None:
    """Raises StoreConflict when the store holds fewer open lifecycles than its cursor says.

    A changelog that was made anew or has lost its beginning under a running process gets a cursor again with the next
    commit; the lifecycles that did not change since are missing, and nothing else would tell.

    ``counted_last``: no lifecycle was removed after that cursor. Versions that count nothing write none when one ends,
    so that the count of a newer one before them stays behind, and means nothing any more. What such a version opens
    without a record of the input (an adopted Task) is more than was counted: that is nothing lost.
    """
    if cursor is None or not counted_last or open_lifecycles >= (cursor.open_lifecycles or 0):
        return
    raise StoreConflict(
        f"{partition}: the store holds {open_lifecycles} open lifecycles, its cursor says {cursor.open_lifecycles}",
        hint="the changelog was made anew or has lost records while work was open; restore it, or look after the open"
        " requests by hand and use a new group_id",
    )


def offset_doubt(cursor: Cursor | None, *, committed: int | None, low: int) -> str | None:
    """What is worth telling about where reading begins, after ``starting_offset`` has found it; None: nothing."""
    if cursor is None:
        return None
    if cursor.next_offset < low:
        return (
            f"the topic begins at offset {low} now: records from {cursor.next_offset} on were deleted before they were "
            "read (retention), and nobody was told of them"
        )
    if committed is None:
        return f"the group has no committed offset any more: reading goes on at the store's cursor {cursor.next_offset}"
    if committed < cursor.next_offset:
        return (
            f"the committed offset {committed} lies before the store's cursor {cursor.next_offset}: "
            "the cursor is used, so that nothing is done twice"
        )
    return None
