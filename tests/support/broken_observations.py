"""What can be wrong with observations, one thing at a time, and what the checker has to say of it."""

from __future__ import annotations

from dataclasses import replace

from tests.support.breaking import said
from tests.support.checker.evidence import TIMED_OUT, ObservationRecord, StateWrite, VcdTask
from tests.support.made import Made
from tests.support.made_observation import ACME, GLOBEX, Watched


def birth(made: Made, key: str, kind: str = "start", nth: int = 0) -> str:
    return record(made, key, kind, nth).birth


def record(made: Made, key: str, kind: str = "start", nth: int = 0) -> ObservationRecord:
    records = (one for one in made.inputs if isinstance(one, ObservationRecord))
    return [one for one in records if (one.name, one.kind) == (key, kind)][nth]


def stories(made: Made, task_id: str, order: str) -> list[str]:
    """Births of what an observation has seen of a Task."""
    writes = (one for one in made.writes if isinstance(one, StateWrite) and one.sighting is not None)
    births = (one.birth for one in writes if (one.sighting.task_id, one.sighting.order) == (task_id, order))  # type: ignore[union-attr]
    return list(dict.fromkeys(births))


def first(made: Made, task_id: str, key: str = "acme", nth: int = 0) -> str:
    return stories(made, task_id, birth(made, key, nth=nth))[0]


def steps(made: Made, key: str, nth: int = 0) -> list[StateWrite]:
    """The states in which an observation is followed."""
    return [write for write in made.states(birth(made, key, nth=nth)) if write.phase == "following"]


def forget(made: Made, story: str) -> None:
    """Neither told nor stored."""
    made.remove(*made.story(story), *made.states(story))


ANEW = 2
"""Which start of acme begins a second observation; the one before it repeats the first."""

# --- records ----------------------------------------------------------------------------------------------------------


@said(r"I1 .*nobody, stop.*: told \['rejected'\] without an observation")
def a_stop_is_answered_wrongly(made: Made) -> None:
    made.story(birth(made, "nobody", "stop"))[0]["reason"] = {"code": "observation_stopped"}


@said("I1 .*nobody, stop.*: there was no observation that it could be about, and nobody was told")
def a_stop_of_nothing_is_swallowed(made: Made) -> None:
    made.remove(*made.story(birth(made, "nobody", "stop")))


@said("I3 .*globex, start.*: begun while obs/0/.* goes on")
def two_observe_one_organization(made: Made) -> None:
    late = made.states(birth(made, "globex"))[-1]
    second = Watched(made, "globex", GLOBEX).begin()
    second.refused("unknown_organization")
    made.change(late, at=made.now)


@said("I1 .*acme, start.*: ended success, but the store still observes, stopping")
def ended_and_stored(made: Made) -> None:
    made.remove(made.states(birth(made, "acme"))[-1])


@said("I1 .*acme, start.*: nothing observes any more, and no end was told")
def it_ends_in_silence(made: Made) -> None:
    made.remove(made.story(birth(made, "acme"))[-1])


@said("I1 .*late, start.*: still resolving though nothing holds it up")
def it_is_never_followed(made: Made) -> None:
    Watched(made, "late", None).begin()


@said("I1 .*acme, start.*: goes on though .*acme, stop.* stops it")
def a_stop_is_swallowed(made: Made) -> None:
    watched = Watched(made, "acme", ACME)
    watched.passed(watched.send({"action": "stop"}))


# --- what is told -----------------------------------------------------------------------------------------------------


@said("I10 .*task:observed, observed.*: told anew, .* had told it as ended error")
def told_anew_after_its_end(made: Made) -> None:
    _again(made, "task:observed")


@said("I10 .*task:recent, observed.*: told anew, .* had told it as unfinished")
def told_anew_before_its_end(made: Made) -> None:
    _again(made, "task:recent")
    story = first(made, "task:recent")
    made.remove(made.story(story)[-1])
    made.change(made.states(story)[0], sequence=0, phase="following")


def _again(made: Made, task_id: str, nth: int = 0) -> None:
    """The last story of a Task once more, under another birth."""
    story = first(made, task_id, nth=nth)
    for event in made.story(story):
        another = {**event, "birth": f"{story}9", "event_id": f"{story}9#{event['sequence']}"}
        made.events.append(another)
        made.event_transactions[another["event_id"]] = made.event_transactions[event["event_id"]]
    for write in made.states(story):
        made.writes.insert(made.writes.index(write) + 1, replace(write, birth=f"{story}9"))


