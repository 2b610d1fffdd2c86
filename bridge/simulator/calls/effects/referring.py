"""What bodies refer to."""

from __future__ import annotations

from typing import Any

from bridge.simulator.calls.effects.occasion import Occasion
from bridge.simulator.calls.rights import sees
from bridge.simulator.protocol.exchange import Refusal, bad_request
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.kinds import KINDS


def optional(occasion: Occasion, reference: Any, *kinds: str) -> Entity | None:
    """The entity that a reference names, by the href of any host or by its URN; None for none.

    With ``lenient_entities`` what is unknown counts as not named.

    Raises:
        Refusal: 400 INVALID_REFERENCE for something that is not there, hidden, or of another kind.
    """
    if reference is None:
        return None
    found = occasion.referred(reference)
    if found is not None and found.kind.name in kinds and sees(occasion.user, None, found):
        return found
    if occasion.cloud.behavior.lenient_entities:
        return None
    raise Refusal(400, "INVALID_REFERENCE", f"The reference {_text(reference)} does not lead to a {_labels(kinds)}.")


def required(occasion: Occasion, field: str, *kinds: str) -> Entity | None:
    """What the body's ``field`` names, see :func:`optional`; None only with ``lenient_entities``.

    Raises:
        Refusal: 400, also where the field is missing.
    """
    reference = occasion.body.get(field)
    if reference is None and not occasion.cloud.behavior.lenient_entities:
        raise bad_request(f"Bad request: {field} with a reference to a {_labels(kinds)} is expected")
    return optional(occasion, reference, *kinds)


def _text(reference: Any) -> str:
    if isinstance(reference, dict):
        return str(reference.get("href") or reference.get("id") or reference.get("name") or "")
    return str(reference)


def _labels(kinds: tuple[str, ...]) -> str:
    return " or ".join(KINDS[kind].label for kind in kinds)
