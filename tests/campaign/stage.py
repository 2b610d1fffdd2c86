"""Where a fault is played: a Kafka, sites with bridges at work on it, the moments of the injections, the judgement."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaign.fault import Fault, Verdict
from tests.campaign.measuring import Measured, Progress, measured, progress_of
from tests.campaign.supervisor import Supervisor
from tests.support.bridge import BridgeProcess, Site
from tests.support.checker import violations
from tests.support.checker.evidence import Evidence
from tests.support.external import ExternalSite
from tests.support.kafka import KafkaCluster
from tests.support.simulator import running_simulator
from tests.system.external_load import MixedLoad
from tests.system.load import RELEASE, Load

PATIENCE_SECONDS = 120.0
"""How long all stories may take to end once nothing is disturbed any more."""
LOGGED_SECONDS = 60.0


@dataclass(slots=True)
class Stage:
    """What a fault's function is given. ``hours``: of a soak; None where nobody said how many.

    ``timed`` False: figures above their bounds are told and not held against it, as on a machine that is busy.
    """

    fault: Fault
    cluster: KafkaCluster
    directory: Path
    hours: float | None = None
    timed: bool = True
    injections: list[tuple[float, float]] = field(default_factory=list)
    """When each began and when it was over, in seconds since the epoch."""
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Why it is not as expected, beside what is counted."""
    found: Measured = field(default_factory=Measured)
    """The sum over the sites so far."""
    refused: bool = False
    load: Load | None = None
    """Of the site that is entered; None where it has none."""
    evidence: Evidence | None = None
    """Of the site that was left last: what calls reached VCD, what was told, what the store went through."""
    progress: Progress | None = None
    """Of the site that was left last."""
    _excused: list[tuple[re.Pattern[str], str]] = field(default_factory=list)
    _sites: int = 0

    # --- the play -------------------------------------------------------------------------------------------------

    @contextmanager
    def site(
        self,
        *,
        processes: int = 2,
        partitions: int = 3,
        external: bool = False,
        kind: type[Site] | None = None,
        load: bool | Callable[[Site], Load] = True,
        simulator: Mapping[str, Any] | None = None,
        judged_as: Mapping[str, Any] | None = None,
        allow_open: bool = False,
        patience_seconds: float = PATIENCE_SECONDS,
        **settings: dict[str, Any],
    ) -> Iterator[Site]:
        """Topics, a simulator, so many ready bridges, and a load that has begun; yields the site.

        Leaving it stops the load, waits until every story is over, has the checker judge and adds to the line.
        ``external``: an ``ExternalSite``, whose load has tickets too; ``kind``: another sort of site. ``load``: False
        for none (send what you like), or what makes one. ``simulator``: options of ``running_simulator``.
        ``judged_as``: fields of the evidence that differ, ``patience_seconds`` for example. ``allow_open``: stories
        need not be over. ``settings``: by section, of every bridge. More than one site in a row, or one in another, is
        fine. Raises AssertionError when the bridges do not start or the stories do not end.
        """
        self._sites += 1
        directory = self.directory / f"site-{self._sites}"
        directory.mkdir()
        options: dict[str, Any] = {"lenient_entities": True, "task_seconds": 0.6, "log": directory / "simulator.log"}
        options |= simulator or {}
        options["settings"] = {"keep_bodies": external, **options.get("settings", {})}
        with running_simulator(**options) as running:
            replication = min(3, self.cluster.size)
            whole: dict[str, dict[str, Any]] = {**settings, "intake": {**RELEASE, **settings.get("intake", {})}}
            kind = kind or (ExternalSite if external else Site)
            site = kind(self.cluster.bootstrap, running, directory, partitions, replication, whole)
            before = self.load
            try:
                with Supervisor(site) as supervisor:
                    for bridge in [site.start() for _ in range(processes)]:
                        bridge.wait_ready()
                    self.load = self._load_of(site, load)
                    injected = len(self.injections)
                    yield site
                    self._wait_over(site, patience_seconds, allow_open=allow_open)
                    self._judge(site, judged_as or {}, self.injections[injected:], allow_open=allow_open)
                if supervisor.restarted:
                    self.note(f"{len(supervisor.restarted)} processes ended themselves and were started again")
            finally:
                if self.load is not None:
                    self.load.abandon()
                self.load = before
                site.close()

    @contextmanager
    def injecting(self) -> Iterator[None]:
        """One injection: entering is the moment at which the fault strikes, leaving the one at which it is healed.

        What does not heal, as a kill, is :meth:`strike`.
        """
        began = time.time()
        try:
            yield
        finally:
            self.injections.append((began, time.time()))

    def strike(self) -> None:
        """One injection that struck just now and does not heal: recovery is counted from here."""
        self.injections.append((time.time(), time.time()))

    def wait_more(self, requests: int) -> list[str]:
        """Until the load has sent so many more from now on: about 17 a second. The ids of all that were sent."""
        assert self.load is not None
        self.load.wait_sent(len(self.load.sent) + requests)
        return self.load.sent

    def refusal(self, process: BridgeProcess, pattern: str, seconds: float = LOGGED_SECONDS) -> str:
        """Until the process's log says this (a regular expression): it refuses, and its operator can read why.

        Returns what matched, which goes into the line's note. Raises AssertionError when it is never said.
        """
        deadline = time.monotonic() + seconds
        while (match := re.search(pattern, process.log.read_text())) is None:
            assert time.monotonic() < deadline, f"nothing like {pattern!r} is said: {process.told()}"
            time.sleep(0.05)  # a file is polled: there is nothing to be woken by
        self.refused = True
        self.note(f"said: {match[0]}")
        return match[0]

    # --- the line -------------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """One more figure or remark for the line; the same one only once."""
        if text not in self.notes:
            self.notes.append(text)

    def figure(self, what: str, value: float, unit: str = "s", *, at_most: float | None = None) -> None:
        """A figure for the line; above ``at_most`` the fault has failed."""
        told = f"{value:.3g} {unit}".strip()
        self.note(f"{what} {told}" + (f" (at most {at_most:g})" if at_most is not None else ""))
        if at_most is not None and value > at_most and self.timed:
            self.fail(f"{what} is {told}, {at_most:g} are allowed")

    def judge_times(self) -> None:
        """Longer than the fault allows is a failure, where time counts."""
        for what, value, at_most in (
            ("the longest stall", self.found.stall, self.fault.at_most_stall),
            ("recovery", self.found.recovered or 0.0, self.fault.at_most_recovery),
        ):
            if value > at_most and self.timed:
                self.fail(f"{what} is {value:.1f} s, {at_most:g} are allowed")

    def fail(self, why: str) -> None:
        self.failures.append(why)

    def excuse(self, pattern: str, why: str) -> None:
        """Violations that match (a regular expression) are outside the guarantees, and the line says why."""
        self._excused.append((re.compile(pattern), why))

    @property
    def verdict(self) -> Verdict:
        if self.failures or any(self.found.harms.values()):
            return Verdict.FAILS
        return Verdict.REFUSES if self.refused else Verdict.SURVIVES

    # --- after the play -------------------------------------------------------------------------------------------

    def _load_of(self, site: Site, load: bool | Callable[[Site], Load]) -> Load | None:
        if not isinstance(load, bool):
            return load(site)
        seed = zlib.crc32(self.fault.name.encode())
        if not load:
            return None
        return MixedLoad(site, seed) if isinstance(site, ExternalSite) else Load(site, seed)

    def _wait_over(self, site: Site, patience: float, *, allow_open: bool) -> None:
        """Everything has been taken, and every story has ended or is parked."""
        if self.load is not None:
            self.load.finish()
        ended = self.load.ended if isinstance(self.load, MixedLoad) else {}
        if allow_open:
            return
        site.wait_ended(sorted({one.request_id for one in site.inputs if one.opens and one.request_id}), patience)
        if isinstance(site, ExternalSite):
            outcomes = site.wait_outcomes(*ended, seconds=patience)
            wrong = {key: outcome for key, outcome in outcomes.items() if ended.get(key, outcome) != outcome}
            if wrong:
                self.fail(f"tickets ended otherwise than their owners said: {wrong}")
        site.wait_taken(patience)

    def _judge(
        self, site: Site, judged_as: Mapping[str, Any], injections: Sequence[tuple[float, float]], *, allow_open: bool
    ) -> None:
        self.evidence, self.progress = site.evidence(allow_open=allow_open), progress_of(site)
        for name, value in judged_as.items():
            setattr(self.evidence, name, value)
        found = []
        for violation in violations(self.evidence):
            why = next((why for pattern, why in self._excused if pattern.search(violation)), None)
            if why is None:
                found.append(violation)
            else:
                self.note(why)
        (site.directory / "violations.txt").write_text("\n".join(found))
        if found:
            self.fail(found[0])
        asked = {record.request_id for record in site.inputs if record.opens and record.request_id}
        asked |= set(self.load.sent if self.load is not None else ())
        self.found += measured(len(asked), self.progress, found, [healed for _, healed in injections])
