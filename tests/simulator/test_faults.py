"""Plans of faults: how they are read, whom they meet, and what the rarer ones do on the wire."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.simulator.clock import parse_time
from bridge.simulator.faultplan import FaultError, Names, read_fault
from bridge.simulator.faults import Faults
from bridge.simulator.presets import PRESETS
from bridge.simulator.server import serve_in_thread
from tests.simulator.driver import Cloud
from tests.support.processes import REPOSITORY
from tests.support.simulator import ACME_VAPP, Client, Simulator
from tests.support.simulator import http as call

DEPLOY = f"/api/vApp/{ACME_VAPP}/action/deploy"
NAMES = Names(frozenset({"deployVApp", "query", "undeployVApp"}), ("cell-1", "cell-2"))


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with serve_in_thread() as (url, _director):
        simulator = Simulator(url)
        simulator.settings(busy=False, strict_states=False)
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.clear_faults()


@pytest.fixture
def admin(simulator: Simulator) -> Client:
    return simulator.log_in()


class TestReading:
    @pytest.mark.parametrize(
        ("document", "told"),
        [
            ({"stats": 503}, "unknown field 'stats'"),
            ({"do": "explode"}, "'do' takes one of: drop, reset"),
            ({}, "'do' takes one of"),
            ({"preset": "rate_limit"}, "'preset' takes one of: lost-request"),
            ({"status": "503"}, "'status' takes a number from 200 to 599"),
            ({"status": 503, "times": 0}, "'times' takes a number, 1 or more"),
            ({"status": 503, "probability": 1.5}, "'probability' takes a number from 0 to 1"),
            ({"status": 503, "operation": "deployVapp"}, "'operation': no call is named 'deployVapp'"),
            ({"status": 503, "path": "("}, "'path' takes a regular expression"),
            ({"status": 503, "effect": "yes"}, "'effect' takes true or false"),
            ({"status": 503, "headers": ["a"]}, "'headers' takes an object"),
            ({"status": 503, "entity": 3}, "'entity' takes text"),
            ({"do": "drop", "message": "x"}, '\'message\' does not go with "do": "drop"'),
            ({"do": "drop", "bytes_per_second": 3}, "'bytes_per_second' does not go with"),
            ({"do": "drop", "cell": "cell-3"}, "'cell' takes one of: cell-1, cell-2"),
            ({"do": "refuse"}, "'cell' is needed"),
            ({"do": "refuse", "cell": "cell-1", "operation": "query"}, "'operation' does not go with"),
        ],
    )
    def test_a_mistake_names_its_field(self, document: dict[str, Any], told: str) -> None:
        with pytest.raises(FaultError) as caught:
            read_fault(document, 1, 0.0, NAMES)
        assert told in str(caught.value)

    def test_a_wildcard_may_fit_many(self) -> None:
        fault = read_fault({"status": 503, "operation": "*deployVApp"}, 1, 0.0, NAMES)
        assert fault.selects("undeployVApp", "POST", "/", None, "cell-1")
        assert not fault.selects("query", "GET", "/", None, "cell-1")

    def test_what_is_given_beside_a_preset_counts(self) -> None:
        fault = read_fault({"preset": "rate-limit", "retry_after": 9, "times": 3}, 1, 0.0, NAMES)
        assert (fault.status, fault.headers, fault.times) == (429, [("Retry-After", "9")], 3)

    @pytest.mark.parametrize("preset", PRESETS)
    def test_every_preset_is_a_fault(self, preset: str) -> None:
        assert read_fault({"preset": preset}, 1, 0.0, NAMES).document == {"preset": preset}

    def test_every_preset_is_told_in_the_document(self) -> None:
        told = (REPOSITORY / "docs" / "simulator.md").read_text()
        assert [preset for preset in PRESETS if f"| `{preset}` |" not in told] == []

    def test_a_plan_is_taken_whole_or_not_at_all(self) -> None:
        faults = Faults(lambda: 0.0, NAMES.operations)
        with pytest.raises(FaultError, match=r"^fault 2: 'times'"):
            faults.add_all([{"status": 503}, {"status": 503, "times": "all"}])
        assert faults.is_empty

    def test_a_wrong_plan_keeps_it_from_starting(self, tmp_path: Path) -> None:
        plan = tmp_path / "plan.json"
        plan.write_text(json.dumps([{"preset": "rate-limit"}, {"preset": "rate-limit", "time": 2}]))
        with (
            pytest.raises(ValueError, match=f"{plan}: fault 2: unknown field 'time'"),
            serve_in_thread(faults_file=plan),
        ):
            pass


class TestWindow:
    def test_it_begins_and_ends_by_itself(self, cloud: Cloud) -> None:
        now = [0.0]
        faults = Faults(lambda: now[0], NAMES.operations)
        faults.add({"status": 503, "after": 10, "for": 5, "times": None})
        met = []
        for moment in (0.0, 9.9, 10.0, 14.9, 15.0):
            now[0] = moment
            met.append(faults.take("query", "GET", "/api/query", None, "cell-1") is not None)
        assert met == [False, False, True, True, False]


class TestWire:
    def test_rate_limits(self, simulator: Simulator, admin: Client) -> None:
        simulator.admin("POST", "faults", [{"preset": "rate-limit"}, {"preset": "rate-limit-silent"}])
        first, second, third = (admin.get("/api/org") for _ in range(3))
        assert (first.status, first.headers["retry-after"]) == (429, "1")
        assert (second.status, "retry-after" in second.headers) == (429, False)
        assert third.status == 200

    def test_a_redirect_to_another_host(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(preset="redirect", operation="deployVApp")
        wire = http.client.HTTPConnection(simulator.url.removeprefix("http://"), timeout=10)
        headers = {"Authorization": f"Bearer {admin.token}", "Accept": "application/*+json;version=39.0"}
        wire.request("POST", DEPLOY, b"{}", headers)
        answer = wire.getresponse()
        assert (answer.status, answer.getheader("Location"), answer.read()) == (302, "https://elsewhere.example/", b"")
        wire.close()
        assert simulator.ledger(changes=True)[-1]["effect"] is False

    def test_a_401_has_an_empty_body(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(preset="session-expired")
        assert (reply := admin.get("/api/org")).status == 401
        assert reply.body == b""
        assert admin.get("/api/org").status == 200, "the session itself is as good as before"

    def test_a_wrapped_rate_limit(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(preset="wrapped-rate-limit")
        reply = admin.get("/api/org")
        assert (reply.status, reply.json()["minorErrorCode"]) == (500, "INTERNAL_SERVER_ERROR")
        assert reply.json()["message"].endswith("exceeded request rate of 100 per second, error code 102")

    def test_slow_bytes_are_all_there_in_the_end(self, simulator: Simulator, admin: Client) -> None:
        whole = admin.get("/api/org")
        simulator.fault(do="slow", bytes_per_second=4000, operation="listOrganizations")
        began = time.monotonic()
        slow = admin.get("/api/org")
        assert (slow.status, slow.body) == (200, whole.body)
        assert slow.headers["content-type"] == whole.headers["content-type"]
        assert time.monotonic() - began > 0.8 * len(whole.body) / 4000

    def test_a_slow_answer_ends_when_its_reader_leaves(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(do="slow", bytes_per_second=1, operation="listOrganizations")
        with pytest.raises(OSError, match="timed out"):
            call("GET", f"{simulator.url}/api/org",
                 headers={"Authorization": f"Bearer {admin.token}", "Accept": "application/*+json;version=39.0"},
                 timeout=0.1)  # fmt: skip
        assert simulator.state()["ledger"]["last"] > 0

    def test_the_date_of_one_answer_is_skewed(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(do="skew", skew_seconds=-3600)
        skewed, right = admin.get("/api/org"), admin.get("/api/org")
        told = [parsedate_to_datetime(one.headers["date"]) for one in (skewed, right)]
        assert 3599 <= (told[1] - told[0]).total_seconds() <= 3601

    def test_the_whole_clock_is_ahead(self, simulator: Simulator, admin: Client) -> None:
        simulator.settings(clock_ahead_seconds=600)
        try:
            reply = simulator.log_in().post(DEPLOY, {})
        finally:
            simulator.settings(clock_ahead_seconds=0)
        started = parse_time(reply.json()["startTime"])
        assert started is not None
        for seen in (started, parsedate_to_datetime(reply.headers["date"]).timestamp()):
            assert 598 <= seen - time.time() <= 602

    def test_faults_by_user(self, simulator: Simulator, admin: Client) -> None:
        simulator.fault(preset="starting", user="admin@beta", times=None)
        assert admin.get("/api/org").status == 200
        assert simulator.log_in("admin@beta").get("/api/org").status == 503
        assert {"id", "met", "preset", "user", "times"} == set(simulator.admin("GET", "faults")[0])

    def test_presets_can_be_asked_for(self, simulator: Simulator) -> None:
        told = simulator.admin("GET", "faults/presets")
        assert set(told) == set(PRESETS)
        assert told["lost-answer"]["effect"] is True

    def test_a_mistake_at_run_time_names_its_field(self, simulator: Simulator) -> None:
        reply = call("POST", f"{simulator.url}/simulator/faults", {"do": "drop", "when": 3})
        assert (reply.status, "unknown field 'when'" in reply.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    "fault", [{"do": "hang"}, {"do": "delay", "seconds": 60}, {"do": "slow", "bytes_per_second": 1}]
)
def test_a_stop_waits_for_no_fault(fault: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    """Who is still being served is let go, without a word about it."""
    with serve_in_thread() as (url, director):
        director.faults.add({**fault, "path": "versions"})
        wire = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
        wire.request("GET", "/api/versions")
        while director.ledger.last == 0 and not director.faults.is_empty:
            time.sleep(0.01)  # the simulator is polled: there is nothing to be woken by
        began = time.monotonic()
    assert time.monotonic() - began < 0.9
    wire.close()
    assert capfd.readouterr().err == ""
