"""A site whose bridges show external tasks: one more input topic with a store of its own, and VCD as others see it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Message

from bridge.avro.external_document import external_key
from tests.support.bridge import Site, place_of
from tests.support.checker.evidence import Evidence, ExternalRecord, InputRecord
from tests.support.gathering import external_tasks_of
from tests.support.simulator import ACME_ORG, running_simulator

NAMESPACE = "com.example.tickets"


@dataclass(slots=True)
class ExternalSite(Site):
    """One group of bridges with both inputs. A setting of ``external_tasks`` that is None is left at its default."""

    def __post_init__(self) -> None:
        Site.__post_init__(self)
        self.make_input(self.external)
        topics = {"external_tasks": self.external, **self.settings.get("topics", {})}
        external = {
            "service_namespace": NAMESPACE,
            "cancel_check_seconds": 0.5,
            **self.settings.get("external_tasks", {}),
        }
        external = {name: value for name, value in external.items() if value is not None}
        self.settings = {**self.settings, "topics": topics, "external_tasks": external}

    @property
    def external(self) -> str:
        return f"{self.group}.external"

    @property
    def further_inputs(self) -> tuple[str, ...]:
        return (self.external,)

    def command(self, command: str, key: str | None, /, **fields: Any) -> InputRecord:
        """Send one command and wait for its acknowledgement."""
        document = {"command": command, **({"organization": "acme"} if command == "create" else {}), **fields}
        return self.command_bytes(json.dumps(document).encode(), key, document)

    def command_bytes(
        self, value: bytes | None, key: str | bytes | None, document: Mapping[str, Any] | None = None
    ) -> InputRecord:
        sent: list[InputRecord] = []

        def acknowledged(error: Any, message: Any) -> None:
            assert error is None, error
            sent.append(self._record(message))

        if document is not None and value is not None:
            self.documents[value] = document
        self.producer.produce(self.external, value, key, on_delivery=acknowledged)
        assert self.producer.flush(20) == 0
        return sent[0]

    # --- what an outsider sees ------------------------------------------------------------------------------------

    def _record(self, message: Message) -> ExternalRecord:
        key, value = external_key(message.key()), message.value() or b""
        return ExternalRecord(*place_of(message), self.documents.get(value), key if isinstance(key, str) else None)

    def evidence(self, *, allow_open: bool = False) -> Evidence:
        evidence = Site.evidence(self, allow_open=allow_open)
        evidence.group = self.group
        evidence.external_tasks = external_tasks_of(self.simulator)
        return evidence

    def told(self, key: str) -> list[dict[str, Any]]:
        """The events of an external key, in their order."""
        return [event for event in self.read_events() if event["external_key"] == key]

    def wait_told(
        self, condition: Callable[[list[dict[str, Any]]], bool], seconds: float = 60.0
    ) -> list[dict[str, Any]]:
        return self.wait_events(condition, seconds)

    def wait_outcomes(self, *keys: str, seconds: float = 60.0) -> dict[str, str]:
        """Until the task of each key has ended. Returns how."""

        def outcomes(events: list[dict[str, Any]]) -> dict[str, str]:
            return {e["external_key"]: e["outcome"] for e in events if e["final"] and e["external_key"] is not None}

        events = self.wait_events(lambda told: set(keys) <= set(outcomes(told)), seconds)
        return outcomes(events)

    def shown(self, key: str) -> list[dict[str, Any]]:
        """The Tasks that bear the mark of a key, as the organization's list shows them."""
        found = self.simulator.log_in("administrator@System").get(f"/api/tasksList/{ACME_ORG}").json()
        return [task for task in found["task"] if f"/{key}]" in (task["operation"] or "")]

    def wait_shown(self, key: str, seconds: float = 60.0, **fields: Any) -> None:
        """Until VCD shows these fields of a key's Task."""
        deadline = time.monotonic() + seconds
        while not any(self.shows(key, **fields)):
            assert time.monotonic() < deadline, f"{key}: {fields} is not shown; {self.told(key)}\n{self._logs()}"
            time.sleep(0.02)  # the simulator is polled: there is nothing to be woken by

    def shows(self, key: str, **fields: Any) -> list[bool]:
        """Of each Task of a key, whether VCD has it with these fields now."""
        found = [one["task"] for one in self.simulator.external_tasks(NAMESPACE, f"/{key}]")]
        return [all(task[name] == value for name, value in fields.items()) for task in found]

    def person_cancels(self, task_id: str, user: str = "admin@acme") -> None:
        """Somebody presses cancel in Cloud Director."""
        uuid = task_id.rpartition(":")[2]
        assert self.simulator.log_in(user).post(f"/api/task/{uuid}/action/cancel").status == 204


@contextlib.contextmanager
def running_external_site(
    bootstrap: str,
    directory: Path,
    *,
    partitions: int = 3,
    simulator: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Iterator[ExternalSite]:
    """Topics and a simulator; bridges are started by the test. Everything is stopped at the end."""
    options: dict[str, Any] = {"lenient_entities": True, "task_seconds": 0.6, **(simulator or {})}
    options["settings"] = {"keep_bodies": True, **options.get("settings", {})}
    with running_simulator(**options) as running:
        site = ExternalSite(bootstrap, running, directory, partitions, 1, dict(settings))
        try:
            yield site
        finally:
            site.close()
