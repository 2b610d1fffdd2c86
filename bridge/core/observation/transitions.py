"""The transition tables of an observation and of what it sees: the contracts that every decision is checked against."""

from __future__ import annotations

from bridge.core.inputs import (
    BlockingInput,
    ChangeWanted,
    Emptied,
    LeftBehind,
    NotReferenced,
    ObservedInput,
    OrderInput,
    OrganizationKnown,
    ReferenceUnanswered,
    Restored,
    StopWanted,
)
from bridge.core.lifecycle import Phase
from bridge.core.observation_seen import BlockingGone, LookOver, SeenBlocking, SeenMissing, SeenTask

_R, _F, _S, _K, _E = Phase.RESOLVING, Phase.FOLLOWING, Phase.STOPPING, Phase.KEPT, Phase.ENDED

ORDER_TRANSITIONS: dict[Phase, dict[type[OrderInput], frozenset[Phase]]] = {
    _R: {
        OrganizationKnown: frozenset({_F}),
        NotReferenced: frozenset({_E}),
        ReferenceUnanswered: frozenset({_R}),
        ChangeWanted: frozenset({_R}),
        StopWanted: frozenset({_E}),
        Restored: frozenset({_R}),
    },
    _F: {
        LookOver: frozenset({_F}),
        ChangeWanted: frozenset({_F}),
        StopWanted: frozenset({_S}),
        Restored: frozenset({_F}),
    },
    _S: {
        Emptied: frozenset({_E}),
        Restored: frozenset({_S}),
    },
    _E: {},
}
"""Phase of a standing order -> input -> phases that may follow."""

_READ: frozenset[type[OrderInput]] = frozenset({OrganizationKnown, NotReferenced, ReferenceUnanswered})

ORDER_LATE: dict[Phase, frozenset[type[OrderInput]]] = {
    _R: frozenset({LookOver, Emptied}),
    _F: _READ | {Emptied},
    _S: _READ | {LookOver, ChangeWanted, StopWanted},
    _E: _READ | {LookOver, ChangeWanted, StopWanted, Emptied, Restored},
}
"""Inputs that can arrive after the phase has moved on and change nothing."""

OBSERVED_TRANSITIONS: dict[Phase, dict[type[ObservedInput], frozenset[Phase]]] = {
    _F: {
        SeenTask: frozenset({_F, _K}),
        SeenMissing: frozenset({_K}),
        LeftBehind: frozenset({_E}),
    },
    _K: {LeftBehind: frozenset({_E})},
    _E: {},
}
"""Phase of an observed Task -> input -> phases that may follow."""

OBSERVED_LATE: dict[Phase, frozenset[type[ObservedInput]]] = {
    _F: frozenset(),
    _K: frozenset({SeenTask, SeenMissing}),
    _E: frozenset({SeenTask, SeenMissing, LeftBehind}),
}
"""What a look shows of a Task whose end is told changes nothing."""

BLOCKING_TRANSITIONS: dict[Phase, dict[type[BlockingInput], frozenset[Phase]]] = {
    _F: {
        SeenBlocking: frozenset({_F}),
        BlockingGone: frozenset({_K}),
        LeftBehind: frozenset({_E}),
    },
    _K: {LeftBehind: frozenset({_E})},
    _E: {},
}
"""Phase of an observed blocking task -> input -> phases that may follow."""

BLOCKING_LATE: dict[Phase, frozenset[type[BlockingInput]]] = {
    _F: frozenset(),
    _K: frozenset({SeenBlocking, BlockingGone}),
    _E: frozenset({SeenBlocking, BlockingGone, LeftBehind}),
}
"""What a look shows of a blocking task whose end is told changes nothing."""
