"""The transition table of an action request: the contract that every decision is checked against."""

from __future__ import annotations

from bridge.core.inputs import (
    Answered,
    CancelAnswered,
    CancelWanted,
    Granted,
    HoldSeen,
    Input,
    Looked,
    Observed,
    ReferenceUnanswered,
    ResolveWanted,
    Restored,
    RetryWanted,
    Unreadable,
    Vanished,
    Woke,
)
from bridge.core.lifecycle import Phase

_N, _R, _W, _I, _U = Phase.RESOLVING, Phase.RECEIVED, Phase.WAITING, Phase.INTENT, Phase.UNSURE
_F, _P, _E = Phase.FOLLOWING, Phase.PARKED, Phase.ENDED

TRANSITIONS: dict[Phase, dict[type[Input], frozenset[Phase]]] = {
    _N: {
        HoldSeen: frozenset({_R, _E}),
        ReferenceUnanswered: frozenset({_N, _E}),
        Woke: frozenset({_N, _E}),
        CancelWanted: frozenset({_E}),
        Restored: frozenset({_N}),
    },
    _R: {
        Granted: frozenset({_I, _E}),
        Woke: frozenset({_R, _E}),
        CancelWanted: frozenset({_E}),
        Restored: frozenset({_R}),
    },
    _W: {
        Granted: frozenset({_I, _U, _E}),
        Woke: frozenset({_W, _U, _E}),
        CancelWanted: frozenset({_U, _E}),
        Restored: frozenset({_W}),
    },
    _I: {
        Answered: frozenset({_W, _U, _F, _P, _E}),
        Woke: frozenset({_I}),
        CancelWanted: frozenset({_I}),
        Restored: frozenset({_U}),
        Unreadable: frozenset({_P}),
    },
    _U: {
        Looked: frozenset({_U, _W, _F, _P, _E}),
        Woke: frozenset({_U}),
        CancelWanted: frozenset({_U}),
        Restored: frozenset({_U}),
    },
    _F: {
        Observed: frozenset({_F, _E}),
        Vanished: frozenset({_P}),
        CancelAnswered: frozenset({_F}),
        Woke: frozenset({_F}),
        CancelWanted: frozenset({_F}),
        Restored: frozenset({_F}),
    },
    _P: {
        RetryWanted: frozenset({_W}),
        ResolveWanted: frozenset({_F, _E}),
        CancelWanted: frozenset({_E}),
        Woke: frozenset({_P}),
        Restored: frozenset({_P}),
        Unreadable: frozenset({_P}),
    },
    _E: {},
}
"""Phase -> input -> phases that may follow."""

_RESOLVED: frozenset[type[Input]] = frozenset({HoldSeen, ReferenceUnanswered})

LATE: dict[Phase, frozenset[type[Input]]] = {
    _N: frozenset({Answered, Looked}),
    _R: frozenset({Answered, Looked}) | _RESOLVED,
    _W: frozenset({Answered, Looked, Observed, Vanished, CancelAnswered}) | _RESOLVED,
    _I: frozenset({Granted, Looked, Observed, Vanished, CancelAnswered}) | _RESOLVED,
    _U: frozenset({Granted, Answered, Observed, Vanished, CancelAnswered}) | _RESOLVED,
    _F: frozenset({Granted, Answered, Looked}) | _RESOLVED,
    _P: frozenset({Granted, Answered, Looked, Observed, Vanished, CancelAnswered}) | _RESOLVED,
    _E: frozenset({Granted, Answered, Looked, Observed, Vanished, CancelAnswered, Woke, Restored}) | _RESOLVED,
}
"""Inputs that can arrive after the phase has moved on and change nothing: an old reading, a second timer."""
