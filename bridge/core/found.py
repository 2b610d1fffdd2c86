"""What is found in VCD, not asked for by a record: the desk of the partition's topic decides what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.observation_seen import Seen
from bridge.core.task import Task


@dataclass(frozen=True, slots=True)
class FoundOrphan:
    """A running Task with our mark that no lifecycle has."""

    external_key: str
    task: Task


Found = FoundOrphan | Seen
