"""The mark by which a bridge finds its own Task again: ``[<group>/<topic>-<partition>/<external key>]``.

It stands at the end of the Task's ``operation`` text, the one field of ours that the task query shows. VCD may write
more behind it (it appends the owner where no operationName was given), and people write what they like before it: so
the last mark of the text counts. What would make a mark ambiguous is written as ``%`` and two hexadecimal digits:
brackets, the percent sign itself, and a slash of the group's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge.core.coordinates import TopicPartition

_MARK = re.compile(r"\[([^\[\]/]+)/([^\[\]/]+-[0-9]+)/([^\[\]]+)\]")
"""Group, topic and partition, external key; topic names have neither brackets nor slashes."""
_IN_KEY = {ord(sign): f"%{ord(sign):02X}" for sign in "%[]"}
_IN_GROUP = {**_IN_KEY, ord("/"): "%2F"}


@dataclass(frozen=True, slots=True)
class Marker:
    """Writes and reads the marks of one input partition of one group."""

    group_id: str
    partition: TopicPartition

    def mark(self, external_key: str) -> str:
        return f"[{self._group}/{self._place}/{external_key.translate(_IN_KEY)}]"

    def marked(self, operation: str | None, external_key: str) -> str:
        """The operation text with the mark at its end, once."""
        mark = self.mark(external_key)
        text = operation or ""
        while mark in text:
            text = text.replace(mark, "")
        text = text.strip()
        return f"{text} {mark}" if text else mark

    def unmarked(self, operation: str | None, external_key: str) -> str | None:
        """The operation text as it was given."""
        text, mark, _ = (operation or "").rpartition(self.mark(external_key))
        return (text if mark else operation or "").strip() or None

    def bears(self, operation: str | None, external_key: str) -> bool:
        return self.key_in(operation) == external_key

    def key_in(self, operation: str | None) -> str | None:
        """The external key of the text's mark of this partition, or None where it bears none."""
        keys = [
            key for group, place, key in _MARK.findall(operation or "") if (group, place) == (self._group, self._place)
        ]
        return _plain(keys[-1]) if keys else None

    def is_of_group(self, operation: str | None) -> bool:
        """Whether the text bears the mark of any partition of the group."""
        return any(group == self._group for group, _, _ in _MARK.findall(operation or ""))

    @property
    def _group(self) -> str:
        return self.group_id.translate(_IN_GROUP)

    @property
    def _place(self) -> str:
        return f"{self.partition.topic}-{self.partition.partition}"


def _plain(text: str) -> str:
    for sign in "[]%":
        text = text.replace(f"%{ord(sign):02X}", sign)
    return text
