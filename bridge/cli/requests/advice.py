"""What the bridge would make of an operator's word: asked of the very function that will decide it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bridge.core.action_request import decide
from bridge.core.inputs import CancelWanted, ResolveWanted, RetryWanted
from bridge.core.lifecycle import Ended, Kind, Lifecycle, Phase
from bridge.core.requests import Resolution
from bridge.core.rules import OperationFacts, Rules

Wanted = CancelWanted | RetryWanted | ResolveWanted

FactsOf = Callable[[str | None], OperationFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """A verb that would be accepted now, as it is typed, and what it does."""

    command: str
    effect: str


@dataclass(frozen=True, slots=True)
class Judge:
    """``now``, the settings' rules and the catalogue's facts: what a decision depends on besides the lifecycle."""

    now: datetime
    facts_of: FactsOf
    rules: Rules

    def objection(self, target: Lifecycle | Ended | None, name: str, wanted: Wanted) -> str | None:
        """Why the bridge would refuse that, or None. It may know better by the time it reads the record."""
        if target is None:
            wait = int(self.rules.unknown_cancel_wait.total_seconds())
            return f"the store knows no {name!r}; where it does not come within {wait} s the record is rejected"
        if isinstance(target, Ended):
            return f"{name!r} has already ended ({target.outcome})"
        if target.kind is Kind.EXTERNAL_TASK:
            return f"{name!r} is an external task, which its own commands drive"
        if target.observation is not None:
            return f"{name!r} is of an observation, which a start or a stop of its organization drives"
        if target.kind is Kind.CONTROL:
            return f"{name!r} is itself a record that waits for another request"
        return decide(self.now, target, wanted, self.facts_of(target.operation), self.rules).refusal

    def possible(self, one: Lifecycle) -> list[Possible]:
        """What would be accepted now."""
        if one.kind is Kind.EXTERNAL_TASK:
            return _for_external(one)
        if one.kind is Kind.OBSERVATION:
            return _for_observation(one)
        if one.kind is Kind.CONTROL or one.request_id is None:
            return []
        name = _typed(one.request_id, one)
        tried: list[tuple[Wanted, Possible]] = [
            (RetryWanted(None), Possible(command=f"requests retry {name}", effect=_RETRY)),
            (
                ResolveWanted(Resolution(outcome="success"), None),
                Possible(command=f"requests resolve {name} --outcome success|error|… --reason …", effect=_CLOSE),
            ),
            (
                ResolveWanted(Resolution(task_href=_ANY_TASK), None),
                Possible(command=f"requests resolve {name} --task HREF --reason …", effect=_FOLLOW),
            ),
            (CancelWanted(None), Possible(command=f"requests cancel {name}", effect=_cancel_effect(one))),
        ]
        return [verb for wanted, verb in tried if self.objection(one, one.request_id, wanted) is None]

    def impossible(self, one: Lifecycle) -> str | None:
        """Why a parked request cannot simply be tried again, where that is so."""
        if one.kind is not Kind.ACTION_REQUEST or one.phase is not Phase.PARKED:
            return None
        return self.objection(one, one.request_id or str(one.birth), RetryWanted(None))


_ANY_TASK = "/task/00000000-0000-4000-8000-000000000000"
_RETRY = "calls again: your word that the calls so far did nothing; start_by is dropped, the lane is held again"
_CLOSE = "ends the story with that outcome; nothing is called"
_FOLLOW = "takes that Task for this request's and follows it to its end; it must be nobody else's"


def _typed(name: str, one: Lifecycle) -> str:
    """How a stranger's name is typed at a shell, where it must run nothing; its birth where it cannot be typed."""
    return shlex.quote(name if name.isprintable() and not name.startswith("-") else str(one.birth))


def _cancel_effect(one: Lifecycle) -> str:
    match one.phase:
        case Phase.RESOLVING | Phase.RECEIVED | Phase.WAITING if one.unsure_code is None:
            return "ends it: nothing is called"
        case Phase.PARKED:
            return "gives it up: ends as canceled, and what VCD did stays unknown"
        case Phase.FOLLOWING if one.cancel_wanted and not (one.cancel_sent and not one.cancel_requested):
            return "is asked of VCD already; a further one changes nothing"
        case Phase.FOLLOWING:
            return "asks VCD to cancel the Task; what VCD makes of it is told"
        case _:
            return "counts once it is known what became of the call"


def _for_external(one: Lifecycle) -> list[Possible]:
    if one.external_key is None or one.left_over:
        return []
    key = shlex.quote(one.external_key)
    found = [Possible(command=f"send --external finish --key {key} --field status=…", effect="ends the task in VCD")]
    if one.phase is Phase.PARKED:
        again = "makes the bridge look for its Task again; what is not found is made"
        found.insert(0, Possible(command=f"send --external update --key {key} --field details=…", effect=again))
    return found


def _for_observation(one: Lifecycle) -> list[Possible]:
    if one.phase is Phase.STOPPING:
        return []
    stop = f"send --observation stop --organization {_typed(one.organization or '', one)}"
    return [Possible(command=stop, effect="ends it: nothing more is told of its organization's Tasks")]


def external_way(verb: str, target: Lifecycle) -> str:
    """Which command of ``send`` does to an external task what that verb does to a request."""
    key = shlex.quote(target.external_key or "")
    match verb:
        case "retry":
            return f"vcd-bridge send --external update --key {key} --field details=… (any command looks again)"
        case "cancel":
            return f"vcd-bridge send --external finish --key {key} --field status=canceled"
        case _:
            return f"vcd-bridge send --external finish --key {key} --field status=success"


def known_as(target: Lifecycle | Ended | None, given: str) -> str:
    """The request id that a record about it has to name."""
    return target.request_id if target is not None and target.request_id is not None else given
