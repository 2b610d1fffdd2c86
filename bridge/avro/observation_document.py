"""A decoded ``Observation`` document, from whatever form, to a record or to what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.avro import judging
from bridge.avro.json_text import Flaw
from bridge.avro.judging import MAX_TEXT, RefusedError, flag, is_printable, moment, refuse_unknown, shown, text
from bridge.avro.shape import Shape
from bridge.core.observation_records import Observation, ObservationAction
from bridge.core.requests import JsonValue

CODES: dict[str, str] = {
    **judging.CODES,
    "organization_missing": "the record has no key, which names the organization",
    "organization_invalid": "the record's key is not printable text in UTF-8, or too long",
    "organization_mismatch": "organization is another one than the record's key",
    "unknown_action": "action is none of start, stop",
}
"""Reason codes told by the codec of observations -> meaning."""

SHAPE = Shape(
    record="Observation",
    fields=("organization", "action", "since", "blocking_tasks", "correlation_id", "requested_by"),
    inside={},
    objects={},
)


def organization(key: bytes | None) -> str | Flaw:
    """The organization that a record's key is, or what is wrong with it."""
    if not key:
        message = "the record has no key: the key is the organization, by which a later record replaces an earlier one"
        return Flaw("organization_missing", message, "organization")
    try:
        found = key.decode()
    except UnicodeDecodeError:
        message = "the record's key is not UTF-8 text: send the organization as plain text"
        return Flaw("organization_invalid", message, "organization")
    if not is_printable(found, MAX_TEXT):
        message = f"the record's key must be 1-{MAX_TEXT} printable characters, not {shown(found)}"
        return Flaw("organization_invalid", message, "organization")
    return found


def to_observation(
    document: Mapping[str, JsonValue], key: str, traceparent: str | None, *, closed: bool
) -> Observation:
    """Judge a document field by field. Raises RefusedError for the first thing wrong.

    ``closed``: names that Observation does not have are refused.
    """
    if closed:
        refuse_unknown(document, SHAPE)
    named = text(document, "organization")
    if named is not None and named != key:
        message = f"organization {shown(named)} is not the record's key {shown(key)}: a record replaces that of its key"
        raise RefusedError("organization_mismatch", message, "organization")
    return Observation(
        organization=key,
        action=_action(document),
        since=moment(document, "since"),
        blocking_tasks=flag(document, "blocking_tasks") or False,
        correlation_id=text(document, "correlation_id"),
        requested_by=text(document, "requested_by"),
        traceparent=traceparent,
    )


def _action(document: Mapping[str, JsonValue]) -> ObservationAction:
    action = text(document, "action")
    try:
        return ObservationAction(action) if action is not None else ObservationAction.START
    except ValueError:
        message = f"action {shown(action)} is unknown: give one of {', '.join(ObservationAction)}"
        raise RefusedError("unknown_action", message, "action") from None
