"""Running Tasks with our mark that nobody has: reported, adopted or ended; those of others are left alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bridge.core.answers import CallAnswer, HttpCall, ReadRefused, Refused, TaskPage, TaskQuery, Unavailable
from bridge.core.coordinates import TopicPartition
from bridge.core.external_rules import OrphanPolicy
from bridge.engine.reading.namespace_rows import MAX_PAGES
from bridge.ports import NotCommitted
from tests.engine.external import TICKETS, WEEK, ExternalSite, mark
from tests.engine.external_vcd import NAMESPACE
from tests.engine.harness import virtually
from tests.engine.scripted_vcd import NO_ANSWER, page_of, urn

OTHER = "com.example.other"


def _site(policy: OrphanPolicy, partitions: int = 1) -> ExternalSite:
    site = ExternalSite(partitions=partitions)
    site.rules(orphans=policy, namespaces={NAMESPACE: WEEK, OTHER: timedelta(days=1)})
    return site


def _strangers(site: ExternalSite) -> None:
    """Tasks that must never be touched, whatever the policy."""
    site.vcd.seed("Somebody's own work")
    site.vcd.seed("Another group's [h/tickets-0/CHG1]")
    site.vcd.seed(f"{mark('CHG1')}", namespace="com.example.elsewhere")
    site.vcd.seed("A topic that begins like ours [g/tickets-02/CHG1]")


def _found(site: ExternalSite) -> list[tuple[str, str]]:
    return [(values[1], values[3]) for values in site.noted_of("orphan_found")]


# --- by policy --------------------------------------------------------------------------------------------------------


@virtually
async def test_by_default_an_orphan_is_reported_and_left_alone() -> None:
    site = _site(OrphanPolicy.REPORT)
    _strangers(site)
    task_id = site.vcd.seed(f"Lost {mark('CHG9')} vm web(1)")
    await site.start()
    await asyncio.sleep(10)
    [(partition, key, found, policy)] = site.noted_of("orphan_found")
    assert (str(partition), key, found, policy) == (str(TopicPartition(TICKETS, 0)), "CHG9", task_id, "report")
    assert (site.events(), site.vcd.calls, dict(site.kept())) == ([], [], {})
    seen = {values[0]: values[1] for values in site.noted_of("strangers_seen")}
    assert seen == {NAMESPACE: 2, OTHER: 0}
    assert site.noted_of("homeless_seen") == [(NAMESPACE, 1, ["tickets-02"]), (OTHER, 0, [])]
    await site.next_owner()
    await asyncio.sleep(10)
    assert _found(site) == [("CHG9", "report")] * 2, "once per assignment"


@virtually
async def test_an_adopted_orphan_is_kept_as_any_other_task() -> None:
    site = _site(OrphanPolicy.ADOPT)
    _strangers(site)
    site.vcd.seed(f"Lost {mark('CHG9')}", namespace=OTHER)
    await site.start()
    await asyncio.sleep(10)
    assert site.told("CHG9") == ["accepted running"]
    create = site.create("CHG9", correlation_id="T")
    site.update("CHG9", progress=50)
    await asyncio.sleep(5)
    assert site.answers(create) == ["rejected -> rejected (external_key_conflict)"]
    [body] = site.vcd.bodies("PUT")
    assert (body["operation"], body["progress"], body["serviceNamespace"]) == (f"Lost {mark('CHG9')}", 50, OTHER)
    await site.next_owner()
    await asyncio.sleep(10)
    assert site.told("CHG9") == [
        "accepted running",
        "rejected -> rejected (external_key_conflict)",
        "changed running",
    ], "it is nobody's orphan any more"
    site.finish("CHG9")
    await asyncio.sleep(5)
    assert site.told("CHG9")[-1] == "finished success -> success"
    assert site.kept() == {}
    assert {body["operation"] for body in site.vcd.bodies("PUT")} == {f"Lost {mark('CHG9')}"}


@virtually
async def test_one_that_is_adopted_before_any_record_has_come_is_kept_too() -> None:
    """The very case of a store that was lost: the round that takes it over reads nothing, and leaves state."""
    site = _site(OrphanPolicy.ADOPT)
    site.vcd.seed(f"Lost {mark('CHG9')}")
    await site.start()
    await asyncio.sleep(10)
    await site.next_owner()
    await asyncio.sleep(10)
    assert site.told("CHG9") == ["accepted running"]
    site.finish("CHG9")
    await asyncio.sleep(5)
    assert site.told("CHG9")[-1] == "finished success -> success"


@virtually
async def test_what_waited_for_its_create_acts_when_the_task_is_adopted() -> None:
    site = _site(OrphanPolicy.ADOPT)
    site.vcd.seed(mark("CHG9"))
    early = site.update("CHG9", progress=30)
    site.finish("CHG9", status="aborted")
    await site.start()
    await asyncio.sleep(10)
    assert site.answers(early) == []
    assert site.told("CHG9") == ["accepted running", "finished aborted -> aborted"]
    assert site.vcd.shown()["progress"] == 30


@virtually
async def test_an_ended_orphan_is_told_with_the_reason_and_the_others_run_on() -> None:
    site = _site(OrphanPolicy.END)
    _strangers(site)
    for number in range(30):
        site.vcd.seed(f"Lost {mark(f'CHG{number}')}")
    await site.start()
    await asyncio.sleep(30)
    for number in range(30):
        assert site.told(f"CHG{number}") == ["accepted running", "finished aborted -> aborted (orphaned)"]
    assert [document["status"] for document in site.vcd.documents.values()] == ["running"] * 4 + ["aborted"] * 30
    assert len(site.vcd.bodies("PUT")) == 30
    assert site.kept() == {}


@pytest.mark.parametrize("when", [0.0, 30.0])
@virtually
async def test_the_key_of_an_orphan_that_is_ended_stays_free(when: float) -> None:
    """Its ticket is sent again because the store was lost: that is a new task, during the end and after it."""
    site = _site(OrphanPolicy.END)
    site.vcd.seed(f"Lost {mark('CHG1')}")
    site.vcd.session_ready = False
    await site.start()
    await asyncio.sleep(5)
    site.vcd.session_ready = when > 0
    await asyncio.sleep(when)
    site.create("CHG1", details="again")
    await asyncio.sleep(10)
    await site.next_owner()
    site.vcd.session_ready = True
    await asyncio.sleep(20)
    assert [site.vcd.shown(number)["status"] for number in (1, 2)] == ["aborted", "running"]
    site.finish("CHG1")
    await asyncio.sleep(10)
    assert (site.vcd.shown(2)["status"], site.vcd.shown(2)["details"]) == ("success", "again")
    assert site.kept() == {}


# --- whose it may be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", list(OrphanPolicy))
@virtually
async def test_tasks_that_lifecycles_have_are_no_orphans(policy: OrphanPolicy) -> None:
    site = _site(policy)
    await site.start()
    site.create("CHG1")
    await asyncio.sleep(5)
    site.vcd.on_call = lambda call: (site.vcd.keeping(call), NO_ANSWER)[1]
    site.create("CHG2")
    await asyncio.sleep(2)
    site.vcd.on_call = site.vcd.keeping
    await site.next_owner()
    await asyncio.sleep(60)
    assert site.noted_of("orphan_found") == []
    assert site.told("CHG1") == ["accepted running"]
    assert site.told("CHG2") == ["accepted running"]
    assert len(site.vcd.documents) == 2


@virtually
async def test_a_task_that_a_parked_one_may_still_find_is_not_taken_from_it() -> None:
    site = _site(OrphanPolicy.END)
    await site.start()
    site.vcd.query = lambda query: ReadRefused(400, "bad filter")
    site.vcd.on_call = lambda call: NO_ANSWER
    site.create("CHG1")
    await asyncio.sleep(60)
    assert site.phase("CHG1") == ["parked"]
    site.vcd.seed(mark("CHG1"))
    site.vcd.query = site.vcd.rows
    site.vcd.on_call = site.vcd.keeping
    await site.next_owner()
    await asyncio.sleep(30)
    assert site.noted_of("orphan_found") == []
    site.update("CHG1", details="mine")
    await asyncio.sleep(30)
    assert site.vcd.shown()["details"] == "mine"
    assert site.phase("CHG1") == ["following"]


@pytest.mark.parametrize("policy", [OrphanPolicy.ADOPT, OrphanPolicy.END])
@virtually
async def test_a_second_task_of_an_open_key_never_gets_its_commands(policy: OrphanPolicy) -> None:
    """Also while the second cannot be ended yet, and over a restart."""
    site = _site(policy)
    await site.start()
    site.create("CHG1")
    await asyncio.sleep(5)
    site.vcd.seed(f"twin {mark('CHG1')}")
    site.vcd.session_ready = False
    site.crash()
    # In the very round that takes the twin over, too.
    site.update("CHG1", details="for the first")
    await asyncio.sleep(10)
    await site.start()
    await asyncio.sleep(20)
    await site.next_owner()
    site.update("CHG1", progress=70)
    await asyncio.sleep(20)
    site.vcd.session_ready = True
    await asyncio.sleep(20)
    assert (site.vcd.shown(1)["details"], site.vcd.shown(1)["progress"]) == ("for the first", 70)
    assert site.vcd.shown(2)["status"] == ("aborted" if policy is OrphanPolicy.END else "running")
    assert "progress" not in site.vcd.shown(2)
    site.finish("CHG1")
    await asyncio.sleep(10)
    assert site.vcd.shown(1)["status"] == "success"
    assert "rejected" not in {event["change"] for event in site.of("CHG1")}
    assert site.kept() == {}


@virtually
async def test_a_second_task_whose_end_vcd_refuses_does_not_get_them_either() -> None:
    site = _site(OrphanPolicy.END)
    await site.start()
    site.create("CHG1")
    await asyncio.sleep(5)
    site.vcd.seed(f"twin {mark('CHG1')}")
    site.vcd.on_call = lambda call: Refused(code="BAD_REQUEST", message="no", http_status=400)
    await site.next_owner()
    await asyncio.sleep(30)
    site.vcd.on_call = site.vcd.keeping
    await site.next_owner()
    await asyncio.sleep(5)
    site.update("CHG1", details="for the first")
    await asyncio.sleep(10)
    assert site.vcd.shown(1)["details"] == "for the first"
    assert "details" not in site.vcd.shown(2)


@virtually
async def test_an_orphan_that_ends_or_vanishes_meanwhile_is_none() -> None:
    site = _site(OrphanPolicy.ADOPT)
    site.vcd.seed(mark("ENDS"))
    site.vcd.seed(mark("GOES"))
    rows = site.vcd.rows

    def then(query: TaskQuery) -> TaskPage:
        page = rows(query)
        if query.service_namespace == NAMESPACE:
            site.vcd.ends(1)
            site.vcd.tasks.pop(urn(2), None)
        return page

    site.vcd.query = then
    await site.start()
    await asyncio.sleep(10)
    assert (site.noted_of("orphan_found"), site.events()) == ([], [])


@pytest.mark.parametrize("policy", [OrphanPolicy.ADOPT, OrphanPolicy.END])
@virtually
async def test_a_task_whose_text_holds_another_partitions_mark_belongs_to_its_last_one(policy: OrphanPolicy) -> None:
    """The other partition's owner is another process: it has no claim that this one could see."""
    site = _site(policy, partitions=2)
    await site.start()
    site.inbox.lose_everything()
    site.vcd.seed(f"follow-up of Patching {mark('OLD1')} {mark('NEW', 1)} vm web")
    site.inbox.assign([TopicPartition(TICKETS, 0)])
    await asyncio.sleep(20)
    assert (site.events(), site.vcd.calls) == ([], [])


