"""The catalogue's types against what they were derived from, and XML there and back by all of them."""

from __future__ import annotations

import random
from collections import Counter

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


def test_documents_are_written_as_the_schemas_want_them_and_read_as_they_were() -> None:
    wrong = dict[str, object]()
    for name in DOCUMENTS:
        for seed in range(2):
            document = make(name, random.Random(f"{name} {seed}"))
            written = to_xml(document, name)
            found = xsd.problems(written, Counter())
            if found or from_xml(parse(written), name) != document:
                wrong[name] = found or document
    assert wrong == {}


def test_completed_documents_have_all_keys_of_the_generated_class_and_no_other() -> None:
    wrong = dict[str, object]()
    for name in DOCUMENTS:
        known = keys.keys_of(name)
        if known is None or name in NOT_OF_JSON:
            continue
        document = complete(make(name, random.Random(name), of_json=True), name)
        found = keys.problems(document, name, Counter())
        missing = set(known) - set(document) - {"any"}
        if found or missing:
            wrong[name] = found or missing
    assert wrong == {}
