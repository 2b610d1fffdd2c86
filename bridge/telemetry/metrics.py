"""Every metric of the bridge. Names are an interface: dashboards and alerts live on them, a test pins them."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

_SHORT = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CALL = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LONG = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)


class Metrics:
    """The metrics on a registry of their own, so that several bridges can live in one process (tests)."""

    def __init__(self, version: str = "") -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter that nobody asks for
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"vcdbridge_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"vcdbridge_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"vcdbridge_{name}", text, labels, buckets=buckets, registry=registry)

        self.build = gauge("build_info", "Always 1; the version is a label.", "version")
        self.ready = gauge("ready", "1 when /ready answers 200.")

        self.admitted = counter("requests_admitted_total", "Requests whose first state is durable.", "operation")
        self.requests = counter("requests_total", "Requests that ended, rejections included.", "operation", "outcome")
        self.request_seconds = histogram(
            "request_seconds", "From received to ended, by outcome.", _LONG, "outcome"
        )  # fmt: skip
        self.repeats = counter("repeats_total", "Identical repeats of a request; nothing was called for them.")
        self.deprecated = counter("deprecated_requests_total", "Requests for deprecated operations.", "operation")
        self.dead_letters = counter("dead_letters_total", "Records that went to the dead-letter topic.", "reason")
        self.events = counter("events_total", "Status events that are visible to readers.", "change")

        self.open = gauge("open_lifecycles", "Open lifecycles of this process; their sum is all open work.", "phase")
        self.retries = counter("retries_total", "Calls that VCD did not accept and that are made again.", "reason")
        self.recoveries = counter(
            "recovery_decisions_total", "What was decided about calls whose outcome was unknown.", "decision"
        )
        self.unknown_outcomes = counter("unknown_outcomes_total", "Calls whose outcome was unknown.")
        self.regressions = counter("status_regressions_total", "Readings with a status below the last one told.")
        self.cancels = counter("cancel_answers_total", "VCD's answers to cancel calls.", "answer")
        self.notes = counter("notes_total", "Other facts of the lifecycles.", "note")

        self.orphans = counter("orphans_total", "Running Tasks with our mark that nobody had.", "policy")
        self.strangers = gauge(
            "foreign_external_tasks", "Running Tasks of others under our namespaces, when last looked.", "namespace"
        )
        self.homeless = gauge(
            "homeless_external_tasks",
            "Running Tasks whose mark of ours names a partition that does not exist, when last looked.",
            "namespace",
        )

        self.calls = counter("vcd_calls_total", "Calls to VCD.", "operation", "result", "code")
        self.call_seconds = histogram("vcd_call_seconds", "Duration of calls to VCD.", _CALL, "operation")

        self._make_brakes(gauge)

        self._make_bus(gauge, counter)

        self._make_observation(gauge, counter, histogram)

        self._make_work(gauge, counter, histogram)

        self.build.labels(version).set(1)

    def _make_brakes(self, gauge: Callable[[str, str], Gauge]) -> None:
        """What holds calls back."""
        self.call_limit = gauge("call_limit", "Calls that may be out at once, as VCD has answered so far.")
        self.breaker_open = gauge("breaker_open", "1 while calls wait because VCD answers none, or one tries it.")
        self.frozen = gauge("frozen", "1 while operators have frozen the group: nothing is called that changes VCD.")

    def _make_work(
        self, gauge: Callable[..., Gauge], counter: Callable[..., Counter], histogram: Callable[..., Histogram]
    ) -> None:
        """What the process does in Kafka."""
        self.commit_seconds = histogram("commit_seconds", "Duration of a group commit.", _SHORT)
        self.commit_steps = counter("committed_steps_total", "Lifecycle steps committed.")
        self.uncommitted = counter("commits_undone_total", "Group commits that were undone and decided again.", "cause")
        self.restore_seconds = histogram("restore_seconds", "Time to read a partition's store back.", (*_SHORT, 60.0))
        self.rebalances = counter("rebalances_total", "Partitions that came or went.", "kind")
        self.partitions = gauge("owned_partitions", "Partitions this process works on.")
        self.paused = gauge("paused_partitions", "Partitions whose reading is paused at a cap.")
        self.stopped = gauge("stopped_partitions", "Partitions that wait for an operator.")
        self.waiting = gauge("schema_waiting_partitions", "Partitions whose intake waits for a schema of the registry.")

    def _make_observation(
        self, gauge: Callable[[str, str], Gauge], counter: Callable[..., Counter], histogram: Callable[..., Histogram]
    ) -> None:
        """The observation of organizations."""
        self.observations = gauge("observations", "Observations that this process looks after.")
        self.observed_active = gauge(
            "observed_active_tasks", "Active Tasks that the last look of the observation showed."
        )
        self.observation_behind = gauge(
            "observation_behind_seconds", "How long ago ended what the observation that is furthest behind tells now."
        )
        self.observation_requests = counter("observation_requests_total", "Queries that looks of the observation made.")
        self.observation_seconds = histogram(
            "observation_look_seconds", "Duration of a look of the observation.", _CALL
        )

    def _make_bus(self, gauge: Callable[[str, str], Gauge], counter: Callable[..., Counter]) -> None:
        """VCD's message bus."""
        self.bus_connected = gauge("bus_connected", "1 while VCD's message bus is listened to.")
        self.bus_messages = counter(
            "bus_messages_total", "Messages of VCD's bus, by the type of their envelope.", "type"
        )
        self.bus_hints = counter("bus_hints_total", "Tasks that messages of VCD's bus named.")

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)
