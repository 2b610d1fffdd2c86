"""Which of several addresses is dialled, and for how long one that failed is left alone."""

from __future__ import annotations

import pytest

from bridge.vcd.transport.addresses import LONGEST_REST_SECONDS, Addresses
from bridge.vcd.transport.classifier import Verdict
from tests.vcd.scripted import LOST, REFUSED, Log, ManualClock

A, B, C = "https://a.example", "https://b.example", "https://c.example"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def addresses(clock: ManualClock, log: Log) -> Addresses:
    return Addresses((A, B, C), clock, log)


def fail(addresses: Addresses, clock: ManualClock, base: str, verdict: Verdict = REFUSED) -> None:
    clock.time += 0.001
    addresses.failed(base, clock.time, verdict)


def test_the_first_that_is_well_gets_everything(addresses: Addresses, clock: ManualClock) -> None:
    assert addresses.order(probing=True) == [A, B, C]
    fail(addresses, clock, A)
    assert addresses.order(probing=True) == addresses.order(probing=False) == [B, C, A]


def test_one_request_at_a_time_tries_an_address_whose_rest_is_over(addresses: Addresses, clock: ManualClock) -> None:
    fail(addresses, clock, A)
    clock.time += 1.01
    assert addresses.order(probing=False) == [B, C, A], "a call that changes something has better to do"
    assert addresses.order(probing=True) == [A, B, C]
    assert addresses.order(probing=True) == [B, C, A], "the others do not wait for it"
    addresses.answered(A, clock.time, 200)
    assert addresses.order(probing=False) == [A, B, C]


def test_each_failure_doubles_the_rest_to_a_bound(addresses: Addresses, clock: ManualClock) -> None:
    rests = []
    for _ in range(8):
        fail(addresses, clock, A)
        began = clock.time
        while addresses.order(probing=True)[0] != A:
            clock.time += 0.5
        rests.append(clock.time - began)
    assert rests == sorted(rests)
    assert LONGEST_REST_SECONDS <= rests[-1] <= LONGEST_REST_SECONDS + 1


def test_what_was_under_way_counts_once(addresses: Addresses, clock: ManualClock) -> None:
    began = clock.time
    clock.time += 1.0
    for _ in range(32):
        addresses.failed(A, began, LOST)
    clock.time += 1.01
    assert addresses.order(probing=True)[0] == A


def test_one_slow_call_among_others_that_are_answered_is_no_failure(addresses: Addresses, clock: ManualClock) -> None:
    began = clock.time
    clock.time += 1.0
    addresses.answered(A, began, 200)
    addresses.failed(A, began, LOST)
    assert addresses.order(probing=False) == [A, B, C]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateways_answer_speaks_of_one_cell(addresses: Addresses, clock: ManualClock, status: int) -> None:
    addresses.answered(A, clock.time, status)
    assert addresses.order(probing=False) == [B, C, A]
    assert addresses.any_well


def test_with_all_down_the_one_that_has_rested_longest_is_asked(addresses: Addresses, clock: ManualClock) -> None:
    for base in (B, A, C):
        fail(addresses, clock, base)
    assert addresses.order(probing=True) == addresses.order(probing=False) == [B]
    assert not addresses.any_well


def test_an_outage_is_told_once_and_its_end_too(addresses: Addresses, clock: ManualClock, log: Log) -> None:
    for _ in range(3):
        fail(addresses, clock, A)
    addresses.answered(A, clock.time, 200)
    addresses.answered(A, clock.time, 200)
    assert log.events == ["vcd.address_failed", "vcd.address_answers"]


def test_a_single_address_is_never_left_alone(clock: ManualClock, log: Log) -> None:
    alone = Addresses((A, A), clock, log)
    fail(alone, clock, A)
    assert alone.order(probing=True) == [A]
    assert not alone.any_well
    assert log.events == []
