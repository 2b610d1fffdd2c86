"""A simulator in a process of its own, and short words for its administration paths."""

from __future__ import annotations

import base64
import json
import math
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.simulator.state.founding.inventory import PASSWORD, well_known_uuid
from tests.fidelity.conformity.processes import observed
from tests.support.processes import Running, start

API_VERSION = "39.0"
LEDGER_PAGE = 50_000
"""Calls that are asked for at once."""

ACME_VAPP = f"vapp-{well_known_uuid('vApp', 'acme')}"
ACME_VM = f"vm-{well_known_uuid('vm', 'acme')}"
ACME_VDC = well_known_uuid("vdc", "acme")
ACME_ORG = well_known_uuid("org", "acme")
BETA_ORG = well_known_uuid("org", "beta")
SYSTEM_ORG = well_known_uuid("org", "System")


def acme_vapp(number: int) -> str:
    """Id as in a path of acme's ``number``-th vApp, from 1."""
    return f"vapp-{well_known_uuid('vApp', 'acme', number)}"


def acme_vm(number: int) -> str:
    """Id as in a path of acme's ``number``-th VM, from 1."""
    return f"vm-{well_known_uuid('vm', 'acme', number)}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def http(
    method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 20.0
) -> Reply:
    """One call with the standard library; ``body`` is bytes, or anything else that becomes JSON."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))  # loopback
    if data is not None and not request.has_header("Content-type"):
        request.add_header("Content-Type", "application/*+json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


@dataclass(slots=True)
class Client:
    """A logged-in caller; paths are whole (``/api/…``)."""

    url: str
    token: str
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        everything = {
            "Accept": f"application/*+json;version={API_VERSION}",
            "Authorization": f"Bearer {self.token}",
            **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        target = path if path.startswith("http") else self.url + path
        return http(method, target, body, {name: value for name, value in everything.items() if value})

    def get(self, path: str, **headers: str) -> Reply:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return self.call("POST", path, body, **headers)


def log_in(url: str, user: str = "admin@acme", password: str = PASSWORD) -> Client:
    """A session of ``name@organization``; System's users log in as providers."""
    path = "/cloudapi/1.0.0/sessions" + ("/provider" if user.endswith("@System") else "")
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    reply = http(
        "POST",
        url + path,
        headers={"Authorization": f"Basic {basic}", "Accept": f"application/json;version={API_VERSION}"},
    )
    assert reply.status == 200, (reply.status, reply.body)
    return Client(url, reply.headers["x-vmware-vcloud-access-token"])


