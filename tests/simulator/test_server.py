"""The simulator over real sockets, in a process of its own: faults on the wire, files, start and stop."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from bridge.cli.app import app
from bridge.simulator.clock import parse_time
from bridge.simulator.faultplan import read_fault_file
from bridge.simulator.server import serve_in_thread
from tests.support.processes import REPOSITORY
from tests.support.simulator import (
    ACME_VAPP,
    Client,
    Simulator,
    acme_vapp,
    log_in,
    running_simulator,
)
from tests.support.simulator import (
    http as call,
)

DOCUMENT = REPOSITORY / "docs" / "simulator.md"
DEPLOY = f"/api/vApp/{ACME_VAPP}/action/deploy"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator(task_seconds=0, settings={"busy": False}) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.clear_faults()


@pytest.fixture
def admin(simulator: Simulator) -> Client:
    return simulator.log_in()


def last_change(simulator: Simulator) -> dict[str, Any]:
    return simulator.ledger(changes=True)[-1]


def connection(simulator: Simulator) -> http.client.HTTPConnection:
    host, _, port = simulator.url.removeprefix("http://").partition(":")
    return http.client.HTTPConnection(host, int(port), timeout=10)


class TestFaults:
    @pytest.mark.parametrize("effect", [False, True])
    @pytest.mark.parametrize(
        ("do", "error"), [("drop", http.client.RemoteDisconnected), ("reset", ConnectionResetError)]
    )
    def test_a_cut_connection_before_or_after_the_effect(
        self,
        simulator: Simulator,
        admin: Client,
        do: str,
        error: type[Exception],
        effect: bool,
    ) -> None:
        simulator.fault(do=do, operation="deployVApp", effect=effect)
        before = simulator.state()["tasks"]["created"]
        with pytest.raises(error):
            admin.post(DEPLOY, {})
        entry = last_change(simulator)
        assert (entry["status"], entry["effect"], entry["fault"]) == (None, effect, do)
        assert simulator.state()["tasks"]["created"] - before == int(effect)
        assert admin.post(DEPLOY, {}).status == 202

    def test_half_an_answer(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(do="truncate", operation="deployVApp")
        with pytest.raises(http.client.IncompleteRead):
            admin.post(DEPLOY, {})
        assert (last_change(simulator)["status"], last_change(simulator)["effect"]) == (202, True)

    def test_no_answer_at_all(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(do="hang", operation="deployVApp", effect=True)
        wire = connection(simulator)
        wire.request("POST", DEPLOY, b"{}", {"Authorization": f"Bearer {admin.token}",
                                             "Accept": "application/*+json;version=39.0"})  # fmt: skip
        assert wire.sock is not None
        wire.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            wire.getresponse()
        wire.close()
        assert last_change(simulator)["effect"] is True

    @pytest.mark.parametrize("effect", [False, True])
    def test_a_delay_before_or_after_the_effect(self, simulator: Simulator, admin: Client, effect: bool) -> None:
        simulator.fault(do="delay", seconds=0.3, operation="deployVApp", effect=effect)
        began = time.time()
        assert admin.post(DEPLOY, {}).status == 202
        ended = time.time()
        took_effect = parse_time(last_change(simulator)["time"])
        assert took_effect is not None
        if effect:
            assert ended - took_effect >= 0.3
        else:
            assert took_effect - began >= 0.29

    @pytest.mark.parametrize("status", [401, 429, 500, 502, 503, 504])
    @pytest.mark.parametrize("effect", [False, True])
    def test_statuses_with_and_without_the_effect(
        self,
        simulator: Simulator,
        admin: Client,
        status: int,
        effect: bool,
    ) -> None:
        before = simulator.state()["tasks"]["created"]
        simulator.fault(status=status, operation="deployVApp", effect=effect, message="NSX said no")
        reply = admin.post(DEPLOY, {})
        assert reply.status == status
        assert (reply.body == b"") if status == 401 else (b"NSX said no" in reply.body)
        assert simulator.state()["tasks"]["created"] - before == int(effect)
        entry = last_change(simulator)
        assert (entry["status"], entry["effect"], entry["fault"]) == (status, effect, "status")

    def test_retry_after_and_minor_codes(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(status=429, operation="deployVApp", retry_after=7)
        simulator.fault(status=429, operation="deployVApp")
        simulator.fault(status=400, minor_code="OPERATION_LIMITS_EXCEEDED", operation="deployVApp")
        first, second, third = (admin.post(DEPLOY, {}) for _ in range(3))
        assert (first.headers["retry-after"], "retry-after" in second.headers) == ("7", False)
        assert third.json()["minorErrorCode"] == "OPERATION_LIMITS_EXCEEDED"

    def test_a_body_of_a_proxy_and_a_redirect(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(status=502, body="<html>Bad Gateway</html>", operation="deployVApp")
        simulator.fault(status=503, headers={"Location": "http://elsewhere.example/"}, operation="deployVApp")
        first, second = (admin.post(DEPLOY, {}) for _ in range(2))
        assert (first.body, first.headers["content-type"]) == (b"<html>Bad Gateway</html>", "text/html;charset=utf-8")
        assert second.headers["location"] == "http://elsewhere.example/"

    def test_another_content_type(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(do="content_type", content_type="text/plain", operation="deployVApp")
        assert admin.post(DEPLOY, {}).headers["content-type"] == "text/plain"

    def test_selection(self, simulator: Simulator, admin: Client) -> None:
        other = f"/api/vApp/{acme_vapp(2)}/action/deploy"
        simulator.fault(status=500, entity=acme_vapp(2), skip=1, times=2)
        assert [admin.post(path, {}).status for path in (other, DEPLOY, other, other, other)] == [
            202,
            202,
            500,
            500,
            202,
        ]
        simulator.fault(
            status=500, operation="dep*", method="POST", path=r"/action/deploy$", user="admin@acme", times=None
        )
        assert [admin.post(DEPLOY, {}).status for _ in range(5)] == [500] * 5
        assert admin.get("/api/org").status == 200
        (fault,) = simulator.admin("GET", "faults")
        assert fault["met"] == 5
        simulator.admin("DELETE", f"faults/{fault['id']}")
        assert admin.post(DEPLOY, {}).status == 202

    def test_probability_repeats_with_its_seed(self, simulator: Simulator, admin: Client) -> None:
        def run() -> list[int]:
            simulator.fault(status=503, operation="listOrganizations", probability=0.5, seed=3, times=None)
            found = [admin.get("/api/org").status for _ in range(20)]
            simulator.clear_faults()
            return found

        first = run()
        assert {200, 503} == set(first)
        assert run() == first

    def test_login_and_queries_can_fail_too(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(status=401, operation="query")
        simulator.fault(status=503, operation="login")
        assert admin.get("/api/query?type=task").status == 401
        assert admin.get("/api/query?type=task").status == 200
        with pytest.raises(AssertionError):
            simulator.log_in()
        assert simulator.log_in().get("/api/org").status == 200


class TestOwnFailures:
    """A bug of the simulator is no reason for a call to be missing in the ledger."""

    @pytest.mark.parametrize("fault", [None, "truncate"])
    def test_a_handler_that_fails_is_a_500_in_the_ledger(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], fault: str | None
    ) -> None:
        with serve_in_thread() as (url, director):
            session = log_in(url)
            if fault is not None:
                director.faults.add({"do": fault, "operation": "deployVApp"})
            monkeypatch.setattr(director.cloud.documents, "task", lambda *_, **__: 1 / 0)
            reply = None
            with contextlib.suppress(http.client.IncompleteRead):
                reply = session.post(DEPLOY, {})
            entry = director.ledger.after(0)[-1]
        if reply is not None:
            assert (reply.status, reply.json()["minorErrorCode"]) == (500, "INTERNAL_SERVER_ERROR")
        assert (entry["operation"], entry["status"], entry["fault"]) == ("deployVApp", 500, fault)
        assert entry["effect"] is True, "the Task was made before the answer to it failed"
        assert "ZeroDivisionError" in capfd.readouterr().err

    def test_one_that_fails_before_its_handler_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serve_in_thread() as (url, director):
            session = log_in(url)
            monkeypatch.setattr(director.cloud.sessions, "tenant", lambda *_: 1 / 0)
            assert session.post(DEPLOY, {}).status == 500
            entry = director.ledger.after(0)[-1]
        assert (entry["operation"], entry["status"], entry["effect"]) == ("deployVApp", 500, False)


class TestHttp:
    def test_many_calls_on_one_connection(self, simulator: Simulator, admin: Client) -> None:
        wire = connection(simulator)
        headers = {"Authorization": f"Bearer {admin.token}", "Accept": "application/*+json;version=39.0"}
        for _ in range(50):
            wire.request("POST", DEPLOY, b"{}", headers)
            answer = wire.getresponse()
            assert (answer.status, json.loads(answer.read())["status"]) == (202, "success")
        wire.close()

    def test_a_body_in_chunks(self, simulator: Simulator, admin: Client) -> None:
        wire = connection(simulator)
        headers = {"Authorization": f"Bearer {admin.token}", "Accept": "application/*+json;version=39.0"}
        wire.request("POST", DEPLOY, iter([b'{"powe', b'rOn":true}']), headers, encode_chunked=True)
        assert wire.getresponse().status == 202
        wire.close()

    def test_a_body_that_breaks_off_has_no_effect(self, simulator: Simulator, admin: Client) -> None:
        before = simulator.state()["tasks"]["created"]
        host, _, port = simulator.url.removeprefix("http://").partition(":")
        head = (
            f"POST {DEPLOY} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin.token}\r\n"
            "Accept: application/*+json;version=39.0\r\nContent-Length: 17\r\n\r\n"
        )
        for part in (b"", b'{"power'):
            with socket.create_connection((host, int(port)), timeout=5) as wire:
                wire.sendall(head.encode() + part)
                wire.shutdown(socket.SHUT_WR)
                assert wire.recv(4096) == b""
        assert simulator.state()["tasks"]["created"] == before

    def test_a_body_over_the_limit(self, simulator: Simulator, admin: Client) -> None:
        assert admin.post(DEPLOY, {"x": "y" * 600_000}).status == 400
        assert admin.post(DEPLOY, b'"' + b"y" * 9_000_000 + b'"').status == 400

    def test_percent_encoded_metadata_keys(self, simulator: Simulator, admin: Client) -> None:
        path = f"/api/vApp/{ACME_VAPP}/metadata/a%2Fb"
        assert admin.call("PUT", path, {"typedValue": {"_type": "MetadataStringValue", "value": "1"}}).status == 202
        assert admin.get(path).json()["typedValue"]["value"] == "1"
        assert admin.get(f"/api/vApp/{ACME_VAPP}/metadata/a/b").status == 404

    def test_204_has_no_body_and_no_length(self, simulator: Simulator) -> None:
        session = simulator.log_in()
        reply = session.call("DELETE", "/cloudapi/1.0.0/sessions/current")
        assert (reply.status, reply.body, "content-length" in reply.headers) == (204, b"", False)

    def test_rubbish_does_not_stop_it(self, simulator: Simulator) -> None:
        host, _, port = simulator.url.removeprefix("http://").partition(":")
        for rubbish in (
            b"\x16\x03\x01\x00",
            b"GET / HTTP/9.9\r\n\r\n",
            b"POST /api/org HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        ):
            with socket.create_connection((host, int(port)), timeout=5) as wire:
                wire.sendall(rubbish)
                wire.shutdown(socket.SHUT_WR)
                while wire.recv(4096):
                    pass
        assert call("GET", simulator.url + "/api/versions").status == 200


class TestProcess:
    def test_it_starts_with_files_and_stops_cleanly(self, tmp_path: Path) -> None:
        faults, ledger = tmp_path / "faults.json", tmp_path / "ledger.jsonl"
        faults.write_text('[{"status": 503, "operation": "versions"}]')
        with running_simulator(
            faults_file=faults, ledger_file=ledger, public_url="https://vcd.example.com", virtual_machines=9,
            settings={"old_busy_text": True},
        ) as simulator:  # fmt: skip
            assert call("GET", simulator.url + "/api/versions").status == 503
            admin = simulator.log_in()
            reply = admin.post(f"/api/vApp/{acme_vapp(9)}/action/deploy", {})
            assert reply.headers["location"].startswith("https://vcd.example.com/api/task/")
            assert simulator.state()["settings"]["old_busy_text"] is True
            lines = [json.loads(line) for line in ledger.read_text().splitlines()]
            assert lines == simulator.ledger(), "the file has each call before its answer leaves"
            assert simulator.stop() == 0

    def test_the_ledger_file_survives_kill_9(self, tmp_path: Path) -> None:
        with running_simulator(ledger_file=tmp_path / "ledger.jsonl") as simulator:
            admin = simulator.log_in()
            task = admin.post(DEPLOY, {}).json()["id"]
            assert simulator.process is not None
            os.kill(simulator.process.pid, signal.SIGKILL)
            simulator.process.wait(10)
        entry = json.loads((tmp_path / "ledger.jsonl").read_text().splitlines()[-1])
        assert (entry["operation"], f"urn:vcloud:task:{entry['task']}") == ("deployVApp", task)

    @pytest.mark.parametrize(
        ("options", "named"),
        [(["--listen", "nowhere"], "host:port"), (["--settings", '{"x": 1}'], "unknown setting 'x'"),
         (["--settings", "x"], "--settings"), (["--faults", "absent.json"], "absent.json"),
         (["--ledger", "absent/ledger.jsonl"], "absent/ledger.jsonl"), (["--listen", "192.0.2.1:1"], "192.0.2.1:1"),
         (["--listen", "127.0.0.1:65536"], "host:port"), (["--public-url", "vcd.example.com"], "--public-url")],
    )  # fmt: skip
    def test_mistakes_end_it_with_2_and_a_word(self, options: list[str], named: str) -> None:
        command = [sys.executable, "-m", "bridge", "simulator", "--listen", "127.0.0.1:0", *options]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=REPOSITORY, check=False)
        assert ended.returncode == 2
        assert named in ended.stderr
        assert ended.stdout == ""

    def test_its_options_are_those_that_its_document_tells(self) -> None:
        told = set(re.findall(r"^\| `(--[a-z-]+)", DOCUMENT.read_text(), re.MULTILINE))
        command: Any = typer.main.get_command(app)
        assert told == {name for one in command.commands["simulator"].params for name in one.opts}

    def test_it_runs_inside_another_process(self) -> None:
        with serve_in_thread(seed=3) as (url, director):
            session = log_in(url)
            assert session.post(DEPLOY, {}).status == 202
            assert director.cloud.engine.created == 1
        with pytest.raises(OSError, match="refused"):
            call("GET", url + "/api/versions")


def test_fields_that_are_sent_twice_are_one_list(simulator: Simulator, admin: Client) -> None:
    with contextlib.closing(http.client.HTTPConnection(simulator.url.removeprefix("http://"))) as connection:
        connection.putrequest("GET", "/api/org")
        connection.putheader("Authorization", f"Bearer {admin.token}")
        for form in ("xml", "json"):
            connection.putheader("Accept", f"application/*+{form};version=39.0")
        connection.endheaders()
        assert "+xml" in str(connection.getresponse().headers["Content-Type"])


def test_fault_files(tmp_path: Path) -> None:
    path = tmp_path / "faults"
    path.write_text('{"do": "drop"}\n\n{"status": 500}\n')
    assert read_fault_file(path) == [{"do": "drop"}, {"status": 500}]
    for wrong in ("{", "[3]", '"x"'):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=str(path)):
            read_fault_file(path)
