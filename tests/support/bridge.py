"""Bridge processes as an operator runs them, on a real Kafka and the simulator, and what an outsider sees of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Message, Producer

from bridge.catalogue.load import load
from bridge.kafka.messages import headers_of
from bridge.settings import Settings
from bridge.settings import load as load_settings
from tests.support.checker import violations
from tests.support.checker.evidence import (
    EndedRecord,
    Evidence,
    InputRecord,
    Raw,
    StateWrite,
    Write,
    operation_facts,
)
from tests.support.decoding import event_of
from tests.support.gathering import changelog_of, dead_letters_of, endings_of, ledger_of, offsets_of, raw_of, tasks_of
from tests.support.kafka import Tail, create_topics, read, unique
from tests.support.processes import REPOSITORY, Running, start
from tests.support.simulator import Simulator, running_simulator
from tests.support.words import words_of

START_SECONDS = 60.0
USER = "administrator"
"""The bridges' own user in VCD."""
KILLED = -signal.SIGKILL


@dataclass(slots=True)
class BridgeProcess:
    """One ``vcd-bridge run``."""

    process: Running
    log: Path
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Its own, by section, on top of its site's."""
    ready: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                if line.strip() == "ready":
                    self.ready.set()

    def wait_ready(self) -> BridgeProcess:
        """Until it has joined its group and restored. Fails with its log."""
        deadline = time.monotonic() + START_SECONDS
        while not self.ready.wait(0.05):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the bridge did not become ready: {self.told()}")
        return self

    def wait_dead(self, seconds: float = 60.0) -> int:
        """Until it has ended; its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the bridge did not end: {self.told()}") from None

    def wait_stopped(self, seconds: float = 60.0) -> None:
        """Until it stands still at a crash point (SIGSTOP)."""
        deadline = time.monotonic() + seconds
        while psutil.Process(self.process.pid).status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline, f"the bridge did not get there: {self.told()}"
            time.sleep(0.01)  # a process's state is polled: there is nothing to be woken by

    def wait_logged(self, *events: str, seconds: float = 60.0) -> None:
        """Until its log holds one of these events."""
        deadline = time.monotonic() + seconds
        while not any(f'"event": "{event}"' in self.log.read_text() for event in events):
            assert time.monotonic() < deadline, f"the bridge logs none of {events}: {self.told()}"
            time.sleep(0.02)  # a file is polled: there is nothing to be woken by

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM: drain and leave. Returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_dead()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def told(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-4000:]


@dataclass(slots=True)
class Site:
    """One group of bridges with topics of their own, on a shared Kafka, with a simulator of their own.

    A subclass whose bridges read more than requests names the ``further_inputs``, and says by ``_record`` what their
    records are.
    """

    bootstrap: str
    simulator: Simulator
    directory: Path
    partitions: int = 3
    replication: int = 1
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    group: str = field(default_factory=lambda: unique("bridge"))
    inputs: list[InputRecord] = field(default_factory=list)
    processes: list[BridgeProcess] = field(default_factory=list)
    producer: Producer = field(init=False)
    sending: threading.Lock = field(default_factory=threading.Lock)
    """Several threads may send, and start processes."""
    documents: dict[bytes, Mapping[str, Any]] = field(default_factory=dict)
    """What was sent, by its bytes."""
    source: str | None = None
    """The input, made by somebody else; None: one of its own."""
    sources: Path = REPOSITORY
    """Holds the package of the bridges that are started, which may be another version's."""
    _started: int = 0

    def __post_init__(self) -> None:
        self.producer = Producer(
            {
                "bootstrap.servers": self.bootstrap, "linger.ms": 0, "partitioner": "murmur2_random",
                "reconnect.backoff.max.ms": 1000,
            }
        )  # fmt: skip
        store = dict.fromkeys((self.changelog, self.ended), self.partitions)
        shown = dict.fromkeys((self.events, self.dead_letters), self.partitions)
        if self.source is None:
            shown[self.requests] = self.partitions
        configs = {topic: {"cleanup.policy": "compact"} for topic in (self.changelog, self.control)}
        topics = {**store, **shown, self.control: 1}
        create_topics(self.bootstrap, topics, replication=self.replication, configs=configs)

    @property
    def requests(self) -> str:
        return self.source or f"{self.group}.requests"

    @property
    def input_topics(self) -> tuple[str, ...]:
        """All that the bridges read."""
        return self.requests, *self.further_inputs

    @property
    def further_inputs(self) -> tuple[str, ...]:
        """Those besides that of the requests."""
        return ()

    @property
    def events(self) -> str:
        return f"{self.group}.events"

    @property
    def event_topics(self) -> tuple[str, ...]:
        """All that they tell stories on."""
        return (self.events,)

    @property
    def dead_letters(self) -> str:
        return f"{self.group}.dead"

    @property
    def changelog(self) -> str:
        return self.store_of(self.requests)[0]

    @property
    def control(self) -> str:
        return f"{self.group}.control"

    @property
    def ended(self) -> str:
        return self.store_of(self.requests)[1]

    def store_of(self, source: str) -> tuple[str, str]:
        """Changelog and ended topic of an input."""
        return f"{self.group}.{source}.changelog", f"{self.group}.{source}.ended"

    def make_input(self, source: str, *outputs: str, is_compacted: bool = False) -> None:
        """One more input with its store, and more outputs."""
        changelog, ended = self.store_of(source)
        compacted = (changelog, source) if is_compacted else (changelog,)
        create_topics(
            self.bootstrap, dict.fromkeys((source, changelog, ended, *outputs), self.partitions),
            replication=self.replication, configs={topic: {"cleanup.policy": "compact"} for topic in compacted},
        )  # fmt: skip

    # --- processes ------------------------------------------------------------------------------------------------

    def start(self, *, crash_at: str | None = None, **settings: Mapping[str, Any]) -> BridgeProcess:
        """Start one more bridge; ``settings`` by section override the site's, None takes one away."""
        with self.sending:
            self._started += 1
            log = self.directory / f"bridge-{self._started}.log"
        environment = {**os.environ, **self._environment(settings)}
        if crash_at is not None:
            environment |= {"VCD_BRIDGE_TESTING": "1", "VCD_BRIDGE_CRASH_AT": crash_at}
        with log.open("w") as out:
            process = start(["bridge", "run"], environment=environment, stderr=out, sources=self.sources)
        started = BridgeProcess(process, log, settings)
        self.processes.append(started)
        return started

    def effective(self, **settings: Mapping[str, Any]) -> Settings:
        """What a bridge started with these would be run with."""
        return load_settings(None, self._environment(settings)).settings

    def close(self) -> None:
        for bridge in self.processes:
            if bridge.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    bridge.resume()
                bridge.kill()

    def _environment(self, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        return {
            f"VCD_BRIDGE__{section.upper()}__{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for section, values in self._sections(settings).items()
            for name, value in values.items()
            if value is not None
        }

    def _sections(self, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """The settings of a process by section."""
        every: dict[str, dict[str, Any]] = {
            "kafka": {"bootstrap_servers": self.bootstrap, "group_id": self.group, "session_timeout_seconds": 4},
            "topics": {
                "action_requests": self.requests, "task_events": self.events, "dead_letters": self.dead_letters,
            },
            "vcd": {
                "url": self.simulator.url, "username": USER, "password": "secret",
                "answer_timeout_seconds": 3, "lease_seconds": 2, "connect_timeout_seconds": 1,
            },
            "following": {"interval_seconds": 0.2},
            "policy": {"allow_destructive": True},
            "management": {"listen": "127.0.0.1:0"},
            "log": {"level": "info"},
        }  # fmt: skip
        for source in (self.settings, settings):
            for section, values in source.items():
                every.setdefault(section, {}).update(values)
        return every

    # --- records --------------------------------------------------------------------------------------------------

    def send(
        self,
        *documents: Mapping[str, Any] | bytes | None,
        key: str | bytes | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        encode: Callable[[Mapping[str, Any]], bytes] = lambda document: json.dumps(document).encode(),
    ) -> list[InputRecord]:
        """Produce records and wait for their acknowledgement. ``key`` None: the entity's or the request's."""
        sent: list[InputRecord] = []

        def acknowledged(document: Mapping[str, Any] | None) -> Callable[[Any, Any], None]:
            def report(error: Any, message: Any) -> None:
                assert error is None, error
                sent.append(InputRecord(message.topic(), message.partition(), message.offset(), document))

            return report

        for document in documents:
            parsed = document if isinstance(document, Mapping) else None
            value = document if isinstance(document, bytes | None) else encode(document)
            if parsed is not None and value is not None:
                self.documents[value] = parsed
            whose = key if key is not None else _key(parsed)
            self.producer.produce(self.requests, value, whose, headers=list(headers), on_delivery=acknowledged(parsed))
        assert self.producer.flush(60) == 0, "records were not acknowledged"
        sent.sort(key=_place)
        with self.sending:
            self.inputs = sorted([*self.inputs, *sent], key=_place)
        return sent

    # --- what an outsider sees ------------------------------------------------------------------------------------

    def read_inputs(self) -> list[InputRecord]:
        """The records that the topics hold, also what a producer sent twice without knowing."""
        further = (one for topic in self.further_inputs for one in read(self.bootstrap, topic))
        return [*map(self._request, read(self.bootstrap, self.requests)), *map(self._record, further)]

    def _request(self, message: Message) -> InputRecord:
        return InputRecord(*place_of(message), self.documents.get(message.value() or b""))

    def _record(self, message: Message) -> InputRecord:
        """One of ``further_inputs``."""
        return self._request(message)

    def read_events(self) -> list[dict[str, Any]]:
        messages = (one for topic in self.event_topics for one in read(self.bootstrap, topic))
        return [event_of(one.value(), headers_of(one)) for one in messages]

    def story(self, request_id: str) -> list[dict[str, Any]]:
        return [event for event in self.read_events() if event["request_id"] == request_id]

    def wait_ended(self, request_ids: Sequence[str], seconds: float = 60.0) -> list[dict[str, Any]]:
        """Until the first request of each of these ids has ended or is parked. Returns all events.

        A record may have been written twice, as where a leader moves: acknowledged is the second, a repeat.
        """
        first: dict[str, InputRecord] = {}
        for record in sorted([*self.read_inputs(), *self.inputs], key=_place):
            if record.request_id is not None:
                first.setdefault(record.request_id, record)
        return self.wait_over(*(first[request_id] for request_id in request_ids), seconds=seconds)

    def wait_over(self, *records: InputRecord, seconds: float = 60.0) -> list[dict[str, Any]]:
        """Until the story of each of these records has ended or is parked. Returns all events."""
        wanted = {record.birth for record in records}

        def told(events: list[dict[str, Any]]) -> bool:
            return wanted <= {event["birth"] for event in events if event["final"] or event["change"] == "parked"}

        return self.wait_events(told, seconds)

    def wait_taken(self, seconds: float = 60.0) -> None:
        """Until the group has passed every record that was sent, also those that no story is told of."""
        ends: dict[tuple[str, int], int] = {}
        for record in self.inputs:
            ends[record.place] = max(ends.get(record.place, 0), record.offset + 1)
        deadline = time.monotonic() + seconds
        while True:
            passed = self.passed()
            left = {place: end for place, end in ends.items() if passed.get(place, 0) < end}
            if not left:
                return
            assert time.monotonic() < deadline, f"not taken in {seconds} s: {left} of {passed}\n{self._logs()}"
            time.sleep(0.1)  # offsets are polled: there is nothing to be woken by

    def passed(self) -> dict[tuple[str, int], int]:
        """The group's committed offsets, of every input."""
        found: dict[tuple[str, int], int] = {}
        for topic in self.input_topics:
            found |= offsets_of(self.bootstrap, self.group, topic, self.partitions)
        return found

    def wait_events(
        self, condition: Callable[[list[dict[str, Any]]], bool], seconds: float = 60.0
    ) -> list[dict[str, Any]]:
        """Until the events told so far fulfil ``condition``. Returns them, by partition and offset."""
        deadline = time.monotonic() + seconds
        tail = Tail(self.bootstrap, self.events)
        events: list[tuple[tuple[int, int], dict[str, Any]]] = []
        try:
            while True:
                for one in tail.more(0.1):
                    place = (one.partition() or 0, one.offset() or 0)
                    events.append((place, event_of(one.value(), headers_of(one))))
                events.sort(key=lambda entry: entry[0])
                told = [event for _, event in events]
                if condition(told):
                    return told
                if time.monotonic() > deadline:
                    shown = [(e["request_id"], e["sequence"], e["change"], e["outcome"], e["reason"]) for e in told]
                    raise AssertionError(f"not told in {seconds} s; events: {shown[-30:]}\n{self._logs()}")
        finally:
            tail.close()

    def evidence(self, *, allow_open: bool = False) -> Evidence:
        """Not known of real parts: what was of one transaction, the statuses that a Task had on its way, and what
        somebody else did to offsets and stores, so that nobody can judge who stopped at it without cause."""
        ledger, writes = ledger_of(self.simulator, USER), self.read_changelog()
        settings, letters = self._sections({}), dead_letters_of(self.bootstrap, self.dead_letters)
        lease_seconds = settings["vcd"]["lease_seconds"]
        said = words_of([bridge.log for bridge in self.processes], writes, lease_seconds)
        return Evidence(
            inputs=self.read_inputs(),
            ledger=[replace(call, process=said.callers.get(call.call_id)) for call in ledger],
            events=self.read_events(),
            dead_letters=letters,
            received=self._received({letter.birth for letter in letters}),
            writes=writes,
            ended=self.read_ended(),
            offsets=self.passed(),
            operations=operation_facts(load()),
            tasks=tasks_of(self.simulator, ledger),
            ticket_updates=self.read_ticket_updates(),
            allow_open=allow_open,
            absences=said.absences,
            freezes=said.freezes,
            tenures=said.tenures,
            lease_seconds=lease_seconds,
            repeat_within_seconds=self.effective().retry.repeat_within_seconds,
            parked_lane_release_seconds=settings.get("intake", {}).get("parked_lane_release_seconds", 3600.0),
            max_open=settings.get("intake", {}).get("max_open_per_partition"),
            max_waiting_bytes=settings.get("intake", {}).get("max_waiting_bytes_per_partition"),
        )

    def _received(self, births: Collection[str]) -> dict[str, Raw]:
        """Records of the inputs as they lie there."""
        topics = self.input_topics if births else ()
        found = (("/".join(map(str, place_of(one))), one) for topic in topics for one in read(self.bootstrap, topic))
        return {birth: raw_of(one) for birth, one in found if birth in births}

    def read_ticket_updates(self) -> list[str] | None:
        """Event ids; None where they are off."""
        topic = self._sections({})["topics"].get("ticket_updates")
        return [json.loads(one.value() or b"")["event_id"] for one in read(self.bootstrap, topic)] if topic else None

    def read_ended(self) -> list[EndedRecord]:
        """What the store remembers of what has ended."""
        return [one for topic in self.input_topics for one in endings_of(self.bootstrap, self.store_of(topic)[1])]

    def read_changelog(self) -> list[Write]:
        """The changelogs' whole history."""
        return [
            write
            for topic in self.input_topics
            for write in changelog_of(self.bootstrap, self.store_of(topic)[0], topic)
        ]

    def store(self) -> dict[str, str]:
        """Open lifecycles in the store, with their phases."""
        latest = {write.birth: write.phase for write in self.read_changelog() if isinstance(write, StateWrite)}
        return {birth: phase for birth, phase in latest.items() if phase is not None}

    def check(self, *, allow_open: bool = False, max_open: int | None = None) -> None:
        """The checker is content. ``max_open``: the largest cap that a process was started with."""
        evidence = self.evidence(allow_open=allow_open)
        if max_open is not None:
            evidence.max_open = max_open
        found = violations(evidence)
        assert not found, "\n".join([*found, self._logs()])

    def _logs(self) -> str:
        return "\n".join(f"--- {bridge.log.name}\n{bridge.told()}" for bridge in self.processes)


@contextlib.contextmanager
def running_site(
    bootstrap: str,
    directory: Path,
    *,
    partitions: int = 3,
    replication: int = 1,
    simulator: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Iterator[Site]:
    """Topics and a simulator; bridges are started by the test. Everything is stopped at the end."""
    options: dict[str, Any] = {"lenient_entities": True, "task_seconds": 0.6, **(simulator or {})}
    with running_simulator(**options) as running:
        site = Site(bootstrap, running, directory, partitions, replication, dict(settings))
        try:
            yield site
        finally:
            site.close()


def place_of(message: Message) -> tuple[str, int, int]:
    """Topic, partition and offset."""
    return message.topic() or "", message.partition() or 0, message.offset() or 0


def _place(record: InputRecord) -> tuple[int, int]:
    return record.partition, record.offset


def _key(document: Mapping[str, Any] | None) -> str:
    parameters = (document or {}).get("parameters") or {}
    return str(parameters.get("id") or (document or {}).get("target_request_id") or (document or {}).get("request_id"))
