"""Documents of any size in no more bytes than the store takes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.coordinates import TopicPartition
from bridge.core.external import documents
from bridge.core.external.documents import Document
from bridge.core.external.fitting import fitted, size
from bridge.core.external.marks import Marker

KEY = "CHG1"
MARKER = Marker("g", TopicPartition("tickets", 0))
MARK = MARKER.mark(KEY)
BARE_BYTES = 600
"""What the status under a mark takes at most."""


def _cut(most: int, **fields: Any) -> Document:
    document: Document = {"name": "task", "status": "running", "operation": f"Change {MARK}", **fields}
    return fitted(document, most, MARKER, KEY)


_TEXTS = st.text(max_size=40) | st.builds(
    lambda one, times: one * times, st.text(min_size=1, max_size=3), st.integers(1, 9000)
)
_FREE = st.recursive(_TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=5), max_leaves=8)
_DOCUMENTS = st.fixed_dictionaries(
    {"name": st.just("task")},
    optional={
        "serviceNamespace": _TEXTS,
        "status": _TEXTS,
        "operationName": _TEXTS,
        "details": _TEXTS,
        "description": _TEXTS,
        "progress": st.integers(0, 100),
        "owner": st.fixed_dictionaries({"href": _TEXTS, "name": _TEXTS}),
        "error": st.fixed_dictionaries({"message": _TEXTS, "tenantError": st.fixed_dictionaries({"message": _TEXTS})}),
        "params": _FREE,
        "result": st.fixed_dictionaries({"resultContent": _FREE}),
    },
)


@given(_DOCUMENTS, _TEXTS, st.integers(BARE_BYTES, 40_000))
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_whatever_vcd_shows_fits_and_keeps_its_mark(document: Document, operation: str, most: int) -> None:
    whole = {**document, "operation": MARKER.marked(operation, KEY)}
    found = fitted(whole, most, MARKER, KEY)
    assert size(found) <= most
    assert MARKER.bears(documents.text(found, "operation"), KEY)
    if size(whole) <= most:
        assert found == whole


def test_free_content_goes_first_and_whole() -> None:
    found = _cut(300, params={"a": "x" * 200}, result={"resultContent": "y"}, details="kept")
    assert found == {"name": "task", "status": "running", "operation": f"Change {MARK}", "details": "kept"}


def test_texts_are_cut_no_further_than_needed_and_say_so() -> None:
    found = _cut(5000, details="d" * 9000, description="short", error={"message": "e" * 9000, "majorErrorCode": 500})
    assert found["details"] == "d" * 1023 + "…"
    assert found["description"] == "short"
    assert found["error"] == {"message": "e" * 1023 + "…", "majorErrorCode": 500}
    assert found["operation"] == f"Change {MARK}"


def test_in_the_end_the_status_remains() -> None:
    found = _cut(150, owner={"href": "h" * 500}, serviceNamespace="com.example")
    assert found == {"name": "task", "operation": MARK, "serviceNamespace": "com.example", "status": "running"}
