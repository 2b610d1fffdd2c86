"""A site whose bridges observe organizations, and what an outsider sees of it: records, stories, VCD's Tasks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any

from confluent_kafka import Message

from bridge.kafka.messages import headers_of
from tests.support.bridge import Site, place_of
from tests.support.checker.evidence import Evidence, ObservationRecord, VcdTask
from tests.support.decoding import decoded
from tests.support.kafka import Tail
from tests.support.observation import make_observation_topics, observation_names, observe

EVERYTHING = "*"


@dataclass(slots=True)
class ObservationSite(Site):
    """One group of bridges with both inputs. ``lists_late_seconds``: how late VCD's lists show an end, at most, with
    the doubt about its clocks."""

    names: Mapping[str, str] = field(default_factory=observation_names)
    observed: dict[str, float] = field(default_factory=dict)
    """Organizations whose observation has begun, and by when it had."""
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

    def observe(self, *organizations: str) -> None:
        """Begin, and wait until each has begun."""
        self.documents[b'{"action": "start"}'] = {"action": "start"}
        observe(self, self.names, *organizations)
        self.observed |= dict.fromkeys(organizations, time.time())

    # --- what an outsider sees ------------------------------------------------------------------------------------

    def ends_left(self, tasks: Collection[str], seconds: float = 60.0) -> list[str]:
        """Wait until the end of each of these Tasks is told by its organization's observation and by that of
        everything, as far as there are such and they had begun by the end that VCD has written, and until every
        story that has begun is over; the Tasks of which it is not told in time. Ids as URNs."""
        names = {uuid: name for name, uuid in self.simulator.state()["organizations"].items()}
        left, begun = Counter[str](), dict[str, str]()
        for task_id, uuid, row in self._rows():
            if task_id in tasks:
                ended = _moment(row["endDate"]) or inf
                left[task_id] = sum(ended > self.observed.get(key, inf) for key in (EVERYTHING, names[uuid]))
        tail, deadline = Tail(self.bootstrap, self.names["observed_tasks"]), time.monotonic() + seconds
        try:
            while (+left or begun) and time.monotonic() < deadline:
                for message in tail.more(0.1):
                    task, event = (message.key() or b"").decode(), decoded(message.value(), headers_of(message))
                    begun[event["birth"]] = task
                    if event["final"]:
                        left[task] -= 1
                        del begun[event["birth"]]
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


def _task(organization: str, row: Mapping[str, Any]) -> VcdTask:
    return VcdTask(
        status=row["status"], organization=organization, began=_moment(row["startDate"]), ended=_moment(row["endDate"])
    )


def _moment(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text is not None else None
