"""What can be wrong after somebody has moved offsets, removed records or lost a store."""

from __future__ import annotations

from tests.support.breaking import said
from tests.support.broken_steps import birth
from tests.support.checker.evidence import Refusal, StateWrite, Stop, VcdTask
from tests.support.made import NEXT_WRITER, TOPIC, WRITER, Made

PLACE = TOPIC, 0


def handover(made: Made) -> StateWrite:
    """The first state that the next owner wrote."""
    return next(one for one in made.writes if isinstance(one, StateWrite) and one.writer == NEXT_WRITER)


@said("I1 in/0: group-one wrote offset .* while its offset was ahead of the store, since 1000.0")
def taken_though_its_offset_is_ahead(made: Made) -> None:
    made.settings["refused"] = [Refusal(topic=TOPIC, partition=0, since=1_000.0, until=1_002.0)]


@said("I1 .*plain.*: call .* was made while its offset was ahead of the store")
def called_though_its_offset_is_ahead(made: Made) -> None:
    (call,) = made.calls(birth(made, "plain"))
    made.settings["refused"] = [Refusal(topic=TOPIC, partition=0, since=call.at - 5.0, until=call.at + 0.1)]


@said("I7 in/0: group-two took a store that lacks .*, lost at")
def a_lost_store_is_taken(made: Made) -> None:
    made.settings["lost_stores"] = {PLACE: handover(made).at}


@said("I1 in/0: group-one stopped at .*: too old")
def a_partition_is_refused_without_cause(made: Made) -> None:
    at = handover(made).at
    made.settings["lost_stores"] = {("in", 1): at - 10.0}
    made.settings["stops"] = [stop(WRITER, at - 1.0), stop(WRITER, at + 1.0)]  # the second is another's by then


def stop(process: str, at: float) -> Stop:
    return Stop(process=process, topic=TOPIC, partition=0, at=at, why="too old")


@said("I4 .*vanished.*: told that its Task has vanished, but VCD shows it")
def it_has_not_vanished(made: Made) -> None:
    gone = next(task_id for task_id, task in made.tasks.items() if not task.visible and "vanished" in task_id)
    made.tasks[gone] = VcdTask(status="running")
