"""A Director in virtual time, without sockets, and the calls that tests make of it."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from bridge.simulator.administration import Administration
from bridge.simulator.behavior import Behavior
from bridge.simulator.director import Director
from bridge.simulator.protocol.exchange import Answer, Request
from bridge.simulator.state.founding.inventory import well_known_uuid

START = 1_800_000_000.0
VERSION = "39.0"
URL = "http://vcd.example.test"

VAPP = f"vapp-{well_known_uuid('vApp', 'acme')}"
VAPP_2 = f"vapp-{well_known_uuid('vApp', 'acme', 2)}"
VM = f"vm-{well_known_uuid('vm', 'acme')}"
VDC = well_known_uuid("vdc", "acme")
ACME = well_known_uuid("org", "acme")
BETA = well_known_uuid("org", "beta")
BETA_VAPP = f"vapp-{well_known_uuid('vApp', 'beta')}"


class Cloud:
    """One simulated cloud; ``now`` moves only by :meth:`wait`."""

    def __init__(self, **behavior: Any) -> None:
        self.now = START
        self.director = Director(
            public_url=URL, clock=lambda: self.now, behavior=Behavior(task_seconds=10.0), seed=1, maximum_tasks=1000
        )
        self.director.change_settings(behavior)
        self.administration = Administration(self.director)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def raw(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        path, _, query = path.partition("?")
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name.replace("_", "-").lower().encode(): value.encode() for name, value in headers.items()}
        return self.director.handle(Request(method, path, query, sent, data))

    def admin(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.administration.handle(Request(method, f"/simulator/{path}", query, {}, data))
        return answer.status, json.loads(answer.body)

    def set(self, path: str, body: Any) -> Any:
        """An administration call that must succeed."""
        status, document = self.admin("POST", path, body)
        assert status == 200, document
        return document

    def log_in(self, user: str = "admin@acme") -> Caller:
        basic = base64.b64encode(f"{user}:secret".encode()).decode()
        path = "/cloudapi/1.0.0/sessions" + ("/provider" if user.endswith("@System") else "")
        answer = self.raw("POST", path, authorization=f"Basic {basic}", accept=f"application/json;version={VERSION}")
        assert answer.status == 200
        return Caller(self, dict(answer.headers)["X-VMWARE-VCLOUD-ACCESS-TOKEN"])


class Caller:
    """A session."""

    def __init__(self, cloud: Cloud, token: str) -> None:
        self.cloud = cloud
        self.token = token

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {
            "accept": f"application/*+json;version={VERSION}", "authorization": f"Bearer {self.token}", **headers,
        }  # fmt: skip
        return self.cloud.raw(method, f"/api{path}" if not path.startswith("/cloudapi") else path, body, **sent)

    def json(self, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        """The parsed answer, which must have this status."""
        answer = self.call(method, path, body, **headers)
        assert answer.status == status, (answer.status, answer.body)
        return json.loads(answer.body) if answer.body else None

    def deploy(self, vapp: str = VAPP) -> str:
        """Starts a deployVApp and returns the Task's id."""
        task: str = self.json("POST", f"/vApp/{vapp}/action/deploy", {"powerOn": True}, status=202)["id"]
        return task.removeprefix("urn:vcloud:task:")

    def task(self, task: str) -> Any:
        return self.json("GET", f"/task/{task}")

    def query(self, filter_text: str | None = None, kind: str = "task", **parameters: Any) -> Any:
        pairs = {"type": kind, **parameters, **({} if filter_text is None else {"filter": filter_text})}
        return self.json("GET", "/query?" + "&".join(f"{name}={quote(str(value))}" for name, value in pairs.items()))


def error_code(answer: Answer) -> str:
    """The minor code of an error document, whichever format it has."""
    if answer.content_type is not None and "+xml" in answer.content_type:
        return ElementTree.fromstring(answer.body).get("minorErrorCode", "")  # the simulator's own
    code: str = json.loads(answer.body)["minorErrorCode"]
    return code


def link(document: Any, rel: str) -> Any:
    """The one link with a relation. VCD writes those that lead to a document twice; this is the one to JSON."""
    found = [one for one in document["link"] if one["rel"] == rel]
    assert [one["type"] for one in found] == [found[-1]["type"].replace("+json", "+xml"), found[-1]["type"]], found
    return found[-1]


def rels(document: Any) -> list[str]:
    """Relations of a document's links in their order, each once for both forms."""
    return [one["rel"] for one in document["link"] if not (one["type"] or "").endswith("+xml")]
