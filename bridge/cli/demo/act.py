"""One request of the demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Act:
    """One request: what it shows, what it asks, how it must end."""

    request_id: str
    title: str
    expected: str
    request: Mapping[str, Any]


def act(
    request_id: str, title: str, expected: str, operation: str, entity: str, body: dict[str, Any] | None = None
) -> Act:
    """A request about one entity."""
    request = {
        "request_id": request_id, "operation": operation, "parameters": {"id": entity}, "correlation_id": "DEMO-1",
    }  # fmt: skip
    return Act(request_id, title, expected, request | ({"body": body} if body is not None else {}))


def names_of(acts: Iterable[Act]) -> set[str]:
    return {one.request_id for one in acts}
