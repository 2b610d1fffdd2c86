"""Answers of CloudAPI: documents and pages of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridge.simulator.calls.call import Call, json_body
from bridge.simulator.calls.queries.fiql import Field, FieldType, FilterError, compile_filter, parse
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, to_json
from bridge.simulator.protocol.negotiation import version_number
from bridge.simulator.state.entities import Entity

MAXIMUM_PAGE_SIZE = 128
DEFAULT_PAGE_SIZE = 25


def reply(call: Call, document: object, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Answer:
    return Answer(status, to_json(document), f"application/json;version={call.version}", headers or [])


def page(call: Call, documents: Iterable[JsonObject], names: tuple[str, ...]) -> Answer:
    """One page of a list, filtered by FIQL over ``names`` (dotted: a field of a reference).

    Raises:
        Refusal: 400 for an unreadable filter or page.
    """
    query = call.query
    number, size = _whole(query, "page", 1), _whole(query, "pageSize", DEFAULT_PAGE_SIZE)
    if size > MAXIMUM_PAGE_SIZE:
        raise bad_request(f"Invalid query parameter pageSize: maximum is {MAXIMUM_PAGE_SIZE}")
    found = list(documents)
    if query.get("filter"):
        try:
            holds = compile_filter(parse(query["filter"]), {name: _field(name) for name in names})
        except FilterError as error:
            raise bad_request(f"Bad request: {error}") from None
        found = [one for one in found if holds(one)]
    document = {
        "resultTotal": len(found), "pageCount": -(-len(found) // size), "page": number, "pageSize": size,
        "associations": None, "values": found[(number - 1) * size : number * size],
    }  # fmt: skip
    return reply(call, document)


def body(call: Call) -> JsonObject:
    """The JSON object of a body. Raises a 400 for anything else."""
    document = json_body(call.request)
    if document is None:
        raise bad_request("Bad request: a body is expected")
    return document


def text(document: Mapping[str, object], name: str) -> str | None:
    """A text of a body, None where it is missing or empty. Raises a 400 for another type."""
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"Bad request: {name} takes text")
    return value or None


def named(entity: Entity) -> JsonObject:
    """CloudAPI's reference to an entity."""
    return {"name": entity.name, "id": entity.urn}


def since(call: Call, version: str) -> None:
    """An endpoint that the asked version does not have is an unknown path there. Raises a 404."""
    if version_number(call.version) < version_number(version):
        raise Refusal(404, "RESOURCE_NOT_FOUND", f"Resource not found before API version {version}")


def _field(name: str) -> Field:
    def value(document: JsonObject) -> object:
        found: object = document
        for step in name.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        return found

    return Field(FieldType.TEXT, value)


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    given = query.get(name, str(default))
    if not given.isdecimal() or int(given) < 1:
        raise bad_request(f"Invalid query parameter {name}: {given}")
    return int(given)
