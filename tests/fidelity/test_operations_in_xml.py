"""Every operation in XML: its example as VMware's XSDs want it, taken and answered like the JSON one."""

from __future__ import annotations

from collections import Counter
from typing import Any
from xml.etree import ElementTree

import pytest

from bridge.catalogue.operation import AnswerShape, Operation
from bridge.catalogue.shapes import SUPERSEDED
from bridge.catalogue.types import load_types
from bridge.simulator.protocol.document_types import actual_type, type_of
from bridge.simulator.protocol.xml_writer import to_xml
from tests.fidelity.conformity import xsd
from tests.simulator.driver import URL, VERSION, Cloud
from tests.simulator.test_examples import STATUS, WITH_EXAMPLE, path_of, target_of
from tests.support.examples import example_for

ROOTS = {AnswerShape.TASK: "Task"}


REPLACED = {name for name, _ in SUPERSEDED} - {"DiskType"}
"""Their examples have an element that took the place of a required one."""


def stem(operation: Operation) -> str:
    return (operation.media_type or "").removesuffix("+json")


IN_XML = [one for one in WITH_EXAMPLE if type_of(one.body_type or "") or type_of(stem(one))]


def with_info(document: Any, name: str) -> Any:
    """Sections need an ``ovf:Info``, which JSON need not have."""
    if isinstance(document, list):
        return [with_info(one, name) for one in document]
    if not isinstance(document, dict):
        return document
    kind = load_types()[actual_type(name, document.get("_type", ""))]
    inner = {one.key: one.type for one in kind.fields if one.type in load_types()}
    whole = {key: with_info(value, inner[key]) if key in inner else value for key, value in document.items()}
    return {"info": {"value": "A section"}, **whole} if "info" in kind.by_key else whole


def test_all_are_tried() -> None:
    assert IN_XML == WITH_EXAMPLE


@pytest.mark.parametrize("operation", IN_XML, ids=lambda operation: operation.name)
def test_the_example_in_xml(operation: Operation) -> None:
    cloud = Cloud()
    provider = cloud.log_in("administrator@System")
    kind = type_of(operation.body_type or "") or type_of(stem(operation))
    assert kind is not None
    body = to_xml(with_info(example_for(operation, URL) or {}, kind.name), kind.name)
    if not (kind.newer or kind.name in REPLACED):
        assert xsd.problems(body, Counter()) == []
    answer = provider.call(
        operation.method, path_of(operation, target_of(operation, cloud, provider)), body,
        **{"content-type": f"{stem(operation)}+xml", "accept": f"application/*+xml;version={VERSION}"},
    )  # fmt: skip
    assert answer.status in STATUS[operation.answer], answer.body
    if answer.body:
        root = ElementTree.fromstring(answer.body).tag.partition("}")[2]
        assert root == ROOTS.get(operation.answer, root)
