"""Is a record a request that is known already? Decided by its id, its content and what became of the known one."""

from __future__ import annotations

from enum import Enum, auto

from bridge.core.events import Outcome
from bridge.core.lifecycle import Ended, Lifecycle


class Known(Enum):
    """What a request is to the one that is known under its id."""

    NEW = auto()
    """None is known, or the known one was rejected: a rejected request does not occupy its id."""
    REPEAT = auto()
    """The same content: nothing is called for it."""
    CONFLICT = auto()
    """Other content: refused."""


def recognise(known: Lifecycle | Ended | None, content_hash: str | None) -> Known:
    """``content_hash`` None: the content could not be read, so it is the content of no other request.

    A rejected request has started nothing, so the same record again is asked again: what an outage rejected can be
    sent once more as it is.
    """
    if known is None or known.outcome is Outcome.REJECTED:
        return Known.NEW
    if known.birth.offset < 0:
        # No record opened it, so no content is its own.
        return Known.CONFLICT
    if content_hash is not None and _version(content_hash) != _version(known.content_hash):
        # Hashed by another version of the bridge: nobody can compare them, and no second call is the safer reading.
        return Known.REPEAT
    return Known.REPEAT if content_hash is not None and content_hash == known.content_hash else Known.CONFLICT


def _version(content_hash: str) -> str:
    return content_hash.partition(":")[0]