@dataclass(slots=True)
class Simulator:
    """A running simulator. Every method but ``log_in`` and ``stop`` is one call to /simulator/."""

    url: str
    process: Running | None = None
    urls: tuple[str, ...] = ()
    """All cells, ``url`` the first."""
    ledger_file: Path | None = None
    """Has every call; the simulator's memory has the last 200,000."""

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        reply = http(method, f"{self.url}/simulator/{path}", body)
        assert reply.status == 200, f"{method} {path}: {reply.status} {reply.body!r}"
        return reply.json()

    def log_in(self, user: str = "admin@acme") -> Client:
        return log_in(self.url, user)

    def state(self) -> Any:
        return self.admin("GET", "state")

    def settings(self, **changes: Any) -> Any:
        return self.admin("POST", "settings", changes)

    def script(
        self, script: Mapping[str, Any] | None, *, operation: str | None = None, entity: str | None = None,
        times: int | None = None,
    ) -> None:  # fmt: skip
        """Sets the script of an entity, of an operation, or (neither given) of all others."""
        self.admin("POST", "scripts", {"operation": operation, "entity": entity, "times": times, "script": script})

    def fault(self, **fault: Any) -> int:
        """Adds a fault (``do=``, ``operation=``, ``times=``, …) and returns its id."""
        return int(self.admin("POST", "faults", fault)["id"])

    def wait_met(self, fault: int, times: float = 1) -> None:
        """Until a fault has met so many calls, which then may still be waiting for their answers."""
        deadline = time.monotonic() + 60
        while self.met(fault) < times:
            assert time.monotonic() < deadline, f"fault {fault} was not met"
            time.sleep(0.01)  # the simulator is polled: there is nothing to be woken by

    def met(self, fault: int) -> float:
        """How many calls a fault has met so far; infinity for one that has met all of its calls."""
        return next((one["met"] for one in self.admin("GET", "faults") if one["id"] == fault), math.inf)

    def clear_faults(self) -> None:
        self.admin("DELETE", "faults")

    def entity(self, entity: str) -> Any:
        return self.admin("GET", f"entities/{entity}")

    def create_entity(self, kind: str, **fields: Any) -> Any:
        return self.admin("POST", "entities", {"kind": kind, **fields})

    def force_task(self, task: str, **fields: Any) -> Any:
        """Sets ``status``, ``progress``, …, a ``script`` from now on, or ``vanish=True``."""
        return self.admin("POST", f"tasks/{task}", fields)

    def external_tasks(self, namespace: str | None = None, mark: str | None = None) -> list[dict[str, Any]]:
        """``{"task": document, "seeded", "updates", "terminal_updates", "refused_updates", "updates_after_end",
        "cancels"}`` of the external tasks of a namespace whose operation text has ``mark`` in it.
        """
        asked = {name: value for name, value in (("namespace", namespace), ("mark", mark)) if value is not None}
        found: list[dict[str, Any]] = self.admin("GET", "external-tasks?" + urllib.parse.urlencode(asked))
        return found

    def seed_external_tasks(self, *, organization: str = "acme", count: int = 1, **task: Any) -> list[str]:
        """Makes external tasks as somebody else's, by the fields of a Task's JSON; their uuids. Not in the ledger."""
        body = {"organization": organization, "count": count, "task": task}
        ids: list[str] = self.admin("POST", "external-tasks", body)["ids"]
        return ids

    def press_cancel(self, task: str, user: str = "admin@acme") -> Reply:
        """A person logs in and asks for a Task's cancel, over VCD's own calls; ``task`` is its uuid or URN."""
        return self.log_in(user).post(f"/api/task/{task[-36:]}/action/cancel")

    def expire_sessions(self, user: str | None = None) -> int:
        return int(self.admin("POST", "sessions/expire", {} if user is None else {"user": user})["ended"])

    def ledger(self, after: int = 0, *, changes: bool = False) -> list[dict[str, Any]]:
        """Entries after a sequence number; with ``changes`` only those of calls that can change something."""
        return list(self.calls(after, changes=changes))

    def calls(self, after: int = 0, *, changes: bool = False) -> Iterator[dict[str, Any]]:
        """As ``ledger``, one by one: from the file, where there is one. Fails when the beginning is kept nowhere."""
        if self.ledger_file is not None:
            with self.ledger_file.open("rb") as lines:
                rows = (json.loads(line) for line in lines if line.endswith(b"\n"))  # the last may be half written
                yield from (row for row in rows if row["sequence"] > after and (row["changes"] or not changes))
            return
        more = True
        while more:
            found = self.admin(
                "GET", f"ledger?after={after}&limit={LEDGER_PAGE}" + ("&changes=true" if changes else "")
            )
            more, reached = found["last"] - after >= LEDGER_PAGE, found["last"]
            lost = not changes and found["entries"] and found["entries"][0]["sequence"] != after + 1
            assert not lost, f"the ledger's calls from {after + 1} on are lost: it wants a file"
            yield from found["entries"]
            after = reached

    def stop(self) -> int:
        """SIGTERM, then the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(10)


@contextmanager
def running_simulator(
    *,
    listen: str = "127.0.0.1:0",
    task_seconds: float = 0.5,
    virtual_machines: int = 4,
    lenient_entities: bool = False,
    public_url: str | None = None,
    faults_file: Path | None = None,
    ledger_file: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    maximum_tasks: int = 100_000,
    cells: int = 1,
    bus: bool = False,
    log: Path | None = None,
) -> Iterator[Simulator]:
    """Starts ``vcd-bridge simulator`` and stops it at the end. ``log``: where its stderr goes, None: to the test's.

    ``cells``: more than one listen on further free ports.
    """
    settings = {"empty_owner_href_every": 10, **(settings or {})}  # the bridge must live with such Tasks
    further = ["--listen", "127.0.0.1:0"] * (cells - 1)
    command = [
        "simulator", "--listen", listen, *further, "--task-seconds", str(task_seconds),
        "--vms", str(virtual_machines), "--settings", json.dumps(settings),
        "--maximum-tasks", str(maximum_tasks),
    ]  # fmt: skip
    command += ["--lenient-entities"] if lenient_entities else []
    command += ["--bus"] if bus else []
    for option, value in (("--public-url", public_url), ("--faults", faults_file), ("--ledger", ledger_file)):
        command += [option, str(value)] if value is not None else []
    with observed() as words, log.open("w") if log is not None else nullcontext() as told:
        process = start([*words, *command], environment=os.environ, stderr=told)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("ready "):
                raise RuntimeError(f"the simulator did not start: {line!r}, exit code {process.poll()}")
            urls = line.split()[1:]
            yield Simulator(urls[0], process, tuple(urls), ledger_file)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """One simulator for a whole run: import it into the test module that wants it. Entities are lenient."""
    with running_simulator(task_seconds=0.2, lenient_entities=True) as running:
        yield running
