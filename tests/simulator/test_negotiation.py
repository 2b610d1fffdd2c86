"""Accept and Content-Type: which format an answer has, which version counts, and what is refused."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from bridge.simulator.protocol.exchange import Answer, Format
from bridge.simulator.protocol.negotiation import asked
from tests.simulator.driver import VAPP, VERSION, Caller, Cloud, error_code

VERSIONS = ("36.0", "37.0", "39.0", "40.0.0-alpha")
TASK = "application/vnd.vmware.vcloud.task"


@pytest.mark.parametrize(
    ("accept", "form", "version"),
    [
        ("application/*+json;version=39.0", "json", "39.0"),
        ("application/*+xml;version=36.0", "xml", "36.0"),
        (f"{TASK}+json; version=39.0", "json", "39.0"),
        (f"{TASK}+xml;version=39.0", "xml", "39.0"),
        ("application/json;version=37.0", "json", "37.0"),
        ("*/*;version=39.0", "xml", "39.0"),
        ("application/*;version=39.0", "xml", "39.0"),
        ('APPLICATION/*+JSON;VERSION="39.0"', "json", "39.0"),
        ("application/*+json;version=40.0.0-alpha", "json", "40.0.0-alpha"),
        ("text/html, application/*+json;version=39.0", "json", "39.0"),
        ("application/*+xml;version=39.0;q=0.5, application/*+json;version=37.0", "json", "37.0"),
        ("application/*+json;version=39.0;q=0, application/*+xml;version=39.0;q=0.1", "xml", "39.0"),
        ("application/*+json;version=12.0, application/*+xml;version=36.0", "xml", "36.0"),
        ("application/*+json;version=39.0;multisite=global", "json", "39.0"),
    ],
)
def test_the_best_range_that_can_be_met(accept: str, form: str, version: str) -> None:
    found = asked(accept, VERSIONS)
    assert (found.form, found.version, found.acceptable) == (Format(form), version, True)


@pytest.mark.parametrize(
    "accept", ["", "application/*+json", "application/*+xml;version=1.5", "image/png;version=39.0"]
)
def test_what_cannot_be_met_has_no_version(accept: str) -> None:
    assert asked(accept, VERSIONS).version is None


def test_cloudapi_has_no_xml() -> None:
    assert asked("*/*;version=39.0", VERSIONS, only_json=True).form is Format.JSON
    assert not asked("application/*+xml;version=39.0", VERSIONS, only_json=True).acceptable


def parsed(answer: Answer) -> ElementTree.Element:
    assert answer.content_type is not None
    assert answer.content_type.endswith(f"+xml;version={VERSION}")
    return ElementTree.fromstring(answer.body)


class TestAnswers:
    xml = f"application/*+xml;version={VERSION}"

    def test_the_same_document_in_both_formats(self, admin: Caller) -> None:
        in_json = admin.json("GET", f"/vApp/{VAPP}")
        in_xml = parsed(admin.call("GET", f"/vApp/{VAPP}", accept=self.xml))
        assert in_xml.tag == "{http://www.vmware.com/vcloud/v1.5}VApp"
        assert {name: in_xml.get(name) for name in ("href", "id", "name")} == {
            name: in_json[name] for name in ("href", "id", "name")
        }
        assert (in_xml.get("type"), in_json["type"]) == tuple(
            f"application/vnd.vmware.vcloud.vApp+{form}" for form in ("xml", "json")
        )

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/vApp/vapp-00000000-0000-4000-8000-000000000000", 403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN"),
            ("GET", "/nothing", 404, "RESOURCE_NOT_FOUND"),
            ("PATCH", "/org", 405, "METHOD_NOT_ALLOWED"),
            ("DELETE", f"/vApp/{VAPP}/action/deploy", 405, "METHOD_NOT_ALLOWED"),
        ],
    )
    @pytest.mark.parametrize("form", ["xml", "json"])
    def test_errors_come_in_the_format_that_was_asked_for(
        self, admin: Caller, method: str, path: str, status: int, code: str, form: str
    ) -> None:
        answer = admin.call(method, path, accept=f"application/*+{form};version={VERSION}")
        assert (answer.status, error_code(answer)) == (status, code)
        assert answer.content_type == f"application/vnd.vmware.vcloud.error+{form};version={VERSION}"

    def test_405_names_what_is_allowed(self, admin: Caller) -> None:
        answer = admin.call("DELETE", f"/vApp/{VAPP}/action/deploy")
        assert dict(answer.headers)["Allow"] == "POST"

    def test_without_any_accept_the_refusal_is_xml(self, admin: Caller) -> None:
        answer = admin.call("GET", "/org", accept="")
        assert (answer.status, answer.content_type) == (406, "application/vnd.vmware.vcloud.error+xml")
        assert ElementTree.fromstring(answer.body).get("majorErrorCode") == "406"

    def test_cloudapi_errors_are_json_whatever_is_asked_for(self, admin: Caller) -> None:
        answer = admin.call("GET", "/cloudapi/1.0.0/nothing", accept=self.xml)
        assert answer.content_type is not None
        assert answer.content_type.startswith("application/json")
        assert "minorErrorCode" in json.loads(answer.body)

    def test_cloudapi_is_not_served_as_xml(self, admin: Caller) -> None:
        answer = admin.call("GET", "/cloudapi/1.0.0/sessions/current", accept=self.xml)
        assert (answer.status, json.loads(answer.body)["minorErrorCode"]) == (406, "NOT_ACCEPTABLE")

    def test_401_has_no_body_in_either(self, cloud: Cloud) -> None:
        for form in ("xml", "json"):
            answer = cloud.raw("GET", "/api/org", accept=f"application/*+{form};version={VERSION}")
            assert (answer.status, answer.body, answer.content_type) == (401, b"", None)

    def test_alpha_versions_are_served_where_they_are_offered(self, cloud: Cloud, admin: Caller) -> None:
        accept = "application/*+json;version=40.0.0-alpha"
        assert admin.call("GET", "/org", accept=accept).status == 406
        cloud.set("settings", {"alpha_versions": ["40.0.0-alpha"]})
        assert admin.call("GET", "/org", accept=accept).status == 200


DEPLOY = '<DeployVAppParams xmlns="http://www.vmware.com/vcloud/v1.5" powerOn="true"/>'


class TestBodies:
    path = f"/vApp/{VAPP}/action/deploy"

    @pytest.mark.parametrize(
        "media",
        ["application/vnd.vmware.vcloud.deployVAppParams+xml", "application/vnd.vmware.vcloud.DeployVAppParams+XML",
         "application/*+xml", "application/xml;charset=utf-8", ""],
    )  # fmt: skip
    def test_xml_by_its_media_type_or_by_its_looks(self, admin: Caller, media: str) -> None:
        headers: Any = {"content-type": media} if media else {}
        assert admin.call("POST", self.path, DEPLOY.encode(), **headers).status == 202

    @pytest.mark.parametrize("media", ["application/vnd.vmware.vcloud.undeployVAppParams+xml", "text/xml", "x/y"])
    def test_another_media_type_is_415(self, admin: Caller, media: str) -> None:
        answer = admin.call("POST", self.path, DEPLOY.encode(), **{"content-type": media})
        assert (answer.status, error_code(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")

    @pytest.mark.parametrize(("media", "body"), [("xml", b'{"powerOn": true}'), ("json", DEPLOY.encode())])
    def test_a_body_of_the_other_format_is_400(self, admin: Caller, media: str, body: bytes) -> None:
        answer = admin.call("POST", self.path, body, **{"content-type": f"application/*+{media}"})
        assert (answer.status, error_code(answer)) == (400, "BAD_REQUEST")
