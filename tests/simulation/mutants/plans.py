"""The runs in which mutants are looked for: short, and dense with what they get wrong."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.plan import Plan, Trouble

_QUIET = Trouble(
    pauses=0, joins=0, kafka_outages=0, vcd_outages=0, lost_sessions=0, slow_times=0, ended_by_others=0, strangers=0
)
_CALM_SECONDS = 700.0
"""More than what is well needs to end; what a mutant leaves open is not waited for any longer."""


def requests(seed: int) -> Plan:
    """Action requests, and nothing but a crash."""
    return Plan(seed=seed, requests=25, crashes=1, trouble=_QUIET, storm_seconds=60.0, calm_seconds=_CALM_SECONDS)


def alone(seed: int) -> Plan:
    """One process that lives on: nobody restores what it has written."""
    return replace(requests(seed), processes=1, crashes=0)


def stormy(seed: int) -> Plan:
    """Owners that come and go: killed, stopped and woken, joining and leaving."""
    trouble = Trouble(pauses=5, restarts=1, joins=2, kafka_outages=1, vcd_outages=0, lost_sessions=0, strangers=0)
    return Plan(
        seed=seed, requests=30, crashes=5, trouble=trouble, protocol=("classic", "consumer", "static")[seed % 3],
        storm_seconds=90.0, calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def doubtful(seed: int) -> Plan:
    """Many answers of VCD are lost or late, on few entities."""
    trouble = Trouble(pauses=0, joins=0, kafka_outages=0, vcd_outages=0, slow_times=2, strangers=3)
    return Plan(
        seed=seed, requests=30, entities=3, fault_rate=0.4, crashes=1, trouble=trouble, storm_seconds=90.0,
        calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def hasty(seed: int) -> Plan:
    """As ``doubtful``, and little time to repeat a call in."""
    return replace(doubtful(seed), repeat_within_seconds=12.0)


def parked(seed: int) -> Plan:
    """As ``doubtful``, and operators have much to settle."""
    return replace(doubtful(seed), partitions=1, requests=50, entities=5)


def twins(seed: int) -> Plan:
    """Requests that only their calls tell apart, of which many are in doubt at a time, and canceled."""
    return Plan(
        seed=seed, requests=60, twins=0.9, processes=1, fault_rate=0.6, late_rate=0.3, cancels=0.8, concurrent=(16,),
        crashes=0, trouble=_QUIET, storm_seconds=90.0, calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def tickets(seed: int) -> Plan:
    """External tasks, with a few requests beside."""
    return Plan(
        seed=seed, requests=4, tickets=10, crashes=2, trouble=_QUIET, storm_seconds=60.0, calm_seconds=_CALM_SECONDS
    )


def silent(seed: int) -> Plan:
    """External tasks whose owners fall silent, and owners of their partition that come and go meanwhile."""
    return replace(tickets(seed), tickets=30, crashes=4, storm_seconds=300.0, calm_seconds=1500.0)


def undecided(seed: int) -> Plan:
    """Many answers of Kafka are lost."""
    return Plan(
        seed=seed, requests=25, crashes=0, abort_rate=0.3, trouble=_QUIET, storm_seconds=60.0,
        calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def unacknowledged(seed: int) -> Plan:
    """Of many requests to Kafka nothing is heard, and some of them arrive late; no connection breaks."""
    return replace(undecided(seed), abort_rate=0.0, unanswered_rate=0.1)


def hanging(seed: int) -> Plan:
    """Kafka clients that do not return from a call, and nothing else."""
    trouble = replace(_QUIET, hung_calls=3)
    return replace(requests(seed), crashes=0, trouble=trouble)


def unsettled(seed: int) -> Plan:
    """Partitions that move all the time, and calls that take long to leave."""
    trouble = Trouble(pauses=5, restarts=3, joins=6, kafka_outages=0, vcd_outages=0, lost_sessions=0, strangers=0)
    return Plan(
        seed=seed, requests=60, entities=40, fault_rate=0.3, late_rate=0.7, crashes=1, trouble=trouble,
        storm_seconds=60.0, calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def slow_markers(seed: int) -> Plan:
    """What was committed can be read only after a while, and partitions move meanwhile."""
    trouble = replace(_QUIET, restarts=4, joins=6)
    return Plan(
        seed=seed, requests=40, crashes=2, trouble=trouble, marker_seconds=0.9, storm_seconds=60.0,
        calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def unanswered(seed: int) -> Plan:
    """Many cancels, and a Cloud Director that mostly does not answer."""
    return Plan(
        seed=seed, requests=80, entities=40, fault_rate=0.5, cancels=0.7, crashes=0, operators=False,
        trouble=_QUIET, storm_seconds=60.0, calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def frozen(seed: int) -> Plan:
    """Cancels of long Tasks that a freeze holds back, and owners that die meanwhile."""
    return Plan(
        seed=seed, requests=60, entities=40, fault_rate=0.05, cancels=0.7, long_tasks=1.0, crashes=6,
        operators=False, trouble=replace(_QUIET, freezes=2), storm_seconds=60.0, calm_seconds=1500.0,
    )  # fmt: skip


def stalled(seed: int) -> Plan:
    """Commits that take long."""
    return Plan(
        seed=seed, requests=40, entities=30, crashes=0, trouble=replace(_QUIET, kafka_outages=8), storm_seconds=60.0,
        calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def unheard(seed: int) -> Plan:
    """Owners that run while the group goes on without them, and calls that take long to arrive."""
    return Plan(
        seed=seed, requests=60, entities=40, fault_rate=0.3, late_rate=0.5, crashes=0,
        trouble=replace(_QUIET, unheard=8, slow_times=4), storm_seconds=60.0, calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def cut_off(seed: int) -> Plan:
    """Owners that can write nothing for a while, and have had a successor by the time they can."""
    return Plan(
        seed=seed, requests=60, entities=40, crashes=0, trouble=replace(_QUIET, cut_off=8),
        storm_seconds=90.0, calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def moved(seed: int) -> Plan:
    """Somebody moves the group's offsets between two runs of all processes."""
    return replace(requests(seed), trouble=replace(_QUIET, offset_resets=2))


def losing(seed: int) -> Plan:
    """A changelog that loses its records while much is open."""
    return Plan(
        seed=seed, requests=40, crashes=2, partitions=1, long_tasks=0.5,
        trouble=replace(_QUIET, store_losses=1, restarts=2), storm_seconds=120.0, calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def capped(seed: int) -> Plan:
    """More requests than a partition may hold."""
    return replace(requests(seed), requests=40, partitions=1, max_open=3, concurrent=(2,), storm_seconds=20.0)


def observed(seed: int) -> Plan:
    """Organizations at work, observed by owners that come and go, with hardly more overlap than lists are late."""
    trouble = replace(_QUIET, restarts=1, pauses=1, lost_sessions=1)
    return Plan(
        seed=seed, requests=3, observations=40, overlap_seconds=8.0, fault_rate=0.4, crashes=3, trouble=trouble,
        storm_seconds=80.0, calm_seconds=_CALM_SECONDS,
    )  # fmt: skip


def unread(seed: int) -> Plan:
    """As ``doubtful``, and VCD refuses to answer many of the looks."""
    return replace(doubtful(seed), trouble=replace(_QUIET, refused_reads=6, strangers=3))


def heavy(seed: int) -> Plan:
    """More bytes than a partition may hold."""
    return replace(capped(seed), max_open=5_000, max_waiting_bytes=400)
