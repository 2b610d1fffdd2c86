"""Processes that die, stand still, or are told to go."""

from __future__ import annotations

import json
import signal
import time
from datetime import datetime
from functools import partial

from bridge.cli.run import EXIT_STOPPED_AT_ONCE
from tests.campaign.fault import fault
from tests.campaign.stage import Stage
from tests.support.bridge import BridgeProcess, Site
from tests.support.checker.evidence import Evidence, StateWrite
from tests.support.checker.joined import Joined

PROTOCOLS = ("classic", "consumer")
"""By their names in ``group.protocol``; the second is KIP-848."""
OUT = {"do": "delay", "effect": True, "seconds": 1.5, "method": "POST", "path": "/action/"}
"""VCD carries calls out at once and answers later: they are out when the fault strikes."""


@fault("kill_owner", "process")
def kill_owner(stage: Stage) -> None:
    """One of two processes is killed with -9 under load; the other goes on."""
    with stage.site() as site:
        stage.wait_more(60)
        site.processes[0].kill()
        stage.strike()
        stage.wait_more(120)


@fault("kill_all", "process")
def kill_all(stage: Stage) -> None:
    """Every process is killed with -9 at once under load, and others are started after 2 s; three times."""
    with stage.site() as site:
        for _ in range(3):
            stage.wait_more(40)
            with stage.injecting():
                for bridge in site.processes[-2:]:
                    bridge.kill()
                stage.wait_more(34)
            for bridge in [site.start(), site.start()]:
                bridge.wait_ready()


# --- SIGSTOP ------------------------------------------------------------------------------------------------------


def _stop_past_session(stage: Stage, protocol: str, point: str | None) -> None:
    """``point``: where it stops itself; None: it is stopped wherever it is."""
    with stage.site(processes=1 if point else 2, kafka={"properties": {"group.protocol": protocol}}) as site:
        zombie = site.start(crash_at=f"{point}:10:stop") if point else site.processes[0]
        if point is None:
            stage.wait_more(60)
            zombie.pause()
        zombie.wait_stopped()
        stage.strike()
        stopped = time.time()
        sent = stage.wait_more(20)
        # The others have taken everything over when what was sent by then has ended.
        site.wait_ended(sent, 90)
        woken = time.time()
        zombie.resume()
        again = _wait_owner_again(zombie, woken)
        stage.wait_more(40)
    assert stage.evidence is not None
    _did_nothing(stage, stage.evidence, stopped, woken, again)


def _wait_owner_again(zombie: BridgeProcess, woken: float) -> float:
    """Until it is given a partition after it woke; when that was, by its log."""
    deadline = time.monotonic() + 60
    while True:
        for line in zombie.log.read_text().splitlines(keepends=True):
            told = json.loads(line) if line.endswith("\n") else {"event": "half a line"}
            if told["event"] == "partition.assigned":
                at = datetime.fromisoformat(told["timestamp"]).timestamp()
                if at > woken:
                    return at - float(told["seconds"])
        assert time.monotonic() < deadline, f"it did not come back: {zombie.told()}"
        time.sleep(0.05)  # a file is polled: there is nothing to be woken by


def _did_nothing(stage: Stage, evidence: Evidence, stopped: float, woken: float, again: float) -> None:
    """From when it was stopped until it owned something anew."""
    joined = Joined(evidence)
    during = {write.writer for write in evidence.writes if stopped + 1 < write.at < woken}
    zombies = {write.writer for write in evidence.writes if write.at < stopped} - during
    if len(zombies) != 1:
        stage.fail(f"{len(zombies)} processes had written before the stop and not during it, not one")
    written = [write for write in evidence.writes if write.writer in zombies and stopped + 0.1 < write.at < again]
    stage.figure("records written by it while it was no owner:", len(written), "", at_most=0)
    called = [
        call
        for calls in joined.calls.values()
        for call in calls
        if call.at > woken and _is_by(joined.intent(call), zombies, before=again)
    ]
    stage.figure("calls of its old intents after it woke:", len(called), "", at_most=0)


def _is_by(intent: StateWrite | None, writers: set[str], *, before: float) -> bool:
    return intent is not None and intent.writer in writers and intent.at < before


for _protocol in PROTOCOLS:
    _name = "" if _protocol == "classic" else "_kip848"
    fault(
        f"stop_past_session{_name}", "process",
        what=f"A process is stopped (SIGSTOP) past its session and continued ({_protocol} group protocol).",
    )(partial(_stop_past_session, protocol=_protocol, point=None))  # fmt: skip
    fault(
        f"stop_between_intent_and_call{_name}", "process",
        what="A process is stopped (SIGSTOP) when an intent is durable and its call has not left, past its session, and"
        f" continued ({_protocol} group protocol).",
    )(partial(_stop_past_session, protocol=_protocol, point="intent_committed"))  # fmt: skip
    fault(
        f"stop_in_transaction{_name}", "process",
        what="A process is stopped (SIGSTOP) with its transaction open, all of it sent and the commit not asked for,"
        f" past its session, and continued ({_protocol} group protocol).",
    )(partial(_stop_past_session, protocol=_protocol, point="offsets_sent"))  # fmt: skip


@fault("stop_within_session", "process")
def stop_within_session(stage: Stage) -> None:
    """Each of two processes in turn is stopped (SIGSTOP) for 2 s, half of its session, and continued; three times."""
    with stage.site() as site:
        for _ in range(3):
            for bridge in site.processes:
                with stage.injecting():
                    bridge.pause()
                    stage.wait_more(34)
                    bridge.resume()
                stage.wait_more(10)


# --- SIGTERM ------------------------------------------------------------------------------------------------------


@fault("sigterm", "process")
def sigterm(stage: Stage) -> None:
    """A process is told to go (SIGTERM) with calls out at VCD, and another takes its place; three times."""
    longest = 0.0
    with stage.site() as site:
        for _ in range(3):
            _wait_for_calls_out(stage, site)
            began = time.monotonic()
            stage.strike()
            code = site.processes[-1].stop()
            longest = max(longest, time.monotonic() - began)
            assert code == 0, f"exit code {code}"
            site.start().wait_ready()
    stage.figure("left after", longest)


@fault("sigterm_twice", "process")
def sigterm_twice(stage: Stage) -> None:
    """A process is told to go twice (SIGTERM, SIGTERM) with calls out at VCD: it ends at once; three times."""
    longest = 0.0
    with stage.site() as site:
        for _ in range(3):
            leaving = site.processes[-1]
            _wait_for_calls_out(stage, site)
            stage.strike()
            leaving.process.send_signal(signal.SIGTERM)
            leaving.wait_logged("bridge.draining")
            began = time.monotonic()
            leaving.process.send_signal(signal.SIGTERM)
            code = leaving.wait_dead()
            longest = max(longest, time.monotonic() - began)
            assert code == EXIT_STOPPED_AT_ONCE, f"exit code {code}"
            site.start().wait_ready()
    stage.figure("ended after the second", longest, at_most=1)


def _wait_for_calls_out(stage: Stage, site: Site) -> None:
    stage.wait_more(20)
    met = site.simulator.fault(**OUT, times=15)
    site.simulator.wait_met(met, 5)


@fault("rolling_restart", "process")
def rolling_restart(stage: Stage) -> None:
    """Three processes are restarted one after the other (SIGTERM, and a new one once it has gone), twice."""
    with stage.site(processes=3) as site:
        for _ in range(2):
            for bridge in site.processes[-3:]:
                stage.wait_more(15)
                with stage.injecting():
                    assert bridge.stop() == 0
                    site.start().wait_ready()
