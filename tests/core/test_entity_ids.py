"""What people have at hand becomes the id that the path wants, or is refused; nothing leaves its place in the path."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.catalogue.load import load
from bridge.catalogue.operation import Operation
from bridge.core.entity_ids import path_value
from bridge.core.events import Reason

UUID = "6c0d9722-80a6-4f19-b676-72ebf48e4e71"
HOSTS = frozenset({"vcd.example.com", "cells.example.com:8443"})


def value_of(operation: str, given_value: str, name: str = "id") -> str | Reason:
    found = load()[operation]
    parameter = next(parameter for parameter in found.parameters if parameter.name == name)
    return path_value(found, parameter, given_value, HOSTS)


@pytest.mark.parametrize(
    ("operation", "given_value", "expected"),
    [
        ("deployVApp", f"vapp-{UUID}", f"vapp-{UUID}"),
        ("deployVApp", f"vm-{UUID.upper()}", f"vm-{UUID}"),
        ("deployVApp", f"urn:vcloud:vapp:{UUID}", f"vapp-{UUID}"),
        ("deployVApp", f"urn:vcloud:vm:{UUID}", f"vm-{UUID}"),
        ("deployVApp", f"URN:VCLOUD:VM:{UUID}", f"vm-{UUID}"),
        ("deployVApp", f"https://vcd.example.com/api/vApp/vm-{UUID}", f"vm-{UUID}"),
        ("deployVApp", f"https://VCD.example.com:443/api/vApp/vapp-{UUID}/", f"vapp-{UUID}"),
        ("deployVApp", f"https://cells.example.com:8443/api/vApp/vapp-{UUID}", f"vapp-{UUID}"),
        ("reconfigureVm", UUID, f"vm-{UUID}"),
        ("recomposeVApp", UUID.upper(), f"vapp-{UUID}"),
        ("deleteVAppTemplate", UUID, f"vappTemplate-{UUID}"),
        ("deleteVAppTemplate", f"urn:vcloud:vapptemplate:{UUID}", f"vappTemplate-{UUID}"),
        ("mergeVAppTemplateMetadata", f"urn:vcloud:vm:{UUID}", f"vm-{UUID}"),
        ("deleteVdc", f"https://vcd.example.com/api/admin/vdc/{UUID}", UUID),
        ("deleteVdcAdminView", f"https://vcd.example.com/api/vdc/{UUID}", UUID),
        ("deleteEdgeGateway", f"urn:vcloud:gateway:{UUID}", UUID),
        ("deleteExternalNetwork", f"urn:vcloud:network:{UUID}", UUID),
        ("deleteProviderVdc", f"https://vcd.example.com/api/admin/extension/providervdc/{UUID}", UUID),
        ("createExternalTask", f"https://vcd.example.com/api/org/{UUID}", UUID),
        ("cancelTask", f"urn:vcloud:task:{UUID}", UUID),
        ("removeSiteAssociation", f"https://vcd.example.com/api/site/associations/{UUID}", UUID),
    ],
)
def test_what_is_taken(operation: str, given_value: str, expected: str) -> None:
    assert value_of(operation, given_value) == expected


def test_an_association_below_its_organization() -> None:
    href = f"https://vcd.example.com/api/admin/org/{UUID}/associations/{UUID}"
    assert value_of("removeOrgAssociation", href, "associationId") == UUID


@pytest.mark.parametrize(
    ("operation", "given_value", "code", "message"),
    [
        ("deployVApp", UUID, "ambiguous_parameter",
         f"a bare uuid could be a vApp or VM; write vapp-{UUID} (vApp) or vm-{UUID} (VM)"),
        ("mergeVAppTemplateMetadata", UUID, "ambiguous_parameter", f"write vappTemplate-{UUID} (vApp template) or vm-"),
        ("reconfigureVm", f"vapp-{UUID}", "malformed_parameter", f"'vapp-{UUID}' is a vApp, a VM is wanted"),
        ("recomposeVApp", f"vm-{UUID}", "malformed_parameter", "is a VM, a vApp is wanted"),
        ("recomposeVApp", f"urn:vcloud:vm:{UUID}", "malformed_parameter",
         "is the URN of a vm, that of a vApp is wanted"),
        ("deployVApp", f"https://vcd.example.com/api/vAppTemplate/vm-{UUID}", "malformed_parameter",
         "the href names a vApp template or VM of a template, a vApp or VM is wanted"),
        ("deployVApp", f"https://vcd.example.com/api/vApp/vm-{UUID}/action/deploy", "malformed_parameter",
         "the href names no entity"),
        ("deployVApp", f"https://evil.example.com/api/vApp/vm-{UUID}", "malformed_parameter",
         "the href's host 'evil.example.com' is not this VCD"),
        ("deployVApp", f"https://vcd.example.com@evil.example.com/api/vApp/vm-{UUID}", "malformed_parameter",
         "is not this VCD"),
        ("deployVApp", f"https://user@vcd.example.com/api/vApp/vm-{UUID}", "malformed_parameter", "is not this VCD"),
        ("deployVApp", f"ftp://vcd.example.com/api/vApp/vm-{UUID}", "malformed_parameter", "is not an href of VCD"),
        ("deployVApp", f"https://[/api/vApp/vm-{UUID}", "malformed_parameter", "is not a URL"),
        ("deployVApp", f"https://vcd.example.com/api/vApp/vm-{UUID}?force=true", "malformed_parameter",
         "carries more than the address of an entity"),
        ("deployVApp", f"https://vcd.example.com/api/vApp/vm-{UUID}#x", "malformed_parameter", "carries more than"),
        ("deployVApp", f"https://vcd.example.com/api/vApp/vm-{UUID}?", "malformed_parameter", "carries more than"),
        ("deployVApp", f"https://vcd.example.com/api/../evil/vApp/vm-{UUID}", "malformed_parameter", "no entity"),
        ("deployVApp", "https://vcd.example.com/api/vApp/..", "malformed_parameter", "is not the id, URN or href"),
        ("deployVApp", f"https://vcd.example.com/api/vApp/vm-{UUID}\n", "malformed_parameter", "cannot be printed"),
        ("deployVApp", f"vm-{UUID}?force=true", "malformed_parameter", "does not end in a uuid"),
        ("deployVApp", f"vm-{UUID}/action/undeploy", "malformed_parameter", "does not end in a uuid"),
        ("deployVApp", f"vm-{UUID}#", "malformed_parameter", "does not end in a uuid"),
        ("deployVApp", f"vm-..%2F{UUID}", "malformed_parameter", "does not end in a uuid"),
        ("deployVApp", f"vm-{UUID}\x00", "malformed_parameter", "has characters that cannot be printed"),
        ("deployVApp", f"urn:vcloud:vm:{UUID}/../x", "malformed_parameter", "does not end in a uuid"),
        ("deployVApp", "urn:vcloud:vm:", "malformed_parameter", "is not the id, URN or href of a vApp or VM"),
        ("deployVApp", "web-server-1", "malformed_parameter", "is not the id, URN or href of a vApp or VM"),
        ("deployVApp", "../../admin/orgs", "malformed_parameter", "is not the id, URN or href of a vApp or VM"),
        ("deployVApp", "", "malformed_parameter", "1 to 1024 characters are needed, 0 were given"),
        ("deployVApp", "x" * 1025, "malformed_parameter", "1 to 1024 characters are needed, 1025 were given"),
        ("deleteVdc", f"vm-{UUID}", "malformed_parameter", "is a VM, a vDC is wanted"),
        ("deleteVdc", f"{{{UUID}}}", "malformed_parameter", "is not the id, URN or href of a vDC"),
    ],
)  # fmt: skip
def test_what_is_refused_names_field_and_cause(operation: str, given_value: str, code: str, message: str) -> None:
    reason = value_of(operation, given_value)
    assert isinstance(reason, Reason)
    assert (reason.code, reason.field) == (code, "parameters.id")
    assert reason.message.startswith(f"parameters.id of {operation}: ")
    assert message in reason.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("owner", "owner"),
        ("change ticket #7?", "change%20ticket%20%237%3F"),
        ("a&b;c=d", "a%26b%3Bc%3Dd"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("100%", "100%25"),
        ("...", "..."),
        ("{id}", "%7Bid%7D"),
    ],
)
def test_free_text_is_quoted(text: str, expected: str) -> None:
    assert value_of("deleteVAppMetadataItem", text, "key") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".", "'.' would leave its place in the path"),
        ("..", "'..' would leave its place in the path"),
        ("a/b", "has a slash, which cannot stand in one part of a path"),
        ("..\\x", "has a slash"),
        ("%2e%2e", "is percent-encoded already; give it as plain text"),
        ("a%2Fb", "is percent-encoded already"),
        ("a\r\nb", "has characters that cannot be printed"),
        ("a\ud800", "has characters that cannot be printed"),
        ("a\u2028b", "has characters that cannot be printed"),
    ],
)
def test_free_text_that_is_refused(text: str, message: str) -> None:
    reason = value_of("deleteVAppMetadataItem", text, "key")
    assert isinstance(reason, Reason)
    assert (reason.code, reason.field) == ("malformed_parameter", "parameters.key")
    assert message in reason.message


_PIECES = st.sampled_from(
    ["/", "..", ".", "\\", "?", "#", "%2F", "%2e", "%", ";", "vm-", "vapp-", "urn:vcloud:vm:", UUID, "{id}", "\n",
     "\x00", "https://vcd.example.com/api/vApp/", "https://vcd.example.com/api/", "@", ":", " ", "é", "\ud800", "a"]
)  # fmt: skip
_VALUES = st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=6).map("".join))
_OPERATIONS = st.sampled_from([operation for operation in load().values() if operation.parameters])


@settings(max_examples=400)
@given(operation=_OPERATIONS, data=st.data())
def test_no_value_leaves_its_template(operation: Operation, data: st.DataObject) -> None:
    values = {}
    for parameter in operation.parameters:
        value = path_value(operation, parameter, data.draw(_VALUES), HOSTS)
        if isinstance(value, Reason):
            return
        values[parameter.name] = value
    path = operation.path.format_map(values)
    assert path.count("/") == operation.path.count("/")
    assert not set(path.split("/")) & {".", ".."}
    assert path.isascii()
    assert path.isprintable()
    assert not set(path) & set("?#\\ {};")
    assert operation in [found for found, _ in load().match(operation.method, path)]
