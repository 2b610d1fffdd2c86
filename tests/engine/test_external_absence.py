"""A Task that VCD does not show for a moment is not gone: what is told is what VCD shows in the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from bridge.core.answers import CallAnswer, HttpCall, Limited, OutcomeUnknown, Refused, TaskReading, TaskVanished
from bridge.core.external_rules import OrphanPolicy
from tests.engine.external import ANSWER_SECONDS, ExternalSite
from tests.engine.external_vcd import NAMESPACE, ExternalVcd
from tests.engine.harness import virtually
from tests.engine.scripted_vcd import urn

FORBIDDEN = Refused(code="ACCESS_TO_RESOURCE_IS_FORBIDDEN", message="no access", http_status=403)
LATER = Limited(code="HTTP_429", message="slow down", http_status=429, retry_after=timedelta(seconds=60))
UNKNOWN = OutcomeUnknown(code="no_answer", message="time-out")


@dataclass(slots=True)
class ForgetfulVcd(ExternalVcd):
    """While it is ``away`` readings are answered 403, and updates with ``answer``, or as always."""

    away: bool = False
    answer: CallAnswer | None = None
    late: float = 0.0
    """Seconds for which its other cells do not know a new Task."""
    stranger_until: float = field(default=float("-inf"))

    def __post_init__(self) -> None:
        ExternalVcd.__post_init__(self)
        self.on_call = self.forgetting

    def forgetting(self, call: HttpCall) -> CallAnswer:
        if call.method == "PUT" and self.is_away and self.answer is not None:
            return self.answer
        answer = self.keeping(call)
        if call.method == "POST":
            self.stranger_until = self.now() + self.late
        return answer

    @property
    def is_away(self) -> bool:
        return self.away or self.now() < self.stranger_until

    async def read_task(self, task_id: str, href: str | None) -> TaskReading:
        reading = await ExternalVcd.read_task(self, task_id, href)
        return TaskVanished(403, "no access") if self.is_away else reading


def _site(**changes: object) -> tuple[ExternalSite, ForgetfulVcd]:
    vcd = ForgetfulVcd(**changes)  # type: ignore[arg-type]
    return ExternalSite(vcd=vcd), vcd


@pytest.mark.parametrize("seconds", [1.0, ANSWER_SECONDS - 1])
@pytest.mark.parametrize("answer", [FORBIDDEN, LATER, UNKNOWN, None], ids=["403", "429", "unanswered", "taken"])
@virtually
async def test_a_finish_while_the_task_is_not_shown_is_told_as_vcd_shows_it(
    answer: CallAnswer | None, seconds: float
) -> None:
    site, vcd = _site(answer=answer)
    await site.start()
    site.create()
    await asyncio.sleep(5)
    vcd.away = True
    finish = site.finish()
    await asyncio.sleep(seconds)
    vcd.away = False
    await asyncio.sleep(200)
    if vcd.shown()["status"] == "running":
        assert site.answers(finish) == ["rejected -> rejected (ACCESS_TO_RESOURCE_IS_FORBIDDEN)"]
        site.finish()
        await asyncio.sleep(5)
    assert vcd.shown()["status"] == "success"
    assert site.told()[-1] == "finished success -> success"
    assert "task_vanished" not in str(site.told())


@virtually
async def test_a_finish_at_a_cell_that_does_not_know_the_task_yet_can_be_sent_again() -> None:
    site, vcd = _site(answer=FORBIDDEN, late=1.0)
    await site.start()
    site.create()
    await asyncio.sleep(0.5)
    finish = site.finish(command_id="f")
    await asyncio.sleep(60)
    assert site.answers(finish) == ["rejected -> rejected (ACCESS_TO_RESOURCE_IS_FORBIDDEN)"]
    site.finish(command_id="f")
    await asyncio.sleep(5)
    assert (vcd.shown()["status"], site.told()[-1]) == ("success", "finished success -> success")


@virtually
async def test_a_silent_owners_task_that_is_not_shown_for_a_moment_is_ended_all_the_same() -> None:
    site, vcd = _site()
    site.rules(namespaces={NAMESPACE: timedelta(seconds=100)})
    await site.start()
    site.create()
    await asyncio.sleep(98)
    vcd.away = True
    await asyncio.sleep(6)
    vcd.away = False
    await asyncio.sleep(60)
    assert vcd.shown()["status"] == "aborted"
    assert site.told()[-1] == "finished aborted -> aborted (owner_silent)"


@pytest.mark.parametrize("answer", [FORBIDDEN, LATER, UNKNOWN], ids=["403", "429", "unanswered"])
@virtually
async def test_an_end_whose_task_is_not_shown_over_a_whole_answer_time_is_told(answer: CallAnswer) -> None:
    site, vcd = _site(answer=answer)
    await site.start()
    site.create()
    await asyncio.sleep(5)
    vcd.away = True
    site.finish()
    await asyncio.sleep(ANSWER_SECONDS - 1)
    assert site.told()[1:] in ([], ["waiting (HTTP_429)"])
    await asyncio.sleep(4 * ANSWER_SECONDS)
    assert site.told()[-1] == "finished -> success (task_vanished)"


@virtually
async def test_a_task_that_a_look_loses_sight_of_is_looked_at_once_more() -> None:
    """Shown first, not shown by the second look: that is no absence over an answer time yet."""
    site, vcd = _site()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    vcd.on_call = lambda call: UNKNOWN
    site.finish()
    await asyncio.sleep(ANSWER_SECONDS / 2)
    vcd.away, vcd.on_call = True, vcd.keeping
    await asyncio.sleep(ANSWER_SECONDS)
    vcd.away = False
    await asyncio.sleep(60)
    assert (vcd.shown()["status"], site.told()[-1]) == ("success", "finished success -> success")


@virtually
async def test_a_task_with_the_mark_that_cannot_be_read_makes_no_second_one() -> None:
    site, vcd = _site()

    def lost(call: HttpCall) -> CallAnswer:
        vcd.keeping(call)
        vcd.away = True
        return UNKNOWN

    vcd.on_call = lost
    await site.start()
    site.create()
    await asyncio.sleep(60)
    assert (len(vcd.documents), site.told()) == (1, ["parked (outcome_unknown)"])
    vcd.away, vcd.on_call = False, vcd.keeping
    site.update(details="x")
    await asyncio.sleep(30)
    assert site.told()[1:] == ["accepted running"]


@pytest.mark.parametrize("policy", list(OrphanPolicy))
@virtually
async def test_a_task_that_runs_on_after_its_end_was_told_is_an_orphan(policy: OrphanPolicy) -> None:
    """VCD did not show it for long, so the story has ended; then the rights come back."""
    site, vcd = _site(answer=FORBIDDEN)
    site.rules(orphans=policy)
    await site.start()
    for key in ("CHG1", "CHG2"):  # one after the other: VCD numbers its Tasks in this order
        site.create(key)
        await asyncio.sleep(5)
    vcd.away = True
    site.finish()
    await asyncio.sleep(4 * ANSWER_SECONDS)
    assert site.told()[-1] == "finished -> success (task_vanished)"
    vcd.away = False
    await site.next_owner()
    await asyncio.sleep(20)
    assert [values[1:] for values in site.noted_of("orphan_found")] == [("CHG1", urn(1), policy)]
    assert vcd.shown(1)["status"] == ("aborted" if policy is OrphanPolicy.END else "running")
    assert vcd.shown(2)["status"] == "running"
    if policy is OrphanPolicy.ADOPT:
        late = site.finish(command_id="once more")
        await asyncio.sleep(5)
        assert (site.answers(late), vcd.shown(1)["status"]) == ([], "success")
