"""The bridge's own exceptions. Each carries its reaction.

BridgeError
├── ConfigurationError    STOP, exit 2: a setting, schema file or topic is wrong; says which and what to do
├── TemporaryError        STOP, exit 75: the world is not ready (no broker, no VCD); a supervisor restarts us
├── StoreRecordUnreadable PARK that lifecycle: its record in the store cannot be read; told from its headers
├── StoreConflict         STOP that partition: offsets and store contradict each other; says what to check
├── ProcessMustEnd        END at once, exit 75: a client library hangs or a fence was lost in a way only a restart cures
└── InvariantViolation    STOP, exit 70: our own bug
"""

from __future__ import annotations


class BridgeError(Exception):
    """Root of the tree. ``hint`` says what a person can do about it."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def code(self) -> str:
        """Stable name for scripts: the class name in lower snake case."""
        name = type(self).__name__
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class ConfigurationError(BridgeError):
    """A setting, schema file, catalogue row or topic is wrong. Nothing was started."""

    exit_code = 2


class TemporaryError(BridgeError):
    """A peer is not there now; starting again later may help."""

    exit_code = 75


class StoreConflict(BridgeError):
    """The committed offset, the cursor and the topic contradict each other; going on could lose or double work."""

    exit_code = 2


class StoreRecordUnreadable(BridgeError):
    """A record of the store cannot be read; its lifecycle is parked, told from the record's headers."""


class ProcessMustEnd(BridgeError):
    """Only ending this process is safe now; another owner, or a restart, goes on from committed state."""

    exit_code = 75


class InvariantViolation(BridgeError):
    """The bridge contradicts itself: a bug, reported with its coordinates."""

    exit_code = 70
