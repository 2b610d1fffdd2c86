"""People whose operations Cloud Director holds, and the provider who decides about them."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace

from bridge.kafka.messages import headers_of
from tests.campaign.people import People
from tests.support.checker.evidence import TIMED_OUT, Blocked
from tests.support.decoding import event_of
from tests.support.kafka import Tail
from tests.support.observation_site import ObservationSite

HELD = "powerOnVApp"
TIMEOUT_SECONDS = 20.0
"""Longer than another needs to take a dead owner's work over: each is seen before its time is up."""
_TIMEOUT_ACTION = "abort"
_DECISIONS = ("resume", "abort", "fail", "resume", None)
"""By turns. Nobody decides about each fifth: its time runs out."""


class Deciding(People):
    """Each fourth operation is held until it is decided: as soon as all observations have told that it waits.

    What becomes of each is noted in the site's ``blocked``.
    """

    def __init__(self, site: ObservationSite, *users: str, watchers: int) -> None:
        """``watchers``: by how many observations each is told."""
        site.simulator.settings(
            blocking_operations=[HELD],
            blocking_timeout_seconds=TIMEOUT_SECONDS,
            blocking_timeout_action=_TIMEOUT_ACTION,
        )
        self._blocked = site.blocked
        self._watchers = watchers
        self._organizations = site.simulator.state()["organizations"]
        self._provider = site.simulator.log_in("operator@System")
        self._tail = Tail(site.bootstrap, site.names["blocking_tasks"])
        self._told: dict[str, set[str]] = defaultdict(set)
        """By URN: the stories that have told that it waits."""
        self._numbers: dict[str, int] = {}
        super().__init__(site, *users)

    def finish(self) -> list[str]:
        """Ask for nothing more, and wait until about each something is decided."""
        sent = super().finish()
        deadline = time.monotonic() + 2 * TIMEOUT_SECONDS
        while any(one.decided is None for one in self._blocked.values()):
            assert time.monotonic() < deadline, "not all that waits is decided"
            self._decide(0.1)
        self._tail.close()
        return sent

    def _send_one(self) -> None:
        super()._send_one()
        document, task = self._requests[-1]
        if document["operation"] == HELD:
            self._note(task)
        self._decide(0.0)

    def _note(self, task: str) -> None:
        """That it is held, and whose it is."""
        user = self._user(len(self._requests) - 1)
        waiting = self._site.simulator.state()["tasks"]["blocking"]
        (uuid,) = [uuid for uuid, held in waiting.items() if task.endswith(held)]
        urn = f"urn:vcloud:blockingTask:{uuid}"
        self._numbers[urn] = len(self._blocked)
        organization = self._organizations[user.partition("@")[2]]
        now = time.time()
        self._blocked[urn] = Blocked(
            organization=organization, since=now, timeout=now + TIMEOUT_SECONDS, timeout_action=_TIMEOUT_ACTION
        )

    def _decide(self, seconds: float) -> None:
        """About all of which it is told by now."""
        for message in self._tail.more(seconds):
            event, urn = event_of(message.value(), headers_of(message)), (message.key() or b"").decode()
            self._told[urn].add(event["birth"])
        for urn, known in list(self._blocked.items()):
            if known.decided is None:
                self._decide_about(urn, known)

    def _decide_about(self, urn: str, known: Blocked) -> None:
        action = _DECISIONS[self._numbers[urn] % len(_DECISIONS)]
        decided: str | None = None
        if action is not None and len(self._told[urn]) >= self._watchers:
            path = f"/api/admin/extension/blockingTask/{urn.rpartition(':')[2]}/action/{action}"
            reply = self._provider.post(path, {"message": "by the board"})
            decided = action if reply.status == 204 else TIMED_OUT
        elif time.time() > known.since + TIMEOUT_SECONDS:
            decided = TIMED_OUT
        if decided is not None:
            self._blocked[urn] = replace(known, until=time.time(), decided=decided)
