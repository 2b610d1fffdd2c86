"""VCD's blocking task as the bridge reads it: an operation that is held until somebody decides, or its time is up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.core.task import ReferenceDocument, Task

ALLOWED_ACTIONS = ("resume", "abort", "fail", "updateProgress")
"""What a system administrator may do about one (VMware's vCloud architecture toolkit)."""


class BlockingState(StrEnum):
    """How a blocking task stands. Its ends are conclusions from the Task behind it: VCD keeps no decided ones."""

    PENDING = "pending"
    RESUMED = "resumed"
    ABORTED = "aborted"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    """Gone when its time was up, and the Task did what the time-out action says."""
    GONE = "gone"
    """The Task does not tell how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockingTask:
    """One blocking task (BlockingTaskType of taskExtensionRequest.xsd, or a row of the query ``blockingTask``).

    ``id`` is its URN. ``owner`` is what the held Task works on, ``user`` who started it, ``timeout`` when VCD decides
    by itself and ``timeout_action`` how. ``task`` is the held Task: read, or known by its address alone.
    """

    id: str
    href: str | None = None
    operation: str | None = None
    owner: ReferenceDocument | None = None
    organization: ReferenceDocument | None = None
    user: ReferenceDocument | None = None
    created: datetime | None = None
    timeout: datetime | None = None
    timeout_action: str | None = None
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What an event tells of a blocking task."""

    blocking: BlockingTask
    state: BlockingState
