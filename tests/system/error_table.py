"""What Cloud Director's answers, and what is no answer, become: a table that is tried on a whole bridge, and printed.

Rows: HTTP status tables of the VCD API Programming Guide, minor error codes of VMware's bindings, texts that users of
VMware's clients report (go-vcloud-director #616, #780).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

OPERATIONS = {"probe": "deployVApp", "never_retry": "createSnapshot"}
"""One operation of each recovery class that the answers make a difference to; the others repeat as ``probe`` does."""


@dataclass(frozen=True, slots=True)
class End:
    """``reason``: code that the events tell, if any; ``looked``: they carry what a look for the Task has found.

    ``calls`` reached Cloud Director, ``or_more`` if the entity stays busy; ``effects`` of them did something.
    """

    does: str
    event: str
    outcome: str | None
    reason: str | None
    calls: int
    effects: int
    looked: bool = False
    or_more: bool = False


FOLLOWED = End("follows the Task", "`success`", "success", None, 1, 1)
AGAIN = End("confirms or renews the session, calls again", "`success`", "success", None, 2, 1)
FOUND = End("looks, finds the Task, follows it", "`success`", "success", None, 1, 1, looked=True)
REPEATED = End(
    "looks, finds nothing, the state is as before: calls again", "`success`", "success", None, 2, 1, looked=True
)
PARKED = End(
    "looks, finds nothing: leaves it to a person", "`parked`, `outcome_unknown`", None, "outcome_unknown", 1, 0,
    looked=True,
)  # fmt: skip


def refused(code: str) -> End:
    return End("tells the refusal", f"`rejected`, `{code}`", "rejected", code, 1, 0)


def waits(code: str, *, or_more: bool = False) -> End:
    return End("waits, calls again", f"`waiting`, `{code}`, then `success`", "success", code, 2, 1, or_more=or_more)


class When(Enum):
    BEFORE = "before"
    AFTER = "after"
    EITHER = "-"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, met by the first call of a request of each class, and what becomes of it.

    ``effect``: whether the call is carried out all the same. ``holds``: it holds up all other requests as well.
    ``occupied``: instead of a fault somebody else's Task is on the entity.
    """

    answer: str
    fault: Mapping[str, Any]
    effect: When
    ends: Mapping[str, End]
    holds: bool = False
    occupied: bool = False

    def request_id(self, recovery: str) -> str:
        return f"{self.answer} {self.effect.value} {recovery}"


def _alike(answer: str, fault: Mapping[str, Any], end: End, *, occupied: bool = False) -> Row:
    """The recovery class makes no difference."""
    return Row(answer, fault, When.EITHER, dict.fromkeys(OPERATIONS, end), occupied=occupied)


def _unknown(answer: str, fault: Mapping[str, Any]) -> Iterator[Row]:
    """An answer that does not tell whether the call was carried out: tried both ways."""
    before = {"probe": REPEATED, "never_retry": PARKED}
    yield Row(answer, {**fault, "effect": False}, When.BEFORE, before)
    yield Row(answer, {**fault, "effect": True}, When.AFTER, dict.fromkeys(OPERATIONS, FOUND))


def _status(status: int, **further: Any) -> dict[str, Any]:
    return {"status": status, **further}


def _code(status: int, code: str, message: str = "") -> dict[str, Any]:
    return {"status": status, "minor_code": code, "message": message}


PLAIN_BUSY = "The entity vapp-9 is busy, cannot proceed with the operation."

