"""Answers of the simulator, and bodies that the bridge sent it, caught where every answer passes, in this process or in
one that a test starts.

Of those that look the same (call, status, media type, length) one is kept, so that a test under load costs nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bridge.simulator.calls.call import Call
from bridge.simulator.director import Director
from bridge.simulator.protocol.exchange import Answer
from bridge.vcd.config import USER_AGENT

MAXIMUM_OF_A_KIND = 40
"""How many lengths of the same call, status and media type are kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One answer and the call that got it; ``media_type`` with its parameters.

    ``sent``: the type or root element of a body that the bridge sent, which ``body`` is then; else empty.
    """

    operation: str
    method: str
    target: str
    status: int
    media_type: str
    body: bytes
    sent: str = ""

    def __str__(self) -> str:
        if self.sent:
            return f"{self.method} {self.target} ({self.operation}), sent by the bridge: {self.sent}"
        return f"{self.method} {self.target} ({self.operation}): {self.status} {self.media_type}"

    def line(self) -> str:
        return json.dumps({**asdict(self), "body": base64.b64encode(self.body).decode()}) + "\n"

    @classmethod
    def read(cls, line: str) -> Kept:
        document: dict[str, Any] = json.loads(line)
        return cls(**{**document, "body": base64.b64decode(document["body"])})


def watch(keep: Callable[[Kept], None]) -> None:
    """From now on each new kind of answer of this process's Directors goes to ``keep``, in the Director's thread.

    So does each new kind of body that the bridge sends.
    """
    original, seen = Director.finish, dict[tuple[str, int, str], set[int]]()

    def is_new(length: int, *key: Any) -> bool:
        lengths = seen.setdefault(key, set())
        if length in lengths or len(lengths) == MAXIMUM_OF_A_KIND:
            return False
        lengths.add(length)
        return True

    def finish(self: Director, call: Call, answer: Answer) -> Answer:
        finished = original(self, call, answer)
        name, request = call.target.name, call.request
        target = f"{request.path}?{request.query}" if request.query else request.path
        if (
            answer.content_type is not None
            and answer.body
            and is_new(len(answer.body), name, answer.status, answer.content_type)
        ):
            keep(Kept(name, request.method, target, answer.status, answer.content_type, answer.body))
        sent = _sent(call)
        if sent and is_new(len(request.body), name, 0, sent):
            keep(Kept(name, request.method, target, answer.status, "", request.body, sent))
        return finished

    Director.finish = finish  # type: ignore[method-assign]  # the one place where every answer passes


def _sent(call: Call) -> str:
    """What a body of the bridge's is; empty where it sent none of a known type."""
    operation, request = call.target.operation, call.request
    if operation is None or not request.body or request.header(b"user-agent") != USER_AGENT:
        return ""
    return operation.body_type or ""


def read_file(path: Path) -> Iterator[Kept]:
    """What a process kept; a line that its end cut off is left out."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield Kept.read(line)
