"""The call ledger: every call that reached the simulator, in order, with what it changed.

The file, if any, gets one JSON line per call, written unbuffered before the answer leaves, so that what a client saw
is on file even when processes are killed.
"""

from __future__ import annotations

import os
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

from bridge.simulator.clock import timestamp
from bridge.simulator.protocol.exchange import JsonObject, to_json

FIELDS = (
    "sequence", "time", "method", "path", "query", "media_type", "body_bytes", "operation", "client_request_id",
    "request_id", "user", "organization", "tenant_context", "status", "entity", "task", "task_status",
    "task_operation", "changes", "effect", "cell", "fault", "body",
)  # fmt: skip
"""``status`` is what was answered, null when the connection was dropped instead; ``task_status`` and
``task_operation`` are what an external Task says after the call, null for VCD's own; ``changes`` whether a call of this
kind changes something; ``effect`` whether this one did; ``cell`` the name of the cell it came to; ``fault``
the kind of the scripted fault it met."""


class Ledger:
    """Keeps the last ``maximum`` entries in memory."""

    def __init__(self, path: Path | None = None, *, maximum: int = 200_000, keep_bodies: bool = False) -> None:
        self.keep_bodies = keep_bodies
        self._entries: deque[tuple[Any, ...]] = deque(maxlen=maximum)
        self._sequence = 0
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    @property
    def last(self) -> int:
        """Sequence number of the last entry; 0 before the first."""
        return self._sequence

    def add(self, now: float, *values: Any) -> None:
        """``values`` are those of :data:`FIELDS` from ``method`` on."""
        self._sequence += 1
        entry = (self._sequence, now, *values)
        self._entries.append(entry)
        if self._file is not None:
            os.write(self._file, to_json(self._document(entry)) + b"\n")

    def after(self, sequence: int, limit: int | None = None) -> list[JsonObject]:
        """Entries with a higher sequence number, oldest first."""
        first = self._entries[0][0] if self._entries else 0
        entries = islice(self._entries, max(0, sequence + 1 - first), None)
        return [self._document(entry) for entry in islice(entries, limit)]

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @staticmethod
    def _document(entry: tuple[Any, ...]) -> JsonObject:
        document = dict(zip(FIELDS, entry, strict=True))
        document["time"] = timestamp(entry[1])
        return document
