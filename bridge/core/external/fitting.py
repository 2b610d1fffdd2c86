"""A Task document in no more bytes than the store takes: what Cloud Director shows may be of any length."""

from __future__ import annotations

from collections.abc import Callable

from bridge.core.external import documents
from bridge.core.external.documents import Document
from bridge.core.external.marks import Marker
from bridge.core.external_limits import MAX_NAMESPACE
from bridge.core.requests import JsonValue

RESERVE_BYTES = 4096
"""Kept free of a document that an owner asks for: references as VCD spells them, a path, an ending of the bridge's."""

CUT = "…"
"""Ends a text that was cut."""

_LENGTHS = (16_384, 4_096, 1_024, 256, 64)
_FREE = ("params", "result")
_TEXTS = ("details", "description", "operationName", "error")


def fitted(document: Document, most: int, marker: Marker, external_key: str) -> Document:
    """The document in at most ``most`` bytes of JSON, unchanged where it has no more.

    Free content is left out first, since half of it means something else; then texts are cut, no further than needed;
    what remains in the end is the status under our mark. The mark is never cut: by it the Task is found again.
    """
    for shorter in _steps(marker, external_key):
        if size(document) <= most:
            break
        document = shorter(document)
    return document


def size(document: Document) -> int:
    """Bytes of its JSON."""
    return len(documents.write(document).encode(errors="surrogatepass"))


def _steps(marker: Marker, external_key: str) -> tuple[Callable[[Document], Document], ...]:
    def cut_to(length: int) -> Callable[[Document], Document]:
        def cut(document: Document) -> Document:
            operation = marker.unmarked(documents.text(document, "operation"), external_key)
            texts = {name: _cut(value, length) for name, value in document.items() if name in _TEXTS}
            marked = marker.marked(_cut_text(operation or "", length), external_key)
            return {**document, **texts, "operation": marked}

        return cut

    return (
        _without_free,
        *(cut_to(length) for length in _LENGTHS),
        lambda document: _bare(document, marker, external_key),
    )


def _without_free(document: Document) -> Document:
    return {name: value for name, value in document.items() if name not in _FREE}


def _cut(value: JsonValue, length: int) -> JsonValue:
    if isinstance(value, str):
        return _cut_text(value, length)
    if isinstance(value, dict):
        return {name: _cut(one, length) for name, one in value.items()}
    return value


def _cut_text(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + CUT


def _bare(document: Document, marker: Marker, external_key: str) -> Document:
    kept = {"name": documents.TASK_NAME, "operation": marker.mark(external_key)}
    for name in ("serviceNamespace", "status"):
        value = documents.text(document, name)
        if value is not None and len(value) <= MAX_NAMESPACE:
            kept[name] = value
    return dict(kept)