@virtually
async def test_a_create_that_copies_a_mark_makes_a_task_of_its_own_alone() -> None:
    site = _site(OrphanPolicy.END, partitions=2)
    await site.start()
    site.create("NEW", partition=1, operation=f"follow-up of Patching {mark('OLD1')}")
    await asyncio.sleep(5)
    assert site.vcd.shown()["operation"] == f"follow-up of Patching (g/tickets-0/OLD1) {mark('NEW', 1)}"
    await site.next_owner()
    await asyncio.sleep(20)
    assert site.noted_of("orphan_found") == []
    assert (site.told("NEW"), site.told("OLD1")) == (["accepted running"], [])


@virtually
async def test_tasks_of_partitions_and_topics_that_are_gone_are_counted_and_left_alone() -> None:
    """Those of the other partition that there is are its owner's business."""
    site = _site(OrphanPolicy.END, partitions=2)
    for place in ("tickets-1", "tickets-2", "tickets-7", "tickets-7", "old-tickets-0"):
        site.vcd.seed(f"Lost [g/{place}/CHG1]")
    await site.start()
    await asyncio.sleep(20)
    homeless = (NAMESPACE, 4, ["old-tickets-0", "tickets-2", "tickets-7"])
    assert homeless in site.noted_of("homeless_seen")
    assert [document["status"] for document in site.vcd.documents.values()] == ["aborted"] + ["running"] * 4