@said("I10 .*task:short, observed.*: tells task:observed")
def told_under_another_task(made: Made) -> None:
    (event,) = made.story(first(made, "task:short"))
    event["task"] = {**event["task"], "id": "task:observed", "status": "success"}


@said("I10 .*task:goes-on, observed.*: is of uuid-globex, which .* does not observe")
def told_of_another_organization(made: Made) -> None:
    made.tasks["task:goes-on"] = replace(made.tasks["task:goes-on"], organization=GLOBEX)


@said("I10 .*task:short, observed.*: ended .* s before what was asked for")
def told_though_it_ended_long_ago(made: Made) -> None:
    _ended(made, "task:short", made.states(birth(made, "acme"))[0].at - 1.0)


def _ended(made: Made, task_id: str, at: float) -> None:
    """Its true end, and what is told of it."""
    made.tasks[task_id] = replace(made.tasks[task_id], ended=at)
    made.story(first(made, task_id))[-1]["task"]["endTime"] = int(at * 1000)


@said("I10 .*task:comes-back, observed.*: told that it has vanished, but VCD shows it as running")
def it_was_there_all_the_time(made: Made) -> None:
    known = made.tasks["task:comes-back"]
    away = known.hidden[0][0] + 50.0
    made.tasks["task:comes-back"] = replace(known, hidden=[(away, away + 1.0)])


@said("I10 .*task:short, observed.*: told success, but it runs")
def told_as_ended_though_it_runs(made: Made) -> None:
    made.tasks["task:short"] = replace(made.tasks["task:short"], ended=None)


@said(r"I10 .*task:short, observed.*: told to have ended -1.00. s off its true end")
def told_with_another_end(made: Made) -> None:
    (event,) = made.story(first(made, "task:short"))
    event["task"]["endTime"] -= 1000


@said("I10 .*acme, start.*: task:short ended .* s before its last position, it is not told")
def never_observed(made: Made) -> None:
    forget(made, first(made, "task:short"))


@said("I10 .*acme, start.*: task:observed ended .* s before its last position, its end is not told")
def its_end_is_never_told(made: Made) -> None:
    story = first(made, "task:observed")
    told, running, kept = made.story(story)[-1], *made.states(story)[:2]
    made.remove(told, kept)
    assert running.phase == "following"


@said("I10 .*: task:unseen runs since .* s, and is not told")
def never_told_though_it_runs(made: Made) -> None:
    began = steps(made, "*")[0].at - 60.0
    made.tasks["task:unseen"] = VcdTask(status="running", organization="uuid-of-others", began=began)
    made.now += 10.0


# --- within an observation --------------------------------------------------------------------------------------------


@said("I7 .*task:recent, observed.*: left in the store, kept behind the end of obs/0/0")
def something_is_left(made: Made) -> None:
    made.remove(made.states(first(made, "task:recent"))[-1])


@said("I7 .*task:recent, observed.*: left in the store, forgotten behind the end of obs/0/0")
def something_is_forgotten_too_late(made: Made) -> None:
    write = made.states(first(made, "task:recent"))[-1]
    made.remove(write)
    made.writes.append(replace(write, offset=made.states(birth(made, "acme"))[-1].offset + 1, transaction=999))


@said("I10 .*task:goes-on, observed.*: seen by obs/0/99, which was never followed")
def seen_by_nobody(made: Made) -> None:
    for write in made.states(first(made, "task:goes-on", nth=ANEW)):
        assert write.sighting is not None
        made.change(write, sighting=replace(write.sighting, order="obs/0/99"))


@said("I10 .*task:observed, observed.*#1: told .* s before its observation was accepted")
def told_too_early(made: Made) -> None:
    made.story(first(made, "task:observed"))[0]["observed_at"] = made.story(birth(made, "acme"))[0]["observed_at"] - 1


@said("I10 .*task:recent, observed.*#1: told .* s after its observation was stopped")
def told_after_the_stop(made: Made) -> None:
    stopping = next(write for write in made.states(birth(made, "acme")) if write.phase == "stopping")
    made.story(first(made, "task:recent"))[0]["observed_at"] = int(stopping.at * 1000) + 200


@said("I10 .*task:recent, observed.*#1: told .* s after its observation had ended")
def observed_after_the_end(made: Made) -> None:
    made.story(first(made, "task:recent"))[0]["observed_at"] = made.story(birth(made, "acme"))[-1]["observed_at"] + 100


# --- how far it has come ----------------------------------------------------------------------------------------------


