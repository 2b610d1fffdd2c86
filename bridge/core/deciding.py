"""One input applied to one lifecycle, whatever its kind."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never, cast

from bridge.core import action_request
from bridge.core.action_request import decide as decide_action_request
from bridge.core.commands import Decision
from bridge.core.control import ControlInput, decide_control
from bridge.core.external.lifecycle import decide_external, next_wake_external
from bridge.core.inputs import AnyInput, BlockingInput, ExternalInput, Input, ObservedInput, OrderInput
from bridge.core.lifecycle import Kind, Lifecycle, StoredRequest
from bridge.core.observation.blocking import decide_blocking
from bridge.core.observation.order import decide_order
from bridge.core.observation.task import decide_observed
from bridge.core.observation_rules import ObservationRules
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
        case Kind.OBSERVATION:
            return decide_order(now, lifecycle, cast("OrderInput", event), rules.observation or ObservationRules())
        case Kind.OBSERVED_TASK:
            return decide_observed(now, lifecycle, cast("ObservedInput", event), rules)
        case Kind.BLOCKING_TASK:
            return decide_blocking(now, lifecycle, cast("BlockingInput", event))
        case _:
            assert_never(lifecycle.kind)


def next_wake(lifecycle: Lifecycle, rules: Rules, after: datetime | None = None) -> datetime | None:
    """The next moment at which ``Woke`` can change this lifecycle, or a waiting one may compete for a permit again.

    Moments up to ``after`` have been dealt with and are left out.
    """
    if lifecycle.kind is Kind.EXTERNAL_TASK:
        return next_wake_external(lifecycle, after)
    if lifecycle.observation is not None:
        return None
    return action_request.next_wake(lifecycle, rules, after)
