"""An owner that says nothing: its Task is ended as configured, wherever the bridge and VCD were meanwhile. Hours in
the settings, seconds here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.external import ExternalSite, running_external_site
from tests.support.kafka import KafkaNode

JOBS = "com.example.jobs"
SILENCE = 3
SETTINGS: dict[str, Any] = {
    "expire_after_seconds": SILENCE, "namespaces": {JOBS: {"expire_after_seconds": 1.0}},
    "update_interval_seconds": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def site(kafka: KafkaNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExternalSite]:
    directory = tmp_path_factory.mktemp("external-silence")
    with running_external_site(kafka.bootstrap, directory, external_tasks=SETTINGS) as running:
        running.start().wait_ready()
        yield running
        running.check()
        left = [one["task"]["id"] for one in running.simulator.external_tasks() if one["task"]["endTime"] is None]
        assert left == [], "none is left running"


def create(site: ExternalSite, *keys: str, **fields: Any) -> None:
    for key in keys:
        site.command("create", key, operation="Change", details="begun", **fields)


def wait_accepted(site: ExternalSite, *keys: str) -> None:
    wanted = set(keys)
    site.wait_told(lambda told: wanted <= {e["external_key"] for e in told if e["change"] == "accepted"})


def shown(site: ExternalSite, key: str) -> dict[str, Any]:
    """The one Task of a key, and what was done to it."""
    (one,) = site.simulator.external_tasks(mark=f"/{key}]")
    return one


@contextmanager
def heartbeats(site: ExternalSite, key: str, seconds: float) -> Iterator[None]:
    """Empty updates, that often."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(seconds):
            site.command("update", key)

    beating = threading.Thread(target=beat)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()


FAULTS: dict[str, dict[str, Any]] = {
    "unavailable": {"do": "status", "status": 503, "times": None},
    "gone": {"do": "drop", "times": None},
    "answer-lost": {"do": "drop", "operation": "updateTask", "effect": True, "times": 1},
}
AWAY = tuple(f"{fault}-{before}" for fault in FAULTS for before in ("quiet", "updated"))


@pytest.fixture(scope="module")
def away(site: ExternalSite) -> Iterator[Future[None]]:
    """VCD is away for the Tasks of ``AWAY`` when their time is over, and then is back: beside the first test. Of each
    two Tasks one has an update on its way when VCD goes."""
    create(site, *AWAY, expire_after_seconds=SILENCE)
    wait_accepted(site, *AWAY)
    faults = {}
    for key in AWAY:
        fault, before = key.rsplit("-", 1)
        faults[key] = site.simulator.fault(**FAULTS[fault], entity=shown(site, key)["task"]["id"][-36:])
        if before == "updated":
            site.command("update", key, details="the last that was heard")

    def come_back() -> None:
        for key, number in faults.items():
            site.simulator.wait_met(number, 1 if key.startswith("answer-lost") else 2)
        site.simulator.clear_faults()

    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(come_back)


@pytest.mark.usefixtures("away")
def test_a_silent_owner_is_given_the_time_of_the_setting_the_namespace_or_the_command(site: ExternalSite) -> None:
    times = {"by-setting": SILENCE, "by-namespace": 1, "by-command": 4, "by-command-of-namespace": 4, "by-update": 4}
    sent = time.time()
    create(site, "by-setting", "kept", "by-update")
    create(site, "by-namespace", serviceNamespace=JOBS)
    create(site, "by-command", expire_after_seconds=4)
    create(site, "by-command-of-namespace", expire_after_seconds=4, serviceNamespace=JOBS)
    site.command("update", "by-update", expire_after_seconds=4)
    with heartbeats(site, "kept", SILENCE / 5):
        outcomes = site.wait_outcomes(*times)
        assert {outcomes[key] for key in times} == {"aborted"}
        kept = shown(site, "kept")
        assert (kept["task"]["status"], kept["updates"]) == ("running", 0), "empty updates keep it, and are not sent"
    for key, seconds in times.items():
        end, one = site.told(key)[-1], shown(site, key)
        assert end["observed_at"] / 1000 - sent > seconds, key
        assert (end["change"], end["outcome"], end["reason"]["code"]) == ("finished", "aborted", "owner_silent")
        assert "not heard of" in end["reason"]["message"]
        told = f"ended because its owner has not been heard of for {seconds} s"
        assert (one["task"]["status"], one["task"]["details"]) == ("aborted", told)
        assert end["task"]["details"] == told
        assert (one["updates"], one["terminal_updates"], one["refused_updates"]) == (1, 1, 0)
    assert site.wait_outcomes("kept")["kept"] == "aborted"
    late = site.command("update", "by-setting", details="here I am")
    (answer,) = [event for event in site.wait_over(late) if event["birth"] == late.birth]
    assert answer["reason"]["code"] == "already_finished"


def test_a_vcd_that_is_away_at_that_moment_shows_the_end_later(site: ExternalSite, away: Future[None]) -> None:
    away.result(60)
    site.wait_outcomes(*AWAY)
    for key in AWAY:
        one, events = shown(site, key), site.told(key)
        assert (one["task"]["status"], one["terminal_updates"]) == ("aborted", 1), key
        assert (events[-1]["outcome"], events[-1]["reason"]["code"]) == ("aborted", "owner_silent")
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))


def test_a_bridge_that_was_away_ends_it_when_it_is_back_and_hears_what_was_said_meanwhile(site: ExternalSite) -> None:
    """Killed; it comes back when the owners' time is over, with another ``expired_status``."""
    create(site, "silent", "heard", "finished-meanwhile")
    wait_accepted(site, "silent", "heard", "finished-meanwhile")
    site.processes[-1].kill()
    over = time.monotonic() + SILENCE
    site.command("update", "heard", details="still at it", expire_after_seconds=60)
    site.command("finish", "finished-meanwhile")
    time.sleep(max(0.0, over - time.monotonic()))  # time itself is waited for, and its session times out meanwhile
    site.start(external_tasks={"expired_status": "error"}).wait_ready()
    outcomes = site.wait_outcomes("silent", "finished-meanwhile")
    assert (outcomes["silent"], outcomes["finished-meanwhile"]) == ("error", "success")
    site.command("finish", "heard")
    assert site.wait_outcomes("heard")["heard"] == "success", "what was said while the bridge was away counts"
    assert shown(site, "heard")["task"]["details"] == "still at it"
    end, task = site.told("silent")[-1], shown(site, "silent")["task"]
    message = f"ended because its owner has not been heard of for {SILENCE} s"
    assert (end["reason"]["code"], end["vcd_error"]["minorErrorCode"]) == ("owner_silent", "OWNER_SILENT")
    assert (task["status"], task["error"]["message"], task["error"]["minorErrorCode"]) == (
        "error", message, "OWNER_SILENT",
    )  # fmt: skip
