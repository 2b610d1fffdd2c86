"""The engine's facts as log lines and metrics: one method per fact, the names of the log events among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from prometheus_client import Counter, Histogram
from structlog.typing import FilteringBoundLogger

from bridge.core.answers import (
    Accepted,
    Busy,
    CallAnswer,
    Done,
    HttpCall,
    Limited,
    NeverSent,
    OutcomeUnknown,
    Refused,
    SessionExpired,
)
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import Change, Outcome, StatusEvent, Stream
from bridge.core.freeze import Freeze, to_json
from bridge.core.lifecycle import Ended, Lifecycle, Phase
from bridge.core.requests import SchemaAnswer
from bridge.errors import BridgeError
from bridge.telemetry.identity import is_observed, story, task_of, who
from bridge.telemetry.metrics import Metrics

_RESULTS: dict[type[CallAnswer], str] = {
    Accepted: "accepted",
    Done: "done",
    Refused: "refused",
    Busy: "busy",
    Limited: "limited",
    SessionExpired: "session_expired",
    NeverSent: "never_sent",
    OutcomeUnknown: "outcome_unknown",
}
_LOUD_CHANGES = frozenset({Change.PARKED, Change.OVERDUE})
_MOST_PLACES = 20
"""Partitions that one log line names."""
_OPEN_PHASES = tuple(phase for phase in Phase if phase is not Phase.ENDED)


class Telemetry:
    """Implements ``bridge.ports.Observer``. ``operations``: the catalogue's names; others share one label."""

    def __init__(self, *, operations: Iterable[str] = (), version: str = "") -> None:
        self.metrics = Metrics(version)
        self._log: FilteringBoundLogger = structlog.get_logger()
        self._operations = frozenset(operations)
        self._partitions: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._stopped: set[TopicPartition] = set()
        self._waiting: set[TopicPartition] = set()
        self._children: dict[tuple[object, ...], Counter | Histogram] = {}
        self._count_open: Callable[[], Mapping[Phase, int]] = dict
        self.metrics.partitions.set_function(lambda: float(len(self._partitions)))
        self.metrics.paused.set_function(lambda: float(len(self._paused)))
        self.metrics.stopped.set_function(lambda: float(len(self._stopped)))
        self.metrics.waiting.set_function(lambda: float(len(self._waiting)))

    # --- VCD's message bus ----------------------------------------------------------------------------------------

    def bus_connected(self, url: str, topic: str) -> None:
        self.metrics.bus_connected.set(1)
        self._log.info("bus.connected", url=url, topic=topic)

    def bus_left(self) -> None:
        self.metrics.bus_connected.set(0)

    def bus_lost(self, url: str, why: str, next_try_seconds: float) -> None:
        self._log.warning("bus.lost", url=url, why=why, next_try_seconds=next_try_seconds)

    def bus_message(self, kind: str, tasks: int) -> None:
        self._count(self.metrics.bus_messages, kind)
        self.metrics.bus_hints.inc(tasks)

    # --- requests and their stories -------------------------------------------------------------------------------

    def admitted(self, lifecycle: Lifecycle, *, deprecated: bool) -> None:
        operation = self._operation(lifecycle.operation, lifecycle.external_key)
        self._count(self.metrics.admitted, operation)
        if deprecated:
            self._count(self.metrics.deprecated, operation)
            self._log.warning("request.deprecated_operation", **who(lifecycle))
        self._log.info("request.admitted", **who(lifecycle))

    def refused(self, event: StatusEvent) -> None:
        self._count(self.metrics.events, event.change)
        if event.outcome is Outcome.REJECTED and not is_observed(event):
            self._count(
                self.metrics.requests, self._operation(event.catalogue_operation, event.external_key), event.outcome
            )
        self._log.warning("request.refused", **story(event))

    def repeated(self, known: Lifecycle | Ended, record: Birth) -> None:
        self._count(self.metrics.repeats)
        self._log.info("request.repeated", record=str(record), **who(known))

    def dead_lettered(self, record: Birth, stage: str, message: str) -> None:
        self._count(self.metrics.dead_letters, stage)
        self._log.warning("record.dead_lettered", birth=str(record), stage=stage, message=message)

    def told(self, event: StatusEvent) -> None:
        self._count(self.metrics.events, event.change)
        if event.outcome is not None and not is_observed(event):
            self._count(
                self.metrics.requests, self._operation(event.catalogue_operation, event.external_key), event.outcome
            )
        # What observations see can be hundreds a second, and none of it is the bridge's own doing.
        quiet = self._log.info if event.stream is Stream.TASK_EVENTS else self._log.debug
        (self._log.warning if event.change in _LOUD_CHANGES else quiet)("event.published", **story(event))

    def moved(self, before: Lifecycle | None, after: Lifecycle) -> None:
        if after.outcome is not None and after.ended_at is not None and after.observation is None:
            seconds = (after.ended_at - after.received_at).total_seconds()
            self._observe(self.metrics.request_seconds, seconds, after.outcome)
        if before is None or before.phase is not after.phase:
            self._log.debug("lifecycle.moved", phase=str(after.phase), **who(after))
        if after.phase is Phase.UNSURE and (before is None or before.looks != after.looks):
            self._log.warning(
                "recovery.began", code=after.unsure_code, attempt=after.attempt, look=after.looks,
                evidence=list(after.evidence), **who(after),
            )  # fmt: skip

    def noted(self, lifecycle: Lifecycle, note: str, evidence: Sequence[str] = ()) -> None:
        kind, _, rest = note.partition("_")
        facts: dict[str, object] = {"note": note, "attempt": lifecycle.attempt, **who(lifecycle)}
        match kind:
            case "recovery":
                self._count(self.metrics.recoveries, rest)
                self._log.warning("recovery.decided", decision=rest, evidence=list(evidence), **facts)
            case "operator":
                self._count(self.metrics.notes, note)
                self._log.warning("operator.decided", decision=rest, evidence=list(evidence), **facts)
            case "retry":
                self._count(self.metrics.retries, rest)
                self._log.warning("call.retried", reason=rest, **facts)
            case "cancel":
                self._count(self.metrics.cancels, rest)
                self._log.info("cancel.answered", answer=rest, **facts)
            case _ if note == "outcome_unknown":
                self._count(self.metrics.unknown_outcomes)
                self._log.warning("call.outcome_unknown", code=lifecycle.unsure_code, **facts)
            case _ if note == "status_regression":
                self._count(self.metrics.regressions)
                self._log.warning("task.status_regression", status=lifecycle.status, **facts)
            case _:
                self._count(self.metrics.notes, note)
                told = {"evidence": list(evidence)} if evidence else {}
                self._log.info("lifecycle.noted", **told, **facts)

    def look_put_off(self, lifecycle: Lifecycle, why: str) -> None:
        self._log.warning("recovery.put_off", reason=why, attempt=lifecycle.attempt, **who(lifecycle))

    def look_again_later(self, lifecycle: Lifecycle, seconds: float, why: str, evidence: Sequence[str]) -> None:
        self._log.info(
            "recovery.settling", seconds=seconds, reason=why, evidence=list(evidence), attempt=lifecycle.attempt,
            **who(lifecycle),
        )  # fmt: skip

    # --- Cloud Director -------------------------------------------------------------------------------------------

    def call_answered(self, lifecycle: Lifecycle, call: HttpCall, answer: CallAnswer, seconds: float) -> None:
        status = getattr(answer, "http_status", None)
        result = _RESULTS[type(answer)]
        self.vcd_answered(call.operation, result, status, seconds)
        fine = isinstance(answer, Accepted | Done)
        (self._log.info if fine else self._log.warning)(
            "call.answered", **(who(lifecycle) | task_of(answer)), attempt=lifecycle.attempt, call_id=call.call_id,
            result=result, http_status=status, code=getattr(answer, "code", None),
            message=getattr(answer, "message", None), vcd_request_id=getattr(answer, "vcd_request_id", None),
            seconds=round(seconds, 4),
        )  # fmt: skip

    def vcd_answered(self, operation: str, result: str, http_status: int | None, seconds: float) -> None:
        """Any call to VCD, reads too (``operation`` then names the read). Counted, not logged."""
        self._count(self.metrics.calls, operation, result, str(http_status) if http_status else "none")
        self._observe(self.metrics.call_seconds, seconds, operation)

    def breaker_moved(self, state: str, reason: str, seconds: float) -> None:
        self.metrics.breaker_open.set(float(state != "closed"))
        write = self._log.warning if state == "open" else self._log.info
        write(f"vcd.breaker_{state}", reason=reason, seconds=round(seconds, 3))

    def freeze_changed(self, freeze: Freeze) -> None:
        self.metrics.frozen.set(float(freeze.frozen))
        facts = {name: value for name, value in to_json(freeze).items() if name != "frozen"}
        (self._log.warning if freeze.frozen else self._log.info)(
            "bridge.frozen" if freeze.frozen else "bridge.thawed", **facts
        )

    # --- Kafka ----------------------------------------------------------------------------------------------------

    def committed(self, seconds: float, steps: int) -> None:
        self.metrics.commit_seconds.observe(seconds)
        self.metrics.commit_steps.inc(steps)
        self._log.debug("commit.done", seconds=round(seconds, 4), steps=steps)

    def not_committed(self, lost: int, refused: int) -> None:
        self._count(self.metrics.uncommitted, "refused" if refused else "lost" if lost else "undone")
        self._log.warning("commit.undone", lost=lost, refused=refused)

    def assigned(self, partition: TopicPartition, lifecycles: int, seconds: float) -> None:
        self._partitions.add(partition)
        self._stopped.discard(partition)
        self._count(self.metrics.rebalances, "assigned")
        self.metrics.restore_seconds.observe(seconds)
        self._log.info("partition.assigned", partition=str(partition), lifecycles=lifecycles, seconds=round(seconds, 3))

    def restored(self, partition: TopicPartition, phases: Mapping[str, int], remarks: Sequence[str]) -> None:
        self._log.info("partition.restored", partition=str(partition), phases=dict(phases), remarks=len(remarks))
        for remark in remarks:
            self._log.warning("partition.restore_remark", partition=str(partition), remark=remark)

    def unassigned(self, partition: TopicPartition, *, lost: bool) -> None:
        for held in (self._partitions, self._paused, self._stopped, self._waiting):
            held.discard(partition)
        kind = "lost" if lost else "revoked"
        self._count(self.metrics.rebalances, kind)
        (self._log.warning if lost else self._log.info)(f"partition.{kind}", partition=str(partition))

    def partition_stopped(self, partition: TopicPartition, reason: str) -> None:
        self._stopped.add(partition)
        self._log.error("partition.stopped", partition=str(partition), reason=reason)

    def paused(self, partition: TopicPartition, *, paused: bool) -> None:
        (self._paused.add if paused else self._paused.discard)(partition)
        self._log.info("partition.paused" if paused else "partition.resumed", partition=str(partition))

    def backlog_admitted(self, partition: TopicPartition) -> None:
        self._log.info("partition.backlog_admitted", partition=str(partition))

    def orphan_found(self, partition: TopicPartition, external_key: str, task_id: str, policy: str) -> None:
        self._count(self.metrics.orphans, policy)
        self._log.warning(
            "external_task.orphan", partition=str(partition), external_key=external_key, task=task_id, policy=policy
        )

    def orphan_left(self, partition: TopicPartition, external_key: str, task_id: str, why: str) -> None:
        self._log.info(
            "external_task.orphan_left", partition=str(partition), external_key=external_key, task=task_id, reason=why
        )

    def orphans_unknown(self, namespace: str, reason: str) -> None:
        self._log.warning("external_task.orphans_unknown", service_namespace=namespace, reason=reason)

    def strangers_seen(self, namespace: str, count: int) -> None:
        self.metrics.strangers.labels(namespace).set(count)
        if count:
            self._log.info("external_task.strangers", service_namespace=namespace, count=count)

    def homeless_seen(self, namespace: str, count: int, places: Sequence[str]) -> None:
        self.metrics.homeless.labels(namespace).set(count)
        if count:
            named = ", ".join(places[:_MOST_PLACES])
            self._log.warning("external_task.homeless", service_namespace=namespace, count=count, places=named)

    # --- observation ----------------------------------------------------------------------------------------------

    def observation_looked(
        self, *, observations: int, active: int, requests: int, seconds: float, behind_seconds: float
    ) -> None:
        self.metrics.observations.set(observations)
        self.metrics.observed_active.set(active)
        self.metrics.observation_behind.set(behind_seconds)
        self.metrics.observation_requests.inc(requests)
        self._observe(self.metrics.observation_seconds, seconds)

    def observation_slow(self, seconds: float, interval: float, *, slow: bool) -> None:
        write = self._log.warning if slow else self._log.info
        write("observation.slow" if slow else "observation.in_time", seconds=round(seconds, 3), interval=interval)

    def observation_put_off(self, why: str) -> None:
        self._log.warning("observation.put_off", reason=why)

    def schema_waiting(self, partition: TopicPartition, schema_id: int) -> None:
        self._waiting.add(partition)
        self._log.warning("schema.waiting", partition=str(partition), schema_id=schema_id)

    def schema_answered(self, partition: TopicPartition, schema_id: int, answer: SchemaAnswer) -> None:
        self._waiting.discard(partition)
        write = self._log.info if answer is SchemaAnswer.LEARNT else self._log.warning
        write(f"schema.{answer}", partition=str(partition), schema_id=schema_id)

    # --- for the process around the engine ------------------------------------------------------------------------

    def fact(self, event: str, **facts: object) -> None:
        """A fact of the process's life, e.g. ``bridge.ready``: logged at info."""
        self._log.info(event, **facts)

    def warned(self, event: str, **facts: object) -> None:
        """One that a person should see, e.g. ``vcd.unreachable``."""
        self._log.warning(event, **facts)

    def trouble(self, where: str, message: str, **facts: object) -> None:
        """Something did not work and will be tried again."""
        self._log.warning("trouble", where=where, message=message, **facts)

    def failed(self, error: BaseException) -> None:
        """What ends the process: an error with what to do about it, a bug with its traceback."""
        if isinstance(error, BridgeError) and error.exit_code != BridgeError.exit_code:
            self._log.critical("bridge.failed", code=error.code, error=error.message, hint=error.hint)
        else:
            self._log.critical("bridge.failed", code="internal", error=str(error), exc_info=error)

    def count_open(self, source: Callable[[], Mapping[Phase, int]]) -> None:
        """Where the number of open lifecycles by phase comes from; asked at each scrape."""
        self._count_open = source

    def report_call_limit(self, limit: Callable[[], int]) -> None:
        """Where the gauge ``vcdbridge_call_limit`` gets its value from."""
        self.metrics.call_limit.set_function(lambda: float(limit()))

    def report_ready(self, ready: Callable[[], bool]) -> None:
        """Where the gauge ``vcdbridge_ready`` gets its value from."""
        self.metrics.ready.set_function(lambda: float(ready()))

    def render(self) -> bytes:
        """All metrics in the Prometheus text format."""
        counted = self._count_open()
        for phase in _OPEN_PHASES:
            self.metrics.open.labels(phase).set(counted.get(phase, 0))
        return self.metrics.render()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _operation(self, name: str | None, external_key: str | None = None) -> str:
        if name is None:
            return "none" if external_key is None else "external_task"
        return name if name in self._operations or not self._operations else "unknown"

    def _count(self, metric: Counter, *labels: str) -> None:
        child = self._child(metric, labels)
        if isinstance(child, Counter):
            child.inc()

    def _observe(self, metric: Histogram, value: float, *labels: str) -> None:
        child = self._child(metric, labels)
        if isinstance(child, Histogram):
            child.observe(value)

    def _child(self, metric: Counter | Histogram, labels: tuple[str, ...]) -> Counter | Histogram:
        if not labels:
            return metric
        child = self._children.get((metric, *labels))
        if child is None:
            child = self._children[metric, *labels] = metric.labels(*labels)
        return child
