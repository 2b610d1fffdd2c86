"""A dead letter without its content, and which ones are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from bridge.core.coordinates import Birth
from bridge.core.times import from_millis, to_text
from bridge.engine.partition.dead_letters import Digest, read

if TYPE_CHECKING:
    from bridge.core.requests import Undecodable
    from bridge.engine.partition.dead_letters import DeadLetter
    from bridge.kafka.clients import ReadRecord
    from bridge.ports import Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """``at``: where it lies on the dead-letter topic. ``told``: None: no bridge has written it.

    ``value_bytes``: of the value as received, also of one that is left out; None: it was null.
    """

    at: Birth
    written_at: datetime | None
    told: DeadLetter | None
    key_bytes: int | None
    value_bytes: int | None

    @classmethod
    def of(cls, record: ReadRecord) -> Letter:
        told, value = read(record.headers), record.value
        left_out = told.digest.size_bytes if told is not None and told.digest is not None else None
        return cls(
            at=record.at,
            written_at=from_millis(record.timestamp_ms) if record.timestamp_ms > 0 else None,
            told=told,
            key_bytes=len(record.key) if record.key is not None else None,
            value_bytes=left_out if value is None else len(value),
        )

    @property
    def origin(self) -> Birth | None:
        """Where the record lay that died."""
        return self.told.origin if self.told is not None else None

    @property
    def error(self) -> Undecodable | None:
        return self.told.error if self.told is not None else None

    @property
    def digest(self) -> Digest | None:
        """Of the value that a stub stands for; None: it is whole, or not the bridge's."""
        return self.told.digest if self.told is not None else None

    def headers(self, record: ReadRecord) -> Headers:
        """Those that the record that died had: ``record`` is the one that this letter was read from."""
        return self.told.headers if self.told is not None else record.headers


def document_of(letter: Letter) -> dict[str, Any]:
    """One line of ``list --json``. No key, no value, no header."""
    error = letter.error
    return {
        "dead_letter": str(letter.at),
        "written_at": to_text(letter.written_at) if letter.written_at is not None else None,
        "origin": str(letter.origin) if letter.origin is not None else None,
        "topic": letter.origin.topic if letter.origin is not None else None,
        "stage": error.stage if error is not None else None,
        "reason": error.error_class if error is not None else None,
        "message": error.message if error is not None else None,
        "stub": letter.digest is not None,
        "key_bytes": letter.key_bytes,
        "value_bytes": letter.value_bytes,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """None: all. ``reason`` is a pattern (``Unknown*``) of the reason's name; the times are aware, of the letter."""

    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_empty(self) -> bool:
        return self == Filter()

    def takes(self, letter: Letter) -> bool:
        """Of a letter whose time is not known, as the embedded broker's, times say nothing."""
        return (
            (self.topic is None or (letter.origin is not None and letter.origin.topic == self.topic))
            and (self.reason is None or self._fits_reason(letter))
            and (self.since is None or letter.written_at is None or letter.written_at >= self.since)
            and (self.until is None or letter.written_at is None or letter.written_at < self.until)
        )

    def _fits_reason(self, letter: Letter) -> bool:
        name = letter.error.error_class if letter.error is not None else ""
        return fnmatchcase(name.lower(), (self.reason or "").lower())
