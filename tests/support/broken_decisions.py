"""What can be wrong with decisions on what Cloud Director holds."""

from __future__ import annotations

from tests.support.breaking import said
from tests.support.made import LOOKED, Made

HELD = "30000000-0000-4000-8000-000000000001"


def decision(made: Made, request_id: str, operation: str = "resumeBlockingTask") -> str:
    """A request about what is held, called and carried out."""
    birth = made.open(request_id, operation, HELD)
    made.call(birth, 204, effect=True)
    return birth


@said("I2 .*: decided 2 times, by call .* and call .*")
def decided_twice(made: Made) -> None:
    for request_id in ("once", "twice"):
        made.over(decision(made, request_id), "success", None)


@said("I4 .*done.*: told that it has decided resume, but it is abort")
def decided_by_somebody_else(made: Made) -> None:
    made.settings["decided"] = {HELD: "abort"}
    made.over(decision(made, "done"), "success", "proven_by_state", evidence=LOOKED)


@said("I4 .*late.*: told not_held, but it is held still")
def told_as_too_late(made: Made) -> None:
    made.settings["decided"] = {HELD: None}
    late = made.open("late decision", "abortBlockingTask", HELD)
    made.over(late, "rejected", "not_held")


@said("I4 .*other.*: told that it was decided otherwise, but it is fail")
def told_as_decided_otherwise(made: Made) -> None:
    made.settings["decided"] = {HELD: "fail"}
    made.over(made.open("another", "failBlockingTask", HELD), "rejected", "decided_otherwise")
