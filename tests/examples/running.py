"""The example programs as a person runs them."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.kafka import unique
from tests.support.processes import REPOSITORY

SECONDS = 60.0


@dataclass(slots=True)
class Example:
    """One running program; what it prints, line by line."""

    process: subprocess.Popen[str]
    log: Path
    lines: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_line(self, condition: Callable[[str], bool] = lambda line: True) -> str:
        """The next line that fulfils ``condition``."""
        while (line := self.lines.get(timeout=SECONDS)) is not None:
            if condition(line):
                return line
        raise AssertionError(f"it ended: {self.log.read_text()[-2000:]}")

    def wait_ended(self, code: int = 0) -> list[str]:
        """Its remaining lines, once it has ended with this exit code."""
        assert self.process.wait(SECONDS) == code, self.log.read_text()[-2000:]
        return list(iter(lambda: self.lines.get(timeout=SECONDS), None))

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()


@contextmanager
def examples(bootstrap: str, directory: Path, **environment: str) -> Iterator[Callable[..., Example]]:
    """A function that starts a program of ``examples/`` with arguments and standard input; all are ended."""
    group = unique("example")
    started: list[Example] = []

    def start(name: str, *arguments: str, tickets: list[Mapping[str, Any]] | None = None, **more: str) -> Example:
        # A killed member keeps its partitions until its session is over.
        session = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
        properties = {"bootstrap.servers": bootstrap, "group.id": f"{group}-{name}", **session}
        log = directory / f"example-{len(started)}.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-W", "error::ResourceWarning", str(REPOSITORY / "examples" / name), *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=os.environ | {"KAFKA": json.dumps(properties)} | environment | more,
            )  # fmt: skip
        assert process.stdin is not None
        with process.stdin:
            process.stdin.writelines(json.dumps(ticket) + "\n" for ticket in tickets or [])
        started.append(Example(process, log))
        return started[-1]

    try:
        yield start
    finally:
        for example in started:
            if example.process.poll() is None:
                example.kill()
