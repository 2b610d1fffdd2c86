"""The transition table of an external task: the contract that every decision is checked against.

A call is ``POST /tasksList`` until VCD has the Task, ``PUT /task`` from then on; both are calls with an intent.
"""

from __future__ import annotations

from bridge.core.inputs import (
    Answered,
    Commanded,
    ExternalInput,
    Granted,
    Looked,
    NotReferenced,
    Observed,
    Referenced,
    ReferenceUnanswered,
    Restored,
    Unreadable,
    Vanished,
    Woke,
)
from bridge.core.lifecycle import Phase

_N, _R, _W, _I, _U = Phase.RESOLVING, Phase.RECEIVED, Phase.WAITING, Phase.INTENT, Phase.UNSURE
_F, _P, _E = Phase.FOLLOWING, Phase.PARKED, Phase.ENDED

EXTERNAL_TRANSITIONS: dict[Phase, dict[type[ExternalInput], frozenset[Phase]]] = {
    _N: {
        Referenced: frozenset({_R}),
        NotReferenced: frozenset({_E}),
        ReferenceUnanswered: frozenset({_N, _E}),
        Commanded: frozenset({_N}),
        Woke: frozenset({_N}),
        Restored: frozenset({_N}),
        Unreadable: frozenset({_U}),
    },
    _R: {
        Granted: frozenset({_I}),
        Commanded: frozenset({_R}),
        Woke: frozenset({_R}),
        Restored: frozenset({_R}),
        Unreadable: frozenset({_U}),
    },
    _W: {
        Granted: frozenset({_I}),
        Commanded: frozenset({_W}),
        Observed: frozenset({_W, _F, _E}),
        Vanished: frozenset({_P, _E}),
        Woke: frozenset({_W}),
        Restored: frozenset({_W}),
        Unreadable: frozenset({_U}),
    },
    _I: {
        Answered: frozenset({_W, _U, _F, _E}),
        Commanded: frozenset({_I}),
        Woke: frozenset({_I}),
        Restored: frozenset({_U}),
        Unreadable: frozenset({_U}),
    },
    _U: {
        Looked: frozenset({_U, _W, _F, _P, _E}),
        Commanded: frozenset({_U}),
        Woke: frozenset({_U}),
        Restored: frozenset({_U}),
        Unreadable: frozenset({_U}),
    },
    _F: {
        Observed: frozenset({_F, _W, _E}),
        Vanished: frozenset({_P, _E}),
        Commanded: frozenset({_F, _W}),
        Woke: frozenset({_F}),
        Restored: frozenset({_F}),
        Unreadable: frozenset({_U}),
    },
    _P: {
        Commanded: frozenset({_U, _E}),
        Woke: frozenset({_P, _U}),
        Restored: frozenset({_P, _U}),
        Unreadable: frozenset({_U, _P}),
    },
    _E: {},
}
"""Phase -> input -> phases that may follow."""

_READINGS: frozenset[type[ExternalInput]] = frozenset({Observed, Vanished})
_REFERENCES: frozenset[type[ExternalInput]] = frozenset({Referenced, NotReferenced, ReferenceUnanswered})

EXTERNAL_LATE: dict[Phase, frozenset[type[ExternalInput]]] = {
    _N: frozenset({Answered, Looked, Granted}) | _READINGS,
    _R: frozenset({Answered, Looked}) | _READINGS | _REFERENCES,
    _W: frozenset({Answered, Looked}) | _REFERENCES,
    _I: frozenset({Granted, Looked}) | _READINGS | _REFERENCES,
    _U: frozenset({Granted, Answered}) | _READINGS | _REFERENCES,
    _F: frozenset({Granted, Answered, Looked}) | _REFERENCES,
    _P: frozenset({Granted, Answered, Looked}) | _READINGS | _REFERENCES,
    _E: frozenset({Granted, Answered, Looked, Woke, Restored, Unreadable}) | _READINGS | _REFERENCES,
}
"""Inputs that can arrive after the phase has moved on and change nothing. A reading that meets a call of ours is one
of them: the call's own answer shows the Task as it is then."""