ROWS: tuple[Row, ...] = (
    _alike("202 with a Task", {"do": "delay"}, FOLLOWED),
    _alike("the same, late", {"do": "delay", "seconds": 0.3}, FOLLOWED),
    _alike("the same, byte by byte", {"do": "slow", "bytes_per_second": 8000}, FOLLOWED),
    _alike("the same as `text/html`", {"preset": "wrong-type"}, FOLLOWED),
    _alike("the same, clock off by 90 s", {"preset": "clock-skew"}, FOLLOWED),
    *_unknown("303 with `Location`", _status(303, headers={"Location": "https://elsewhere.example/"}, body="")),
    *_unknown("302 to another host", {"preset": "redirect"}),
    *_unknown("200 with a login page", {"preset": "login-page"}),
    _alike("400 `BAD_REQUEST`", _code(400, "BAD_REQUEST"), refused("BAD_REQUEST")),
    _alike("400 `BUSY_ENTITY` that names the Task", {}, waits("BUSY_ENTITY", or_more=True), occupied=True),
    _alike("400 `BUSY_ENTITY`, old text", {"preset": "busy"}, waits("BUSY_ENTITY")),
    _alike("400 `BAD_REQUEST` whose text says busy", _code(400, "BAD_REQUEST", PLAIN_BUSY), waits("BUSY_ENTITY")),
    _alike("400 `OPERATION_LIMITS_EXCEEDED`", {"preset": "operation-limits"}, waits("OPERATION_LIMITS_EXCEEDED")),
    _alike("400 `INVALID_STATE`", _code(400, "INVALID_STATE"), refused("INVALID_STATE")),
    _alike("400 `DUPLICATE_NAME`", _code(400, "DUPLICATE_NAME"), refused("DUPLICATE_NAME")),
    _alike("401, empty", {"preset": "session-expired"}, AGAIN),
    _alike("403", _status(403), refused("ACCESS_TO_RESOURCE_IS_FORBIDDEN")),
    _alike("404", _status(404), refused("RESOURCE_NOT_FOUND")),
    _alike("404 of a proxy", _status(404, body="<h1>Not Found</h1>"), refused("HTTP_404")),
    _alike("405", _status(405), refused("METHOD_NOT_ALLOWED")),
    _alike("406", _status(406), refused("NOT_ACCEPTABLE")),
    *_unknown("408", _status(408, body="")),
    _alike("409 `CONFLICT`", _status(409), refused("CONFLICT")),
    _alike("415", _status(415), refused("UNSUPPORTED_MEDIA_TYPE")),
    _alike("416, empty", _status(416, body=""), refused("HTTP_416")),
    _alike("429", _status(429, body=""), waits("HTTP_429")),
    Row("429 with `Retry-After`: all wait", _status(429, body="", retry_after=1), When.EITHER,
        {"probe": waits("HTTP_429")}, holds=True),
    *_unknown("500", _status(500)),
    *_unknown("500 around a rate limit", {"preset": "wrapped-rate-limit"}),
    *_unknown("502 of a proxy", {"preset": "bad-gateway"}),
    *_unknown("503 `SERVICE_NOT_READY`", {"preset": "starting"}),
    *_unknown("504 of a proxy", {"preset": "gateway-timeout"}),
    *_unknown("connection closed", {"do": "drop"}),
    *_unknown("connection reset", {"do": "reset"}),
    *_unknown("no answer in time", {"do": "hang"}),
    Row("half of an answer, whole head", {"preset": "half-answer"}, When.AFTER, dict.fromkeys(OPERATIONS, FOLLOWED)),
)  # fmt: skip


READS: Mapping[str, Mapping[str, Any]] = {
    "302 to another host": {"preset": "redirect"},
    "303 with `Location`": _status(303, headers={"Location": "https://elsewhere.example/"}, body=""),
    "200 with a login page": {"preset": "login-page"},
    "401, empty": {"preset": "session-expired"},
    "403 of a proxy": _status(403, body="<h1>Forbidden</h1>"),
    "404 of a proxy": _status(404, body="<h1>Not Found</h1>"),
    "429": _status(429, body=""),
    "500 around a rate limit": {"preset": "wrapped-rate-limit"},
    "502 of a proxy": {"preset": "bad-gateway"},
    "503 `SERVICE_NOT_READY`": {"preset": "starting"},
    "504 of a proxy": {"preset": "gateway-timeout"},
    "connection closed": {"preset": "lost-answer"},
    "connection reset": {"do": "reset"},
    "no answer in time": {"do": "hang"},
    "half of an answer": {"preset": "half-answer"},
    "byte by byte": {"do": "slow", "bytes_per_second": 8000},
}
"""Answers to looks at a Task that is followed; after each of them it is looked again."""


def printed() -> str:
    """The table as Markdown."""
    head = "| answer to a call | carried out | recovery class | the bridge | events | calls (effects) |"
    return "\n".join([head, "|---|---|---|---|---|---|", *(line for row in ROWS for line in _lines(row))])


def _lines(row: Row) -> Iterator[str]:
    ends = list(dict.fromkeys(row.ends.values()))
    for end in ends:
        classes = (
            "any"
            if len(row.ends) == len(OPERATIONS) and len(ends) == 1
            else " ".join(f"`{one}`" for one, its in row.ends.items() if its is end)
        )
        calls = f"{end.calls} or more" if end.or_more else end.calls
        carried_out = {When.BEFORE: "no", When.AFTER: "yes", When.EITHER: "-"}[row.effect]
        yield f"| {row.answer} | {carried_out} | {classes} | {end.does} | {end.event} | {calls} ({end.effects}) |"
