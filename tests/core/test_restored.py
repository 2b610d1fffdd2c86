"""Times that another host's clock has told are not believed where they lie in the future."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.coordinates import Birth
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.restored import in_our_time
from tests.simulation.loop import EPOCH as NOW

SECONDS = st.integers(-1000, 1000).map(lambda number: NOW + timedelta(seconds=number))
LIFECYCLES = st.builds(
    Lifecycle, birth=st.just(Birth("t", 0, 0)), phase=st.just(Phase.WAITING), request_id=st.just("A"), key=st.none(),
    received_at=SECONDS,
    **{
        name: st.none() | SECONDS
        for name in ("intent_at", "first_intent_at", "unsure_since", "parked_at", "heard_at", "sent_at", "wake_at")
    },
)  # fmt: skip


def _moments(lifecycle: Lifecycle) -> dict[str, object]:
    names = ("received_at", "intent_at", "first_intent_at", "unsure_since", "parked_at", "heard_at", "sent_at")
    return {name: moment for name in names if (moment := getattr(lifecycle, name)) is not None}


@given(LIFECYCLES)
def test_nothing_has_happened_in_the_future(lifecycle: Lifecycle) -> None:
    ours = in_our_time(lifecycle, NOW)
    assert all(moment <= NOW for moment in _moments(ours).values())  # type: ignore[operator]
    assert in_our_time(ours, NOW) == ours
    if all(moment <= NOW for moment in _moments(lifecycle).values()):  # type: ignore[operator]
        assert ours == lifecycle


@given(LIFECYCLES, st.integers(0, 10**6))
def test_a_host_that_is_ahead_waits_no_longer_than_it_would_have(lifecycle: Lifecycle, ahead: int) -> None:
    """What it waits for is as far from what happened last as it was told."""
    told = replace(lifecycle, received_at=NOW + timedelta(seconds=ahead + 1001))
    ours = in_our_time(told, NOW)
    assert ours.received_at == NOW
    if told.wake_at is not None:
        assert ours.wake_at is not None
        assert ours.wake_at - ours.received_at == told.wake_at - told.received_at


@given(LIFECYCLES)
def test_what_was_at_one_moment_stays_at_one_moment(lifecycle: Lifecycle) -> None:
    """Whether only one call is in doubt is told by that."""
    ours = in_our_time(replace(lifecycle, unsure_since=lifecycle.intent_at), NOW)
    assert ours.unsure_since == ours.intent_at
