"""The freeze switch as a record: follow, but call nothing that changes VCD. Pure.

Key ``freeze``, value a JSON object with ``frozen`` (boolean) and, if wanted, ``reason``, ``requested_by`` and ``at``
(RFC 3339). A tombstone says as much as ``"frozen": false``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

KEY = b"freeze"
"""Records with other keys are not for this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Whether the group is frozen, and who says so. ``at``: aware UTC."""

    frozen: bool
    reason: str | None = None
    requested_by: str | None = None
    at: datetime | None = None


THAWED = Freeze(frozen=False)
"""As a group is of which nobody has said anything."""


class UnreadableFreezeError(ValueError):
    """A value that says neither yes nor no: everything stays as it is."""


def read_freeze(value: bytes | None, written_at: datetime | None) -> Freeze:
    """What a record's value says. ``written_at`` counts where it does not say when. Raises UnreadableFreezeError."""
    if value is None:
        return Freeze(frozen=False, at=written_at)
    try:
        document = json.loads(value)
    except (ValueError, RecursionError) as error:  # the latter: nested without end
        raise UnreadableFreezeError(f"no JSON: {error}") from None
    if not isinstance(document, Mapping) or not isinstance(document.get("frozen"), bool):
        raise UnreadableFreezeError('no JSON object with "frozen": true or false')
    return Freeze(
        frozen=document["frozen"],
        reason=_text(document.get("reason")),
        requested_by=_text(document.get("requested_by")),
        at=_time(document.get("at")) or written_at,
    )


def write_freeze(freeze: Freeze) -> bytes:
    """The record's value, in ASCII: a reason typed in another encoding has characters that no UTF-8 has."""
    return json.dumps(to_json(freeze)).encode()


def to_json(freeze: Freeze) -> dict[str, object]:
    """The same for people and programs: also what ``/ready`` shows."""
    return {
        "frozen": freeze.frozen, "reason": freeze.reason, "requested_by": freeze.requested_by,
        "at": None if freeze.at is None else freeze.at.isoformat(timespec="seconds"),
    }  # fmt: skip


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _time(value: object) -> datetime | None:
    """The rest of the record counts, however its time is written."""
    try:
        told = datetime.fromisoformat(value) if isinstance(value, str) else None
        return told.astimezone(UTC) if told is not None and told.tzinfo is not None else None
    except (ValueError, OverflowError):  # the latter: in UTC it lies before the first year, or after the last
        return None
