"""The mark by which a bridge finds its own Task again: ``[<group>/<topic>-<partition>/<external key>]``.

It stands at the end of the Task's ``operation`` text, the one field of ours that the task query shows. VCD may write
more behind it (it appends the owner where no operationName was given), and people write what they like before it, also
the text of another Task with its mark. So a text that is given loses its marks, whosever they are: they stay readable,
in round brackets. And of a text that is read the last mark counts, whosever it is. What would make a mark ambiguous is
written as ``%`` and two hexadecimal digits: brackets, the percent sign itself, and a slash of the group's name.
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
        """The operation text with the mark at its end, the only one in it."""
        mark = self.mark(external_key)
        text = operation or ""
        while mark in text:
            text = text.replace(mark, "")
        text = _without_marks(text).strip()
        return f"{text} {mark}" if text else mark

    def unmarked(self, operation: str | None, external_key: str) -> str | None:
        """The operation text before the mark."""
        text, mark, _ = (operation or "").rpartition(self.mark(external_key))
        return (text if mark else operation or "").strip() or None

    def bears(self, operation: str | None, external_key: str) -> bool:
        return self.key_in(operation) == external_key

    def key_in(self, operation: str | None) -> str | None:
        """The external key of the text's mark, or None where it is not one of this partition, or there is none."""
        group, place, key = _last_mark(operation)
        return _plain(key) if (group, place) == (self._group, self._place) else None

    def place_in(self, operation: str | None) -> str | None:
        """``<topic>-<partition>`` of the text's mark, or None where it is not one of the group, or there is none."""
        group, place, _ = _last_mark(operation)
        return place if group == self._group else None

    def is_of_group(self, operation: str | None) -> bool:
        """Whether the text's mark is one of any partition of the group."""
        return self.place_in(operation) is not None

    @property
    def _group(self) -> str:
        return self.group_id.translate(_IN_GROUP)

    @property
    def _place(self) -> str:
        return f"{self.partition.topic}-{self.partition.partition}"


def _last_mark(operation: str | None) -> tuple[str, str, str]:
    """Group, place and key as they are written in the mark that counts; empty texts where there is none."""
    marks: list[tuple[str, str, str]] = _MARK.findall(operation or "")
    return marks[-1] if marks else ("", "", "")


def _without_marks(text: str) -> str:
    """A text in which nothing has the shape of a mark; brackets around a mark may make one of what is left."""
    found = 1
    while found:
        text, found = _MARK.subn(r"(\1/\2/\3)", text)
    return text


def _plain(text: str) -> str:
    for sign in "[]%":
        text = text.replace(f"%{ord(sign):02X}", sign)
    return text