@said("I7 .*acme, start.*: offset .* of .* moves it from .* back to .*")
def it_goes_back(made: Made) -> None:
    before, after = steps(made, "acme")[-2:]
    made.change(before, order=after.order)
    made.change(after, order=before.order)


@said("I7 .*acme, start.*: offset .* has its floor above its position")
def its_floor_is_too_high(made: Made) -> None:
    stopping = next(write for write in made.states(birth(made, "acme")) if write.phase == "stopping")
    assert stopping.order is not None
    made.change(stopping, order=replace(stopping.order, floor=stopping.order.position + 1.0))


@said("I10 .*acme, start.*: begins .* s after its record was taken in")
def it_begins_too_late(made: Made) -> None:
    resolving = made.states(birth(made, "acme"))[0]
    made.change(resolving, at=resolving.at - 60.0)


@said(r"I10 .*\*, start.*: its position is .* s behind the present")
def it_stands_still(made: Made) -> None:
    made.remove(steps(made, "*")[-1])
    made.settings["judged_at"] += 30.0


@said("I8 .*task:of-globex, observed.*: kept though it ended .* s before what windows show")
def it_is_kept_for_ever(made: Made) -> None:
    last = steps(made, "*")[-1]
    assert last.order is not None
    later = last.at + 100.0
    made.change(last, order=replace(last.order, position=later, floor=later - 30.0))
    made.settings["judged_at"] = later + 30.0
    again = steps(made, "acme", ANEW)[-1]
    assert again.order is not None
    made.change(again, order=replace(again.order, position=later))


# --- blocking tasks ---------------------------------------------------------------------------------------------------


def _blocked(made: Made, urn: str, **changes: object) -> None:
    made.settings["blocked"][urn] = replace(made.settings["blocked"][urn], **changes)


@said("I10 .*blocking:decided, observed.*: its end is told 2 times")
def a_decision_is_told_twice(made: Made) -> None:
    _again(made, "blocking:decided", nth=ANEW)


@said("I10 .*blocking:still, observed.*: told anew, though .* is not over")
def it_is_told_twice_that_something_waits(made: Made) -> None:
    _again(made, "blocking:still", nth=ANEW)


@said("I10 .*blocking:still, observed.*: nobody wants to hear of blocking tasks")
def told_though_nobody_wants_it(made: Made) -> None:
    for write in made.states(birth(made, "acme", nth=ANEW)):
        if write.order is not None:
            made.change(write, order=replace(write.order, blocking=False))


@said("I10 .*blocking:still, observed.*: waits in uuid-globex, which obs/0/.* does not observe")
def told_of_what_others_have_held(made: Made) -> None:
    _blocked(made, "blocking:still", organization=GLOBEX)


@said("I10 .*blocking:decided, observed.*: told aborted, but it waits")
def told_as_decided_though_it_waits(made: Made) -> None:
    _blocked(made, "blocking:decided", decided=None, until=None)


@said("I10 .*blocking:decided, observed.*: told aborted, but somebody decided resume")
def observed_as_decided_otherwise(made: Made) -> None:
    _blocked(made, "blocking:decided", decided="resume")


@said("I10 .*blocking:decided, observed.*: told aborted, but its time ran out")
def a_time_out_is_told_as_a_decision(made: Made) -> None:
    _blocked(made, "blocking:decided", decided=TIMED_OUT)


@said("I10 .*blocking:decided, observed.*: told timed_out, but somebody decided abort")
def a_decision_is_told_as_the_time_out_that_is_to_come(made: Made) -> None:
    made.story(first(made, "blocking:decided", nth=ANEW))[-1]["blocking_state"] = "timed_out"
    _blocked(made, "blocking:decided", timeout=made.now + 100, timeout_action="abort")


@said("I10 .*acme, start.*: blocking:still waits since .* s, and is not told")
def never_told_that_it_waits(made: Made) -> None:
    forget(made, first(made, "blocking:still", nth=ANEW))
    _much_later(made)


@said("I10 .*blocking:still, observed.*: was decided long ago, and is told to wait")
def never_told_that_it_was_decided(made: Made) -> None:
    _blocked(made, "blocking:still", decided="fail", until=made.now)
    _much_later(made)


def _much_later(made: Made) -> None:
    """Positions have come so far."""
    made.settings["judged_at"] += 60.0
    for key, nth in (("acme", ANEW), ("*", 0)):
        last = steps(made, key, nth)[-1]
        assert last.order is not None
        made.change(last, order=replace(last.order, position=made.settings["judged_at"]))
