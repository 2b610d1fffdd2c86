"""A site whose bridges observe organizations, and what an outsider sees of it: records, stories, VCD's Tasks."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

from confluent_kafka import Message

from bridge.kafka.messages import headers_of
from tests.support.bridge import Site, place_of
from tests.support.checker.evidence import Blocked, Evidence, ObservationRecord, VcdTask
from tests.support.decoding import event_of
from tests.support.kafka import Tail
from tests.support.observation import make_observation_topics, observation_names
from tests.support.simulator import running_simulator

EVERYTHING = "*"


@dataclass(slots=True)
class ObservationSite(Site):
    """One group of bridges with both inputs. ``lists_late_seconds``: how late VCD's lists show an end, at most, with
    the doubt about its clocks."""

    names: Mapping[str, str] = field(default_factory=observation_names)
    observed: dict[str, float] = field(default_factory=dict)
    """Organizations whose observation has begun, and by when it had."""
    blocked: dict[str, Blocked] = field(default_factory=dict)
    """By URN: what whoever works on this site knows of blocking tasks."""
    lists_late_seconds: float = 1.0

    def __post_init__(self) -> None:
        Site.__post_init__(self)
        make_observation_topics(self, self.names)
        topics = {**self.names, **self.settings.get("topics", {})}
        observation = {"enabled": True, **self.settings.get("observation", {})}
        self.settings = {**self.settings, "topics": topics, "observation": observation}

    @property
    def observations(self) -> str:
        return self.names["observations"]

    @property
    def further_inputs(self) -> tuple[str, ...]:
        return (self.observations,)

    @property
    def event_topics(self) -> tuple[str, ...]:
        return self.events, self.names["observed_tasks"], self.names["blocking_tasks"]

    def observe(self, *organizations: str, blocking_tasks: bool = False) -> None:
        """Begin, and wait until each has begun."""
        document = {"action": "start", **({"blocking_tasks": True} if blocking_tasks else {})}
        self.wait_answered(*[self.order(organization, document) for organization in organizations])
        self.observed |= dict.fromkeys(organizations, time.time())

    def order(self, organization: str, document: Mapping[str, Any] | None) -> ObservationRecord:
        """Send one record about an observation, None for a tombstone, and wait for its acknowledgement."""
        value, sent = None if document is None else json.dumps(document).encode(), list[ObservationRecord]()
        if value is not None and document is not None:
            self.documents[value] = document

        def acknowledged(error: Any, message: Message) -> None:
            assert error is None, error
            place = message.topic() or "", message.partition() or 0, message.offset() or 0
            sent.append(ObservationRecord(*place, document, organization, is_tombstone=document is None))

        self.producer.produce(self.observations, value, organization, on_delivery=acknowledged)
        assert self.producer.flush(30) == 0, "the record was not acknowledged"
        with self.sending:
            self.inputs = [*self.inputs, *sent]
        return sent[0]

    def wait_answered(self, *records: ObservationRecord) -> None:
        """Until something is told of the observation that each has begun."""
        births = {record.birth for record in records}
        self.wait_events(lambda told: births <= {event["birth"] for event in told})

    # --- what an outsider sees ------------------------------------------------------------------------------------

    def ends_left(self, tasks: Collection[str], seconds: float = 60.0) -> list[str]:
        """Wait until the end of each of these Tasks is told by its organization's observation and by that of
        everything, as far as there are such and they had begun by the end that VCD has written, and until every
        story that goes on is over; the Tasks of which it is not told in time. Ids as URNs."""
        left, since = Counter[str](), self._observed_since()
        for task_id, uuid, row in self._rows():
            if task_id in tasks:
                ended = _moment(row["endDate"]) or inf
                left[task_id] = sum(ended > begun for begun in since[uuid])
        return self._left(self.names["observed_tasks"], left, seconds)

    def decisions_left(self, blocking_tasks: Collection[str], seconds: float = 60.0) -> list[str]:
        """The same of these blocking tasks, which are decided and known to the site."""
        since = self._observed_since()
        left = Counter({urn: len(since[self.blocked[urn].organization]) for urn in blocking_tasks})
        return self._left(self.names["blocking_tasks"], left, seconds)

    def _observed_since(self) -> dict[str, list[float]]:
        """By organization (uuid): by when the observations had begun that concern it now."""
        return {
            uuid: [self.observed[key] for key in (EVERYTHING, name) if key in self.observed]
            for name, uuid in self.simulator.state()["organizations"].items()
        }

    def _left(self, topic: str, left: Counter[str], seconds: float) -> list[str]:
        """Keys on a topic of which so many ends are not told in time, or of which a story goes on."""
        begun: dict[str, str] = {}
        tail, deadline = Tail(self.bootstrap, topic), time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                for message in tail.more(0.1):
                    key, event = (message.key() or b"").decode(), event_of(message.value(), headers_of(message))
                    begun[event["birth"]] = key
                    if event["final"]:
                        left[key] -= 1
                        del begun[event["birth"]]
                if +left:
                    continue
                # What a stopped observation had begun to tell is never over.
                stored = self.store() if begun else {}
                begun = {birth: key for birth, key in begun.items() if stored.get(birth) == "following"}
                if not begun:
                    break
        finally:
            tail.close()
        return sorted({*+left, *begun.values()})

    def tasks(self) -> set[str]:
        """URNs of all that VCD shows."""
        return {task_id for task_id, _, _ in self._rows()}

    def _record(self, message: Message) -> ObservationRecord:
        key, value = (message.key() or b"").decode(), message.value()
        return ObservationRecord(*place_of(message), self.documents.get(value or b""), key, is_tombstone=value is None)

    def evidence(self, *, allow_open: bool = False) -> Evidence:
        evidence = Site.evidence(self, allow_open=allow_open)
        evidence.judged_at = time.time()
        evidence.tasks = {**evidence.tasks, **{task_id: _task(uuid, row) for task_id, uuid, row in self._rows()}}
        evidence.blocked = self.blocked
        evidence.lists_late_seconds = self.lists_late_seconds
        return evidence

    def _rows(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Of all Tasks: URN, the organization's uuid, the row."""
        client, page, found, total = self.simulator.log_in("administrator@System"), 1, 0, 1
        while found < total:
            query = f"/api/query?type=adminTask&format=idrecords&sortAsc=startDate&pageSize=128&page={page}"
            answer = client.get(query).json()
            total, page, found = int(answer["total"]), page + 1, found + len(answer["record"])
            for row in answer["record"]:
                yield row["id"], str(row["org"]).rpartition(":")[2], row


@contextmanager
def running_observation_site(
    bootstrap: str,
    directory: Path,
    *,
    partitions: int = 3,
    simulator: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Iterator[ObservationSite]:
    """Topics and a simulator; bridges are started by the test. Everything is stopped at the end."""
    with running_simulator(**{"lenient_entities": True, "task_seconds": 0.6, **(simulator or {})}) as running:
        site = ObservationSite(bootstrap, running, directory, partitions, settings=settings)
        try:
            yield site
        finally:
            site.close()


def _task(organization: str, row: Mapping[str, Any]) -> VcdTask:
    return VcdTask(
        status=row["status"], organization=organization, began=_moment(row["startDate"]), ended=_moment(row["endDate"])
    )


def _moment(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text is not None else None
