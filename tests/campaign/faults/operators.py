"""Operators at work while owners die: their commands, as they type them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tests.campaign.fault import fault
from tests.campaign.stage import Stage
from tests.support.bridge import BridgeProcess, Site
from tests.support.gathering import ledger_of
from tests.support.kafka import read
from tests.support.processes import REPOSITORY

USER = "administrator"
OF_EACH = 4
"""Requests that wait for each word, each of an entity that the load does not know."""
ENTITY = "00000000-0000-4000-9999-"


@dataclass(frozen=True, slots=True)
class Word:
    """What an operator says about requests whose outcome is unknown and cannot be looked up.

    ``outcome``: how they have to end after it. VCD did nothing at the first call.
    """

    verb: str
    outcome: str
    operation: str
    kind: str
    body: Mapping[str, Any] | None = None
    more: Sequence[str] = ()

    def requests(self, first: int) -> list[dict[str, Any]]:
        """``first``: number of the first one's entity."""
        return [
            {
                "request_id": f"{self.verb}-{number}", "operation": self.operation, "body": self.body,
                "parameters": {"id": f"{self.kind}-{ENTITY}{number:012d}"},
            }
            for number in range(first, first + OF_EACH)
        ]  # fmt: skip


SNAPSHOT = {"name": "s", "memory": False, "quiesce": False}
WORDS = (
    Word("retry", "success", "suspendVApp", "vapp"),
    Word("resolve", "error", "createSnapshot", "vm", SNAPSHOT, ("--outcome", "error", "--reason", "it is not there")),
    Word("cancel", "canceled", "createSnapshot", "vm", SNAPSHOT),
)
FROZEN_SECONDS = 60.0
"""Longest stall where nothing may be called until an operator says so."""


@fault("freeze_while_owners_die", "process", minutes=1, at_most_stall=FROZEN_SECONDS)
def freeze_while_owners_die(stage: Stage) -> None:
    """The group is frozen and thawed (`vcd-bridge freeze`, `thaw`) while owner after owner is killed with -9, one as
    it is frozen, one as it is thawed: no call leaves in between, and everything ends after it."""
    with stage.site() as site:
        stage.wait_more(60)
        with stage.injecting():
            _typed(site, "freeze", "--reason", "maintenance")
            _next_owner(site).wait_logged("bridge.frozen")
            for bridge in site.processes[-2:]:
                bridge.wait_logged("bridge.frozen")
            stage.wait_more(40)  # what was on its way to VCD when they heard of it is there by now
            called = _calls(site)
            for _ in range(2):
                _next_owner(site).wait_logged("bridge.frozen")
                stage.wait_more(20)
            stage.figure("calls that left while it was frozen", _calls(site) - called, "", at_most=0)
            _typed(site, "thaw")
        _next_owner(site)
        stage.wait_more(40)
    stage.note("4 owners killed")


@fault("operators_while_owners_die", "process", minutes=1)
def operators_while_owners_die(stage: Stage) -> None:
    """Operators settle parked requests (`vcd-bridge requests retry`, `resolve`, `cancel`, several at a time) while
    owner after owner is killed with -9: each word is heard once, and each request ends as it says."""
    with stage.site() as site, ThreadPoolExecutor(len(WORDS)) as operators:
        waiting = _park(site)
        settling = [operators.submit(_settle, site, word, waiting[word.verb]) for word in WORDS]
        while not all(map(Future.done, settling)):
            stage.strike()
            _next_owner(site)
            stage.wait_more(20)
        wanted = {request_id: outcome for each in settling for request_id, outcome in each.result().items()}
        told = site.wait_ended(list(wanted))
        ends = {event["request_id"]: event["outcome"] for event in told if event["final"]}
        wrong = {
            request_id: ends.get(request_id) for request_id in wanted if ends.get(request_id) != wanted[request_id]
        }
        if wrong:
            stage.fail(f"ended otherwise than operators said: {wrong}")
        stage.note(f"{len(wanted)} parked requests settled")
        # The checker is to know what the commands have written.
        values = [one.value() or b"" for one in read(site.bootstrap, site.requests)]
        site.documents |= {value: json.loads(value) for value in values}


def _park(site: Site) -> dict[str, list[str]]:
    """Requests that wait for an operator: verb -> their ids."""
    for operation in {word.operation for word in WORDS}:
        site.simulator.fault(do="drop", effect=False, operation=operation, path=f"-{ENTITY}", times=None)
    asked = {word.verb: word.requests(OF_EACH * number) for number, word in enumerate(WORDS)}
    waiting = {verb: [one["request_id"] for one in requests] for verb, requests in asked.items()}
    site.send(*chain.from_iterable(asked.values()))
    every = set(chain.from_iterable(waiting.values()))
    site.wait_events(lambda told: every <= {event["request_id"] for event in told if event["change"] == "parked"})
    site.simulator.clear_faults()
    return waiting


def _settle(site: Site, word: Word, request_ids: Sequence[str]) -> dict[str, str]:
    """One operator, one request after the other; request id -> outcome."""
    for request_id in request_ids:
        _typed(site, "requests", word.verb, request_id, "--by", "jo", "--timeout", "60", *word.more)
    return dict.fromkeys(request_ids, word.outcome)


def _typed(site: Site, *arguments: str) -> None:
    """A command with its site's settings. Raises AssertionError with what it said when it fails."""
    ended = subprocess.run(
        [sys.executable, "-m", "bridge", *arguments], capture_output=True, text=True, check=False, cwd=REPOSITORY,
        env={**os.environ, **site._environment({})},
    )  # fmt: skip
    assert ended.returncode == 0, f"{' '.join(arguments)} ended with {ended.returncode}: {ended.stdout}{ended.stderr}"


def _next_owner(site: Site) -> BridgeProcess:
    """The older of the two that run is killed, and another takes its place."""
    site.processes[-2].kill()
    return site.start().wait_ready()


def _calls(site: Site) -> int:
    """How many have reached VCD that change something, or were to."""
    return len(ledger_of(site.simulator, USER))
