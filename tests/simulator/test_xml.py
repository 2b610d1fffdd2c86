"""XML on the way out and in: what the schemas' types make of it, and what is refused."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulator.protocol.exchange import Refusal
from bridge.simulator.protocol.xml_reader import from_xml
from bridge.simulator.protocol.xml_tree import MAXIMUM_DEPTH, MAXIMUM_ELEMENTS, parse
from bridge.simulator.protocol.xml_writer import Markup, to_xml
from tests.simulator.driver import ACME, Caller, Cloud

NS = "http://www.vmware.com/vcloud/v1.5"
OVF = "http://schemas.dmtf.org/ovf/envelope/1"
REFERENCE = {"href": "https://x/1", "type": "application/vnd.vmware.vcloud.org+json"}


def written(document: dict[str, Any], name: str) -> str:
    return to_xml(document, name).decode().partition("\n")[2]


def read(text: str, name: str) -> dict[str, Any]:
    return from_xml(parse(text.encode()), name)


class TestWriter:
    def test_elements_stand_in_the_order_of_the_schema(self) -> None:
        task = {"details": "d", "progress": 5, "owner": REFERENCE, "name": "task", "status": "running", "link": []}
        assert written(task, "TaskType") == (
            f'<Task xmlns="{NS}" name="task" status="running">'
            '<Owner href="https://x/1" type="application/vnd.vmware.vcloud.org+xml"/>'
            "<Progress>5</Progress><Details>d</Details></Task>"
        )

    def test_what_is_null_or_empty_is_left_out_and_false_is_not(self) -> None:
        document: dict[str, Any] = {
            "powerOn": False,
            "deploymentLeaseSeconds": 0,
            "forceCustomization": None,
            "vCloudExtension": [],
        }
        assert written(document, "DeployVAppParamsType") == (
            f'<DeployVAppParams xmlns="{NS}" powerOn="false" deploymentLeaseSeconds="0"/>'
        )

    def test_dates_have_a_colon_in_their_offset(self) -> None:
        document = {"name": "task", "status": "success", "startTime": "2024-03-06T14:11:57.473+0200"}
        assert 'startTime="2024-03-06T14:11:57.473+02:00"' in written(document, "TaskType")

    def test_a_typed_value_says_its_type(self) -> None:
        entry = {"key": "k", "typedValue": {"_type": "MetadataNumberValue", "value": 7}}
        text = written({"metadataEntry": [entry]}, "MetadataType")
        assert '<TypedValue xsi:type="MetadataNumberValue"><Value>7</Value></TypedValue>' in text
        assert 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"' in text

    def test_a_section_has_its_own_element_and_its_namespaces_are_declared(self) -> None:
        sections = [
            {"_type": "NetworkConnectionSectionType", "info": "networks", "primaryNetworkConnectionIndex": 0},
            {"_type": "VirtualHardwareSectionType", "info": "hardware", "item": [
                {"elementName": "CPU", "instanceID": "1", "hostResource": [
                    {"value": "", "otherAttributes": {f"{{{NS}}}capacity": "1024", "{urn:x}a": "1"}}]}]},
        ]  # fmt: skip
        root = ElementTree.fromstring(to_xml({"name": "vm", "section": sections}, "VmType"))
        assert [child.tag for child in root] == [
            f"{{{NS}}}NetworkConnectionSection",
            f"{{{OVF}}}VirtualHardwareSection",
        ]
        host = next(one for one in root.iter() if one.tag.endswith("HostResource"))
        assert host.attrib == {f"{{{NS}}}capacity": "1024", "{urn:x}a": "1"}

    def test_anything_is_markup_text_or_json(self) -> None:
        def result(content: Any) -> str:
            return written({"resultContent": content}, "ResultType").partition(">")[2]

        assert "<ResultContent><a/></ResultContent>" in result(Markup("<a/>"))
        assert '<ResultContent xsi:type="xs:string">a &lt; b</ResultContent>' in result("a < b")
        assert '<ResultContent xsi:type="xs:boolean">true</ResultContent>' in result(True)
        assert "{&quot;a&quot;: 1}" in result({"a": 1})

    @given(st.text(st.characters(exclude_categories=())))
    def test_any_text_makes_a_document(self, text: str) -> None:
        document = {"name": text, "status": "running", "details": text}
        root = ElementTree.fromstring(to_xml(document, "TaskType"))
        harmless = all(ord(one) >= 32 and not 0xD800 <= ord(one) < 0xE000 and one not in "\ufffe\uffff" for one in text)
        if harmless:
            assert (root.get("name"), root.findtext(f"{{{NS}}}Details")) == (text, text)


def element(name: str, rest: str) -> str:
    return f'<{name} xmlns="{NS}" xmlns:o="{OVF}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" {rest}</{name}>'


class TestReader:
    def test_a_task_as_pyvcloud_sends_it(self) -> None:
        body = element("Task", """status="running" serviceNamespace="a.b" type="application/vnd.vmware.vcloud.task+xml"
            operation="op" operationName="name" name="task">
            <Owner href="h" type="application/vnd.vmware.vcloud.org+xml"/>
            <User href="u"/><Progress>10</Progress><Details>x</Details>""")  # fmt: skip
        assert read(body, "TaskType") == {
            "status": "running", "serviceNamespace": "a.b", "type": "application/vnd.vmware.vcloud.task+json",
            "operation": "op", "operationName": "name", "name": "task",
            "owner": {"href": "h", "type": "application/vnd.vmware.vcloud.org+json"}, "user": {"href": "u"},
            "progress": 10, "details": "x",
        }  # fmt: skip

    @pytest.mark.parametrize(
        "start", ["<NetworkConnectionSection>", '<o:Section xsi:type="NetworkConnectionSectionType">']
    )
    def test_a_section_by_its_element_or_by_its_type(self, start: str) -> None:
        end = f"</{start[1:-1].partition(' ')[0]}>"
        inner = f"<InstantiationParams>{start}<o:Info>i</o:Info>{end}</InstantiationParams>"
        body = element("InstantiateVAppTemplateParams", f'>{inner}<Source href="h"/>')
        assert read(body, "InstantiateVAppTemplateParamsType")["instantiationParams"] == {
            "section": [{"_type": "NetworkConnectionSectionType", "info": {"value": "i"}}]
        }

    def test_what_stands_where_anything_may_is_kept_as_it_is(self) -> None:
        inner = '<a xmlns="urn:x" b="1">one<c xmlns="urn:y"></c>two &amp; <d xmlns="urn:x">three</d></a>'
        body = element("Task", f'name="t" status="success"><Result><ResultContent>{inner}</ResultContent></Result>')
        result = read(body, "TaskType")["result"]
        assert result["resultContent"] == inner
        assert f"<ResultContent>{inner}</ResultContent>" in written(result, "ResultType")

    def test_newer_fields_stand_anywhere(self) -> None:
        parts = ["<BootDelay>1</BootDelay>", "<EnterBIOSSetup>true</EnterBIOSSetup>"]
        for place in range(3):
            inner = "".join([*parts[:place], "<BootRetryDelay>5</BootRetryDelay>", *parts[place:]])
            assert read(element("BootOptions", f">{inner}"), "BootOptionsType") == {
                "bootDelay": 1, "enterBIOSSetup": True, "bootRetryDelay": 5,
            }  # fmt: skip

    @pytest.mark.parametrize(
        ("body", "rule"),
        [
            ("<Task", "no well-formed XML"),
            ('<!DOCTYPE x [<!ENTITY e "y">]><x>&e;</x>', "document type"),
            ('<Task name="task" status="running"/>', "cvc-elt.1"),
            (element("Org", 'name="x">'), "cvc-elt.1"),
            (element("Task", 'name="task">'), "cvc-complex-type.4"),
            (element("Task", 'name="task" status="running" colour="red">'), "cvc-complex-type.3.2.2"),
            (element("Task", 'name="task" status="running"><Details>x</Details><Progress>1</Progress>'), "2.4.a"),
            (element("Task", 'name="task" status="running"><Progress>1</Progress><Progress>1</Progress>'), "2.4.a"),
            (element("Task", 'name="task" status="running"><Colour/>'), "cvc-complex-type.2.4.a"),
            (element("Task", 'name="task" status="running"><Owner/>'), "cvc-complex-type.4"),
            (element("Task", 'name="task" status="running">text'), "cvc-complex-type.2.3"),
            (element("Task", 'name="task" status="running"><Progress>half</Progress>'), "cvc-datatype-valid"),
            (element("Task", 'name="task" status="running"><Progress/>'), "cvc-datatype-valid"),
            (element("Task", 'name="task" status="running" startTime="now">'), "cvc-datatype-valid"),
            (element("Task", 'name="task" status="running"><Details><b/></Details>'), "cvc-type.3.1.2"),
            (element("Task", 'name="task" status="running"><Tasks xsi:type="VmType"/>'), "cvc-elt.4.2"),
        ],
    )
    def test_what_the_schema_does_not_allow_is_refused_with_its_rule(self, body: str, rule: str) -> None:
        with pytest.raises(Refusal, match=rule) as refused:
            read(body, "TaskType")
        assert (refused.value.status, refused.value.code) == (400, "BAD_REQUEST")

    @pytest.mark.parametrize(
        ("name", "body", "rule"),
        [
            ("CloneVAppParamsType", element("CloneVAppParams", ">"), "2.4.b: .* is not complete"),
            ("MetadataType", element("Metadata", "><MetadataEntry><Key>k</Key><TypedValue/></MetadataEntry>"),
             "cvc-type.2"),
            ("ControlAccessParamsType", element("ControlAccessParams", "><IsSharedToEveryone>true</IsSharedToEveryone>"
             "<AccessSettings><AccessSetting><AccessLevel>Change</AccessLevel></AccessSetting></AccessSettings>"),
             "needs one of subject, externalSubject"),
            ("AdminVdcType", element("AdminVdc", 'name="v"><ResourceGuaranteedCpu>NaN</ResourceGuaranteedCpu>'),
             "no number"),
            ("VmAffinityRuleType", element("VmAffinityRule", "><IsEnabled>true</IsEnabled><Polarity>Up</Polarity>"),
             "cvc-enumeration-valid"),
        ],
    )  # fmt: skip
    def test_what_is_missing_or_no_choice(self, name: str, body: str, rule: str) -> None:
        with pytest.raises(Refusal, match=rule):
            read(body, name)

    def test_it_is_told_as_real_servers_tell_it(self) -> None:
        """As quoted in pyvcloud #41."""
        late = "><Source href='https://x/api/vApp/x'/><Description>late</Description>"
        with pytest.raises(Refusal) as refused:
            read(element("CloneVAppParams", late), "CloneVAppParamsType")
        assert str(refused.value).startswith(
            "Bad request\n - Unexpected JAXB Exception\n - cvc-complex-type.2.4.a: Invalid content was found starting "
            "with element 'Description'. One of '{\"http://www.vmware.com/vcloud/v1.5\":IsSourceDelete, "
        )

    def test_limits(self) -> None:
        with pytest.raises(Refusal, match=f"more than {MAXIMUM_ELEMENTS} elements"):
            parse(b"<a>" + b"<b/>" * MAXIMUM_ELEMENTS + b"</a>")
        parse(b"<a>" + b"<b/>" * (MAXIMUM_ELEMENTS - 1) + b"</a>")
        with pytest.raises(Refusal, match=f"deeper than {MAXIMUM_DEPTH}"):
            parse(b"<a>" * (MAXIMUM_DEPTH + 1))
        parse(b"<a>" * MAXIMUM_DEPTH + b"</a>" * MAXIMUM_DEPTH)

    @given(st.binary(max_size=200))
    def test_no_bytes_break_it(self, body: bytes) -> None:
        with pytest.raises(Refusal):
            from_xml(parse(body), "TaskType")


