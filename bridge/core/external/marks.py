"""The mark by which a bridge finds its own Task again: ``[<group>/<topic>-<partition>/<external key>]``.

It stands at the end of the Task's ``operation`` text, the one field of ours that the task query shows. VCD may write
more behind it (it appends the organization where no operationName was given), so it is looked for anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.coordinates import TopicPartition


@dataclass(frozen=True, slots=True)
class Marker:
    """Writes and reads the marks of one input partition of one group."""

    group_id: str
    partition: TopicPartition

    @property
    def prefix(self) -> str:
        return f"[{self.group_id}/{self.partition.topic}-{self.partition.partition}/"

    def mark(self, external_key: str) -> str:
        return f"{self.prefix}{external_key}]"

    def marked(self, operation: str | None, external_key: str) -> str:
        """The operation text with the mark at its end, once."""
        mark = self.mark(external_key)
        text = (operation or "").replace(mark, "").strip()
        return f"{text} {mark}" if text else mark

    def unmarked(self, operation: str | None, external_key: str) -> str | None:
        """The operation text as it was given."""
        return (operation or "").partition(self.mark(external_key))[0].strip() or None

    def bears(self, operation: str | None, external_key: str) -> bool:
        return operation is not None and self.mark(external_key) in operation

    def key_in(self, operation: str | None) -> str | None:
        """The external key of a mark of this partition, or None where the text bears none."""
        if operation is None:
            return None
        _, found, rest = operation.rpartition(self.prefix)
        key, closed, _ = rest.rpartition("]")
        return key if found and closed and key else None
