"""What is remembered of ended lifecycles is found by either name, and dropped from both."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.coordinates import Birth
from bridge.core.events import Outcome
from bridge.core.lifecycle import Decided, Ended
from bridge.engine.partition.endings import Endings
from tests.simulation.loop import EPOCH

NAMES, LANES = ("a", "b", "c", "d"), ("/blockingTask/1", "/blockingTask/2", None)
REMEMBERED = st.tuples(st.sampled_from(NAMES), st.sampled_from(LANES), st.integers(0, 20))
STEPS = st.one_of(REMEMBERED, st.sampled_from(NAMES), st.integers(0, 20))


def ended(offset: int, name: str, lane: str | None, minute: int) -> Ended:
    decided = None
    if lane is not None:
        decided = Decided(
            lane=lane, operation="abortBlockingTask", requested_by=None, task_id="urn:vcloud:task:t", task_href=None
        )
    return Ended(
        birth=Birth("approvals", 0, offset), request_id=name, content_hash="", correlation_id=None, decided=decided,
        outcome=Outcome.SUCCESS, ended_at=EPOCH + timedelta(minutes=minute), task_id=None, sequence=1,
    )  # fmt: skip


@given(st.lists(STEPS, max_size=30))
def test_they_are_those_that_a_list_of_all_would_show(steps: list[tuple[str, str | None, int] | str | int]) -> None:
    endings, kept = Endings(), list[Ended]()
    for number, step in enumerate(steps):
        match step:
            case str(name):
                endings.drop(name)
                kept = [one for one in kept if one.name != name]
            case int(minute):
                moment = EPOCH + timedelta(minutes=minute)
                left = next((at for at, one in enumerate(kept) if one.ended_at >= moment), len(kept))
                assert list(endings.drop_before(moment)) == kept[:left]
                kept = kept[left:]
            case (name, lane, minute):
                one = ended(number, name, lane, minute)
                endings.put(name, one)
                kept = [*(other for other in kept if other.name != name), one]
        assert list(endings) == kept
        assert [endings.get(name) for name in NAMES] == [
            next((one for one in kept if one.name == name), None) for name in NAMES
        ]
        for lane in LANES:
            about = [one for one in reversed(kept) if one.decided is not None and one.decided.lane == lane]
            assert list(endings.about(lane)) == about