@virtually
async def test_a_task_in_vcds_last_phase_is_an_orphan_too() -> None:
    site = _site(OrphanPolicy.REPORT)
    for status in ("queued", "preRunning", "running", "postRunning"):
        site.vcd.seed(mark(status), status=status)
    await site.start()
    await asyncio.sleep(10)
    assert {key for key, _ in _found(site)} == {"queued", "preRunning", "running", "postRunning"}


# --- when VCD cannot tell ---------------------------------------------------------------------------------------------


@virtually
async def test_vcd_is_asked_until_it_answers_and_tells_each_orphan_once() -> None:
    site = _site(OrphanPolicy.REPORT)
    site.vcd.seed(mark("CHG1"))
    site.vcd.seed(mark("CHG2"), namespace=OTHER)
    asked = 0

    def answer(query: TaskQuery) -> TaskPage | Unavailable:
        nonlocal asked
        asked += 1
        return Unavailable("away") if asked % 6 > 1 else site.vcd.rows(query)

    site.vcd.query = answer
    await site.start()
    await asyncio.sleep(120)
    assert sorted(_found(site)) == [("CHG1", "report"), ("CHG2", "report")]


@virtually
async def test_a_namespace_that_vcd_does_not_answer_for_hides_no_other() -> None:
    site = _site(OrphanPolicy.REPORT)
    for namespace in (NAMESPACE, OTHER):
        site.vcd.seed(mark(namespace), namespace=namespace)

    def refused(query: TaskQuery) -> TaskPage | ReadRefused:
        return ReadRefused(400, "bad filter") if query.service_namespace == NAMESPACE else site.vcd.rows(query)

    site.vcd.query = refused
    await site.start()
    await asyncio.sleep(10)
    assert _found(site) == [(OTHER, "report")]
    [(namespace, why)] = site.noted_of("orphans_unknown")
    assert namespace == NAMESPACE
    assert "bad filter" in why


