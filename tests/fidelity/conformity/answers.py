"""Answers of the simulator, caught where every answer passes, in this process or in one that a test starts.

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

MAXIMUM_OF_A_KIND = 40
"""How many lengths of the same call, status and media type are kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One answer and the call that got it; ``media_type`` with its parameters."""

    operation: str
    method: str
    target: str
    status: int
    media_type: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.target} ({self.operation}): {self.status} {self.media_type}"

    def line(self) -> str:
        return json.dumps({**asdict(self), "body": base64.b64encode(self.body).decode()}) + "\n"

    @classmethod
    def read(cls, line: str) -> Kept:
        document: dict[str, Any] = json.loads(line)
        return cls(**{**document, "body": base64.b64decode(document["body"])})


def watch(keep: Callable[[Kept], None]) -> None:
    """From now on each new kind of answer of this process's Directors goes to ``keep``, in the Director's thread."""
    original, seen = Director.finish, dict[tuple[str, int, str | None], set[int]]()

    def finish(self: Director, call: Call, answer: Answer) -> Answer:
        finished = original(self, call, answer)
        if answer.content_type is not None and answer.body:
            lengths = seen.setdefault((call.target.name, answer.status, answer.content_type), set())
            if len(answer.body) not in lengths and len(lengths) < MAXIMUM_OF_A_KIND:
                lengths.add(len(answer.body))
                request = call.request
                target = f"{request.path}?{request.query}" if request.query else request.path
                keep(Kept(call.target.name, request.method, target, answer.status, answer.content_type, answer.body))
        return finished

    Director.finish = finish  # type: ignore[method-assign]  # the one place where every answer passes


def read_file(path: Path) -> Iterator[Kept]:
    """What a process kept; a line that its end cut off is left out."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield Kept.read(line)
