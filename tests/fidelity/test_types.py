"""The catalogue's types against what they were derived from, and XML there and back by all of them."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bridge.catalogue.types import load_types
from bridge.simulator.protocol.completion import complete
from bridge.simulator.protocol.xml_reader import from_xml
from bridge.simulator.protocol.xml_tree import parse
from bridge.simulator.protocol.xml_writer import to_xml
from tests.fidelity.conformity import keys, xsd
from tests.fidelity.conformity.made import make
from tools.derive_types import TARGET, derive

TYPES = load_types()
DOCUMENTS = [
    name for name in TYPES.root_elements if name in TYPES and not TYPES[name].abstract and not TYPES[name].newer
]


NOT_OF_JSON = {
    "ovf:ProductSection_Type": "JSON has category and property in one list, categoryOrProperty",
    "ExternalNetworkType": "JSON has several of networkBackingInfo, of which the schemas have one",
    "vmext:BrandingSettingsType": "the classes make lists of what is bytes",
    "vmext:GeneralSettingsType": "the classes make a list of what is bytes",
    "ver:SupportedVersionsType": "always XML",
    "ver:VersionInfoType": "always XML",
}
"""Types whose JSON is not what follows from their XML, and which nobody has asked for in JSON."""


def test_the_data_file_is_what_is_derived_from_the_schemas() -> None:
    assert TARGET.read_text(encoding="utf-8") == derive()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_written_as_the_schemas_want_it_and_read_as_it_was(name: str) -> None:
    for seed in range(4):
        document = make(name, random.Random(f"{name} {seed}"))
        written = to_xml(document, name)
        assert xsd.problems(written, Counter()) == []
        assert from_xml(parse(written), name) == document


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if keys.keys_of(name) and name not in NOT_OF_JSON])
def test_a_completed_document_has_all_keys_of_the_generated_class_and_no_other(name: str) -> None:
    document = complete(make(name, random.Random(name), of_json=True), name)
    assert keys.problems(document, name, Counter()) == []
    missing = set(keys.keys_of(name) or ()) - set(document) - {"any"}
    assert not missing
