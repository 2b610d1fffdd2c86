"""One input applied to one lifecycle, whatever its kind."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never, cast

from bridge.core import action_request
from bridge.core.action_request import decide as decide_action_request
from bridge.core.commands import Decision
from bridge.core.control import ControlInput, decide_control
from bridge.core.external.lifecycle import decide_external, next_wake_external
from bridge.core.inputs import AnyInput, ExternalInput, Input
from bridge.core.lifecycle import Kind, Lifecycle, StoredRequest
from bridge.core.rules import OperationFacts, Rules


def decide(
    now: datetime,
    lifecycle: Lifecycle,
    event: AnyInput | ControlInput,
    request: StoredRequest | None,
    facts: OperationFacts,
    rules: Rules,
) -> Decision:
    """Each kind's table refuses what is not an input of it.

    Raises InvariantViolation for an input that the kind's table does not know in this phase.
    """
    match lifecycle.kind:
        case Kind.ACTION_REQUEST:
            return decide_action_request(now, lifecycle, cast("Input", event), facts, rules)
        case Kind.EXTERNAL_TASK:
            return decide_external(now, lifecycle, cast("ExternalInput", event), request, rules)
        case Kind.CONTROL:
            return decide_control(now, lifecycle, cast("ControlInput", event))
        case _:
            assert_never(lifecycle.kind)


def next_wake(lifecycle: Lifecycle, rules: Rules, after: datetime | None = None) -> datetime | None:
    """The next moment at which ``Woke`` can change this lifecycle, or a waiting one may compete for a permit again.

    Moments up to ``after`` have been dealt with and are left out.
    """
    if lifecycle.kind is Kind.EXTERNAL_TASK:
        return next_wake_external(lifecycle, after)
    return action_request.next_wake(lifecycle, rules, after)
