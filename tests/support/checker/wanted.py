"""What commands want an external Task to show, worked out from the records alone, one document after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from tests.support.checker.controls import is_refused, repeats_a_command
from tests.support.checker.evidence import ExternalRecord
from tests.support.checker.joined import Joined, code

_OVER = {"ended_in_vcd", "owner_silent"}
_TEXTS = ("operationName", "details", "description", "progress")
_COPIED, _IN_ROUND_BRACKETS = re.compile(r"\[([^][/]+/[^][/]+-[0-9]+/[^][]+)\]"), r"(\1)"
"""A mark that stands in a given text, of another Task: the bridge leaves it readable, and no mark."""
_DEFAULT_STATUS = {"create": "running", "finish": "success"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document by what people see of it. ``texts`` holds those that were given."""

    status: str
    operation: str
    """With the mark at its end."""
    texts: Mapping[str, Any]

    def is_in(self, document: Mapping[str, Any]) -> bool:
        """Whether a document as it was sent is this one."""
        texts = {name: document[name] for name in _TEXTS if document.get(name) is not None}
        return (document.get("status"), document.get("operation"), texts) == (self.status, self.operation, self.texts)

    def unlike(self, shown: Mapping[str, Any]) -> list[str]:
        """Fields that VCD shows otherwise. It may write more behind the operation, and names what has no name."""
        wrong = [name for name, value in self.texts.items() if shown.get(name) != value]
        if shown.get("status") != self.status:
            wrong.append("status")
        if not str(shown.get("operation")).startswith(self.operation):
            wrong.append("operation")
        return wrong


def history(joined: Joined, birth: str) -> list[Wanted] | None:
    """Every document that was wanted of a create's Task, in order. None: VCD refused a change, and the bridge went on
    from what VCD showed; or a command may never have been read."""
    record = joined.records.get(birth)
    if not isinstance(record, ExternalRecord) or record.key is None:
        return None
    commands = joined.commands[(record.place, record.key)]
    if any(joined.was_never_read(one) or joined.lies_behind_a_lost_store(one) for one in commands):
        return None
    mark = joined.mark(record.place, record.key)
    wanted = [_changed(Wanted("running", mark, {}), record, mark)]
    for command in _taken(joined, record):
        if is_refused(joined, command.birth):
            return None
        wanted.append(_changed(wanted[-1], command, mark))
    return wanted


def _taken(joined: Joined, create: ExternalRecord) -> Iterator[ExternalRecord]:
    """The updates and the finish that the task of a create has heard of: those that waited for it, then the others."""
    commands = joined.commands[(create.place, create.key or "")]
    opened = [one.offset for one in commands if one.opens and joined.opened(one.birth)]
    first = max((offset for offset in opened if offset < create.offset), default=-1)
    last = min((offset for offset in opened if offset > create.offset), default=inf)
    for command in commands:
        waited = command.offset < create.offset and joined.waited(command)
        if command.opens or not first < command.offset < last or (command.offset < create.offset and not waited):
            continue
        if repeats_a_command(joined, command):
            continue
        if not is_refused(joined, command.birth) or _refused_by_vcd(joined, command):
            yield command


def _refused_by_vcd(joined: Joined, command: ExternalRecord) -> bool:
    """It was taken, and VCD did not take it, or the Task was over before anybody knew whether it did."""
    final = joined.final(command.birth)
    return final is not None and (final.get("http_status") is not None or code(final) in _OVER)


def _changed(before: Wanted, command: ExternalRecord, mark: str) -> Wanted:
    document = command.document or {}
    status = document.get("status") or _DEFAULT_STATUS.get(command.kind, before.status)
    given = {name: document[name] for name in _TEXTS if document.get(name) is not None}
    operation = document.get("operation")
    marked = before.operation if operation is None else f"{_COPIED.sub(_IN_ROUND_BRACKETS, operation)} {mark}"
    return replace(before, status=str(status), operation=marked, texts={**before.texts, **given})