@virtually
async def test_more_rows_than_are_read_are_told_and_those_that_were_read_are_judged() -> None:
    site = _site(OrphanPolicy.REPORT)
    site.vcd.seed(mark("CHG1"))
    row = site.vcd.row(site.vcd.tasks[urn(1)])

    def endless(query: TaskQuery) -> TaskPage:
        endless = query.service_namespace == NAMESPACE and "running" in query.statuses
        return TaskPage((row,), query.page, 10**6, None) if endless else page_of(query, [])

    site.vcd.query = endless
    await site.start()
    await asyncio.sleep(10)
    assert _found(site)[0] == ("CHG1", "report")
    assert len(site.noted_of("orphans_unknown")) == 1
    assert len([query for query in site.vcd.queries if query.service_namespace == NAMESPACE]) == MAX_PAGES + 1


@virtually
async def test_an_orphan_behind_thousands_of_others_is_found() -> None:
    """Both behind those that run, and behind those that wait for their start."""
    site = _site(OrphanPolicy.REPORT)
    for number in range(5200):
        site.vcd.seed(f"other {number}")
    for number in range(200):
        site.vcd.seed(f"other {number}", status="queued")
    await asyncio.sleep(10)
    site.vcd.seed(mark("CHG1"))
    site.vcd.seed(mark("CHG2"), status="queued")
    await site.start()
    await asyncio.sleep(60)
    assert sorted(_found(site)) == [("CHG1", "report"), ("CHG2", "report")]
    assert site.noted_of("orphans_unknown") == []
    assert (NAMESPACE, 5400) in site.noted_of("strangers_seen")


# --- rounds, and partitions -------------------------------------------------------------------------------------------


@virtually
async def test_what_a_round_took_over_in_vain_is_taken_over_again() -> None:
    site = _site(OrphanPolicy.END)
    for number in range(5):
        site.vcd.seed(mark(f"CHG{number}"))
    await site.start()
    site.fail_commits(3)
    await asyncio.sleep(30)
    for number in range(5):
        assert site.told(f"CHG{number}") == ["accepted running", "finished aborted -> aborted (orphaned)"]
    assert len(site.vcd.bodies("PUT")) == 5


