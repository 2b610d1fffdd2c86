"""A place of its own on the real Kafka for each test of the command line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from bridge.cli.entry import main
from tests.support.kafka import KafkaNode, unique


@dataclass(slots=True)
class Shell:
    """Runs verbs in this process, with settings of their own."""

    capture: pytest.CaptureFixture[str]
    environment: pytest.MonkeyPatch
    err: str = ""

    def set(self, **settings: object) -> None:
        """``kafka__group_id="x"`` becomes ``VCD_BRIDGE__KAFKA__GROUP_ID``."""
        for name, value in settings.items():
            self.environment.setenv(f"VCD_BRIDGE__{name.upper()}", str(value))

    def run(self, *arguments: str, code: int = 0) -> str:
        """Standard output of a verb that must end with ``code``."""
        self.capture.readouterr()
        ended = main(arguments)
        out, self.err = self.capture.readouterr()
        assert ended == code, f"exit code {ended}: {out}{self.err}"
        return out

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code))

    def lines(self, *arguments: str, code: int = 0) -> list[Any]:
        return [json.loads(line) for line in self.run(*arguments, "--json", code=code).splitlines()]

    def error(self, *arguments: str, code: int) -> dict[str, str]:
        assert self.run(*arguments, "--json", code=code) == ""
        document: dict[str, str] = json.loads(self.err.splitlines()[-1])["error"]
        return document


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Shell(capsys, monkeypatch)
    # A verb may have set up logs on this test's standard error.
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def kafka_shell(shell: Shell, kafka: KafkaNode) -> Shell:
    """With unique group and topics on the real Kafka; the topics are not there yet."""
    group = unique("cli")
    shell.set(
        kafka__bootstrap_servers=kafka.bootstrap, kafka__group_id=group, topics__action_requests=f"{group}.requests",
        topics__task_events=f"{group}.events", topics__dead_letters=f"{group}.dead", topics__partitions=2,
        topics__replication_factor=1,
    )  # fmt: skip
    return shell
