"""What a message of the bus says: which Tasks to look at. Nothing else is believed of it.

The envelope is ``{type, headers, payload}`` with a payload that is mostly JSON text again; which keys the payload has
is public in part only (VCD object extensibility SDK, message-broker.md). So a Task is found by how it is written: as a
URN, as an entity reference, as an address, or as the value of a key that names a Task.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

MAX_BYTES = 1024 * 1024
"""A longer message is not searched: its Tasks are found by looking."""
MAX_ENVELOPE_BYTES = 64 * 1024
"""The type of a longer message is not read: that is for counting only."""
MOST_TASKS = 64
"""So many Tasks are taken from one message."""
KNOWN_TYPES = frozenset({
    "EVENT", "EXTERNAL_EVENT", "TASK", "EXTENSION_TASK", "API_REQUEST", "API_RESPONSE", "BEHAVIOR_INVOCATION",
    "BEHAVIOR_RESPONSE",
})  # fmt: skip
OTHER = "other"
"""Type of a message whose type is not known, or cannot be read."""

_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_WRITTEN = r"urn:vcloud:task:|com\.vmware\.vcloud\.entity\.task:|/api/task/"
# Quotes may be escaped any number of times: JSON text in JSON text.
_KEYED = r"[Tt]ask(?:Id|ID|_id|Uuid|UUID)\\*\"\s*:\s*\\*\""
_ESCAPED_SLASH = re.compile(r"(?<!\\)\\+/")
_TASK = re.compile(rf"(?:{_WRITTEN}|{_KEYED})({_UUID})")
_END = re.compile(r"com/vmware/vcloud/event/task/(?:complete|fail|abort)")
"""Event types of the .NET SDK's EventType."""


@dataclass(frozen=True, slots=True)
class Message:
    """``tasks``: URNs, each once, in the order in which they stand in the message. ``type``: one of ``KNOWN_TYPES``, or
    ``other``. ``ends``: an event of it says that a Task has ended."""

    type: str
    tasks: tuple[str, ...]
    ends: bool = False


def read_message(payload: bytes) -> Message:
    """Never raises: what cannot be read says nothing."""
    if len(payload) > MAX_BYTES:
        return Message(OTHER, ())
    text = payload.decode("utf-8", "replace")
    plain = _ESCAPED_SLASH.sub("/", text)
    found = dict.fromkeys(match[1].lower() for match in _TASK.finditer(plain))
    kind = _type_of(text) if len(payload) <= MAX_ENVELOPE_BYTES else OTHER
    tasks = tuple(f"urn:vcloud:task:{uuid}" for uuid in list(found)[:MOST_TASKS])
    return Message(kind, tasks, ends=_END.search(plain) is not None)


def _type_of(text: str) -> str:
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError):
        return OTHER
    told = envelope.get("type") if isinstance(envelope, dict) else None
    return told if isinstance(told, str) and told in KNOWN_TYPES else OTHER