@virtually
async def test_after_a_crash_the_same_orphan_is_the_same_lifecycle() -> None:
    site = _site(OrphanPolicy.END)
    site.vcd.seed(mark("CHG1"))

    async def never_answered(call: HttpCall) -> CallAnswer:
        site.vcd.keeping(call)
        await asyncio.sleep(3600)
        return NO_ANSWER

    site.vcd.on_call = never_answered
    await site.start()
    await asyncio.sleep(2)
    assert site.told("CHG1") == ["accepted running"]
    await site.next_owner()
    await asyncio.sleep(60)
    assert site.told("CHG1") == ["accepted running", "finished aborted -> aborted (orphaned)"]
    assert len({event["birth"] for event in site.events()}) == 1


@virtually
async def test_partitions_that_come_together_share_the_queries() -> None:
    site = _site(OrphanPolicy.REPORT, partitions=50)
    for number in range(50):
        site.vcd.seed(mark(f"CHG{number}", number))
    await site.start()
    await asyncio.sleep(30)
    assert sorted(_found(site)) == sorted((f"CHG{number}", "report") for number in range(50))
    assert [values[0].partition for values in site.noted_of("orphan_found")] == [
        int(values[1].removeprefix("CHG")) for values in site.noted_of("orphan_found")
    ]
    asked = [query for query in site.vcd.queries if query.service_namespace is not None]
    assert len(asked) <= 3 * 2 * 2


@virtually
async def test_partitions_of_others_are_judged_by_their_owners() -> None:
    site = _site(OrphanPolicy.END, partitions=2)
    for number in range(2):
        site.vcd.seed(mark(f"CHG{number}", number))
    await site.start()
    site.inbox.lose_everything()
    site.vcd.documents.clear()
    site.vcd.tasks.clear()
    for number in range(2):
        site.vcd.seed(mark(f"NEW{number}", number))
    site.inbox.assign([TopicPartition(TICKETS, 1)])
    await asyncio.sleep(20)
    assert (site.told("NEW0"), site.told("NEW1")[-1]) == ([], "finished aborted -> aborted (orphaned)")


@virtually
async def test_a_stalled_partition_takes_its_orphans_over_later() -> None:
    site = _site(OrphanPolicy.ADOPT)
    site.vcd.seed(mark("CHG1"))
    stalled = frozenset({TopicPartition(TICKETS, 0)})
    site.outcomes.extend([lambda entries: NotCommitted(stalled=stalled)] * 3)
    await site.start()
    await asyncio.sleep(60)
    assert site.told("CHG1") == ["accepted running"]
    assert list(site.tickets().found) == []


@pytest.mark.parametrize("policy", [OrphanPolicy.ADOPT, OrphanPolicy.END])
@virtually
async def test_what_is_found_twice_is_taken_over_once(policy: OrphanPolicy) -> None:
    site = _site(policy)
    site.vcd.seed(mark("CHG1"))
    await site.start()
    stalled = frozenset({TopicPartition(TICKETS, 0)})
    site.outcomes.extend([lambda entries: NotCommitted(stalled=stalled)] * 2)
    await asyncio.sleep(1.5)
    orphans = site.engine._p.orphans
    assert orphans is not None
    orphans.begin(site.tickets())
    await asyncio.sleep(2)
    assert len(site.tickets().found) == 2
    await asyncio.sleep(30)
    ended = ["finished aborted -> aborted (orphaned)"] if policy is OrphanPolicy.END else []
    assert site.told("CHG1") == ["accepted running", *ended]


@virtually
async def test_commands_of_the_round_that_ends_a_second_task_are_for_the_first() -> None:
    site = _site(OrphanPolicy.END)
    await site.start()
    site.create("CHG1")
    await asyncio.sleep(5)
    site.vcd.seed(f"twin {mark('CHG1')}")
    stalled = frozenset({TopicPartition(TICKETS, 0)})
    site.outcomes.extend([lambda entries: NotCommitted(stalled=stalled)] * 2)
    site.update("CHG1")
    orphans = site.engine._p.orphans
    assert orphans is not None
    orphans.begin(site.tickets())
    await asyncio.sleep(3)
    assert len(site.tickets().found) == 1
    site.update("CHG1", details="for the first")
    await asyncio.sleep(30)
    assert site.vcd.shown(1)["details"] == "for the first"
    assert site.vcd.shown(2)["status"] == "aborted"
    assert "rejected" not in [event["change"] for event in site.of("CHG1")]