def test_an_external_task_in_xml_reads_in_json(cloud: Cloud, provider: Caller) -> None:
    """Created and updated as pyvcloud does it; what JSON shows is in the form of JSON."""
    org = f"http://vcd.example.test/api/org/{ACME}"
    me = next(
        record["href"] for record in provider.json("GET", "/query?type=user")["record"] if record["name"] == "admin"
    )
    body = element("Task", f'name="task" status="running" serviceNamespace="org.example" operationName="backup" '
                   f'operation="Saving"><Owner href="{org}" type="application/vnd.vmware.vcloud.org+xml"/>'
                   f'<User href="{me}"/><Result><ResultContent><a xmlns="urn:x">1</a></ResultContent></Result>'
                   )  # fmt: skip
    xml = {"content-type": "application/vnd.vmware.vcloud.task+xml", "accept": "application/*+xml;version=39.0"}
    made = ElementTree.fromstring(provider.call("POST", f"/tasksList/{ACME}", body.encode(), **xml).body)
    task = made.get("id", "")[-36:]
    document = provider.task(task)
    assert (document["operationName"], document["status"]) == ("backup", "running")
    assert document["owner"]["type"] == "application/vnd.vmware.vcloud.org+xml", "as references are"
    assert ElementTree.fromstring(provider.call("GET", f"/task/{task}", **xml).body).find(".//{urn:x}a") is not None
