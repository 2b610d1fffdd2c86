"""Members that come and go, and how long it takes until another has a dead owner's work."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from tests.campaign.fault import fault
from tests.campaign.measuring import first_calls
from tests.campaign.stage import Stage
from tests.support.bridge import KILLED, BridgeProcess, Site

# --- churn --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """How the members of a group agree. ``named``: each keeps a name of its own over restarts (static membership)."""

    about: str
    properties: Mapping[str, str] = field(default_factory=dict)
    named: bool = False

    def kafka(self, slot: int) -> dict[str, object]:
        name = {"group.instance.id": f"slot-{slot}"} if self.named else {}
        return {"properties": {**self.properties, **name}}


GROUPS = {
    "cooperative": Group("cooperative-sticky assignment"),
    "range": Group("eager assignment by range", {"partition.assignment.strategy": "range"}),
    "roundrobin": Group("eager assignment by roundrobin", {"partition.assignment.strategy": "roundrobin"}),
    "kip848": Group("KIP-848", {"group.protocol": "consumer"}),
    "static": Group("static membership, cooperative-sticky", named=True),
    "static_kip848": Group("static membership under KIP-848", {"group.protocol": "consumer"}, named=True),
}
CHURN_SECONDS = 120.0
CHURN_AT_MOST_SECONDS = 40.0
"""Longest stall: several sessions may end one after the other, each of a member that had just got the partition."""
SLOTS = 3
"""Of processes: one stays, the others leave and come back."""


def _churn(group: Group, stage: Stage) -> None:
    """Every 2 to 4 s one of two leaves, in order or killed, or comes back; under load of requests and tickets."""
    rng = random.Random(len(group.about))  # a seed, not a secret
    with stage.site(processes=0, partitions=6, external=True) as site:
        members: list[BridgeProcess | None] = [site.start(kafka=group.kafka(slot)) for slot in range(SLOTS)]
        for member in members:
            assert member is not None
            member.wait_ready()
        end = time.monotonic() + CHURN_SECONDS
        while time.monotonic() < end:
            stage.wait_more(rng.randrange(30, 60))
            slot = rng.randrange(1, SLOTS)
            members[slot] = _one_goes_or_comes(stage, site, group, slot, members[slot], orderly=rng.random() < 0.7)


def _one_goes_or_comes(
    stage: Stage, site: Site, group: Group, slot: int, member: BridgeProcess | None, *, orderly: bool
) -> BridgeProcess | None:
    with stage.injecting():
        if member is None:
            return site.start(kafka=group.kafka(slot))
        if orderly:
            # Somebody who is told to go while he is still coming does not hear it in order.
            assert member.stop() == 0 or not member.ready.is_set(), f"it did not leave in order: {member.told()}"
        else:
            member.kill()
    return None


for _name, _group in GROUPS.items():
    fault(
        f"churn_{_name}", "group", minutes=2.6, at_most_stall=CHURN_AT_MOST_SECONDS,
        at_most_recovery=CHURN_AT_MOST_SECONDS,
        what="Of three processes two join and leave, in order or killed, every few seconds for two minutes;"
        f" {_group.about}.",
    )(partial(_churn, _group))  # fmt: skip

# --- failover -----------------------------------------------------------------------------------------------------

SESSION_SECONDS = 6.0
"""Of classic members, and of those of KIP-848, where the campaign's brokers say so."""
A_FEW_SECONDS = 4.0
"""Joining, restoring, a look at what was in flight. A dead owner's open transaction is not among them."""
LASTING = {"transaction.timeout.ms": "60000"}
"""A successor that waited for the broker to abort it would be seen."""
DEATHS = 3
OPEN = "offsets_sent:100"
"""Late enough that another is ready by then."""


def _failover(protocol: str, point: str | None, stage: Stage) -> None:
    """Owner after owner of the only partition is killed, with another process standing by.

    ``point``: where they die; None: wherever they are.
    """
    kafka = {"session_timeout_seconds": SESSION_SECONDS, "properties": {"group.protocol": protocol, **LASTING}}
    deaths: list[float] = []
    with stage.site(processes=0, partitions=1, kafka=kafka) as site:
        # The first has the partition, and keeps it; and a point is reached only by who owns it and commits.
        for _ in range(2):
            site.start(crash_at=point).wait_ready()
        for number in range(1, DEATHS + 1):
            if point is None:
                stage.wait_more(40)
                site.processes[-2].kill()
            _wait_dead(site, number)
            stage.strike()
            deaths.append(time.time())
            if point is None:
                # Nobody else is there to become the owner.
                site.wait_ended(stage.wait_more(1)[-1:], 60)
            standby = site.start(crash_at=point if number < DEATHS else None)
            if point is None:
                standby.wait_ready()
        for bridge in site.processes[:-1]:
            if bridge.process.poll() is None:
                # It would die once more.
                bridge.process.send_signal(signal.SIGTERM)
    assert stage.evidence is not None
    took = first_calls(stage.evidence, deaths)
    stage.note(f"next owner's first call after {', '.join(f'{each:.1f} s' for each in took)}")
    stage.figure("longest", max(took), at_most=SESSION_SECONDS + A_FEW_SECONDS)


def _wait_dead(site: Site, count: int) -> None:
    """Until so many processes have been killed."""
    deadline = time.monotonic() + 60
    while sum(bridge.process.poll() == KILLED for bridge in site.processes) < count:
        assert time.monotonic() < deadline, "the owner did not die"
        time.sleep(0.01)  # processes are polled: there is nothing to be woken by


for _protocol, _title in (("classic", "classic"), ("consumer", "kip848")):
    _session = f"session time-out {SESSION_SECONDS:g} s, {_title} protocol"
    fault(
        f"failover_{_title}", "group", minutes=1,
        what=f"The owner of the only partition is killed with -9, another process stands by; three times; {_session}.",
    )(partial(_failover, _protocol, None))  # fmt: skip
    fault(
        f"failover_open_transaction_{_title}", "group", minutes=1,
        what="The owner of the only partition is killed with -9 with its transaction open (all of it sent, time-out"
        f" 60 s), another process stands by; three times; {_session}.",
    )(partial(_failover, _protocol, OPEN))  # fmt: skip
