"""What the demo does: which requests, in which order, when the bridge is killed. All answers are the real parts'."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.cli.composing import entity_key
from bridge.cli.demo.act import Act, act, names_of
from bridge.cli.demo.approval import Desk, play_approval, prove_approval
from bridge.cli.demo.cloud import BRIDGE_USER, PASSWORD, Cloud
from bridge.cli.demo.processes import Child, Children, DemoFailed, children
from bridge.cli.demo.proof import Verdict, prove, prove_ticket
from bridge.cli.demo.stage import STEP_SECONDS, Stage
from bridge.cli.demo.ticket import KEY, NAMESPACE, OUTCOME, TITLE, Hands, play_ticket

FOLLOWING_SECONDS = 0.5
SEEN = ("--observed", "--blocking")
"""Options of ``watch`` for the streams of what is seen in VCD."""
_FINAL_OUT_OF_DATE = "the bridge did not tell the end of every request in time"


class Demo:
    """The running demo."""

    def __init__(self, stage: Stage, started: Children, directory: Path) -> None:
        self.stage = stage
        self._children = started
        self._directory = directory
        self._config = str(directory / "demo.toml")
        self._bridge: Child | None = None
        self._files = 0
        self._reading: list[asyncio.Task[None]] = []
        self.acts: list[Act] = []

    async def play(self) -> list[Verdict]:
        """Everything from first start to proof. Raises DemoFailed."""
        cloud = await self._start()
        vapps, machines = await cloud.entities("vApp"), await cloud.entities("vm")
        first = await self._first_half(cloud, vapps, machines)
        await self.stage.until(lambda: self.stage.has_ended(names_of(first)), _FINAL_OUT_OF_DATE)
        second = await self._second_half(cloud, vapps, machines)
        for option in SEEN:
            await self._watch(option)  # for the third act: while Tasks run there is time for it
        await self.stage.until(lambda: self.stage.has_ended(names_of(second)), _FINAL_OUT_OF_DATE)
        await play_ticket(self.stage, cloud, Hands(self._send_lines, self._kill_again, self._start_third))
        sent = len(self.acts)
        stood = await play_approval(self.stage, cloud, Desk(self._announce, self._send_lines, self._decide), vapps)
        events, ledger = await self._published(), await cloud.changes()
        return [
            *_prove(self.acts[:sent], events, ledger),
            prove_ticket(KEY, TITLE, OUTCOME, events, await cloud.external_tasks(NAMESPACE)),
            *_prove(self.acts[sent:], events, ledger),
            *await prove_approval(self.stage, cloud, stood, events),
        ]

    async def _published(self) -> list[Mapping[str, Any]]:
        """All events, read anew once a late one would be there: two looks at VCD after the last that was expected."""
        await asyncio.sleep(2 * FOLLOWING_SECONDS)
        asked = ("watch", "--config", self._config, "--until-end", "--json")
        options = ((), *((option,) for option in SEEN))
        streams = await asyncio.gather(*(self._children.run("proof", *asked, *option) for option in options))
        return [self.stage.alike(json.loads(line)) for lines in streams for line in lines]

    async def _start(self) -> Cloud:
        await self._write_settings("", "http://127.0.0.1")
        broker, simulator = await asyncio.gather(
            self._children.start("broker", "broker", "--config", self._config),
            self._children.start("simulator", "simulator", "--listen", "127.0.0.1:0"),
        )
        servers, url = await asyncio.gather(broker.ready(), simulator.ready())
        self.stage.note(f"embedded Kafka broker at {servers}, simulated Cloud Director at {url}")
        await self._write_settings(servers, url)
        await self._start_bridge("bridge")
        await self._watch()
        return Cloud(url)

    async def _watch(self, *option: str) -> None:
        asked = ("watch", "--config", self._config, "--from-beginning", "--json", *option)
        watch = await self._children.start("watch", *asked)
        self._reading.append(asyncio.create_task(self.stage.read(watch)))

    async def _write_settings(self, servers: str, url: str) -> None:
        await asyncio.to_thread(Path(self._config).write_text, _settings(servers, url))

    async def _start_bridge(self, name: str) -> None:
        self._bridge = await self._children.start(name, "run", "--config", self._config)
        await self._bridge.ready()
        self.stage.note(f"{name} is ready (process {self._bridge.process.pid})")

    async def _first_half(self, cloud: Cloud, vapps: list[str], machines: list[str]) -> list[Act]:
        """One success with progress, one failure in VCD, one rejected, one canceled, one that waits."""
        storage = {"message": "The datastore has too little free space.", "minorErrorCode": "INSUFFICIENT_STORAGE"}
        for running in vapps[1:3]:
            await cloud.script(running, {"preset": "success", "seconds": 0})
            await cloud.work_of_others(f"/vApp/{running}/power/action/powerOn")
        await cloud.script(vapps[0], {"preset": "success", "seconds": 5})
        await cloud.script(machines[1], {"preset": "error", "seconds": 3, "error": storage})
        await cloud.script(vapps[2], {"preset": "success", "seconds": 60})
        await cloud.script(vapps[3], {"preset": "success", "seconds": 60})
        theirs = await cloud.work_of_others(f"/vApp/{vapps[3]}/power/action/powerOn")
        acts = [
            act("deploy", "succeeds, with progress", "success", "deployVApp", vapps[0], body={"powerOn": True}),
            act("snapshot", "fails in VCD", "error", "createSnapshot", machines[1], body={"name": "before"}),
            act("delete", "rejected by policy", "rejected", "deleteVApp", vapps[1]),
            act("suspend", "canceled while it runs", "aborted", "suspendVApp", vapps[2]),
            act("power-on", "waits for others' work", "success", "powerOnVApp", vapps[3]),
        ]
        await self._send(acts)
        await self.stage.until(lambda: self.stage.seen("suspend", "accepted"), "no Task for the request to cancel")
        await self._send_lines([{
            "kind": "cancel", "target_request_id": "suspend", "requested_by": "demo", "key": entity_key(vapps[2]),
        }])  # fmt: skip
        await self.stage.until(lambda: self.stage.seen("power-on", "waiting"), "a busy vApp was not waited for")
        await cloud.finish(theirs)
        return acts

    async def _second_half(self, cloud: Cloud, vapps: list[str], machines: list[str]) -> list[Act]:
        """Work is followed, waits for its lane and has an unanswered call out, when the bridge dies."""
        await cloud.script(vapps[0], {"preset": "success", "seconds": 9})
        await cloud.script(machines[2], {"preset": "success", "seconds": 8})
        await cloud.lose_answer("createSnapshot", machines[2], 20)
        acts = [
            act("undeploy", "followed when the bridge dies", "success", "undeployVApp", vapps[0],
                body={"undeployPowerAction": "powerOff"}),
            act("snapshot-2", "answer lost with the bridge", "success", "createSnapshot", machines[2],
                body={"name": "nightly"}),
            act("deploy-2", "behind other work when it dies", "success", "deployVApp", vapps[0],
                body={"powerOn": True}),
        ]  # fmt: skip
        await self._send(acts)
        await self.stage.until(lambda: self.stage.seen("undeploy", "accepted"), "no Task to follow")
        await self._until_called(cloud, machines[2])
        await self._kill()
        late = act("power-off", "sent while no bridge runs", "success", "powerOffVApp", vapps[1])
        await self._send([late])
        await self._start_bridge("second bridge")
        return [*acts, late]

    async def _kill(self) -> None:
        if self._bridge is not None:
            await self._bridge.kill()
        self.stage.note("kill -9: the bridge is gone, with a Task followed and a call unanswered")

    async def _kill_again(self) -> None:
        if self._bridge is not None:
            await self._bridge.kill()
        self.stage.note("kill -9: the bridge is gone, with the ticket's Task running")

    async def _start_third(self) -> None:
        await self._start_bridge("third bridge")

    async def _until_called(self, cloud: Cloud, entity: str) -> None:
        """Wait until the call whose answer is lost has reached VCD. Raises DemoFailed."""
        try:
            async with asyncio.timeout(STEP_SECONDS):
                while not await cloud.has_changed(entity):  # noqa: ASYNC110  # a ledger elsewhere has no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise DemoFailed("the call whose answer is to be lost never reached VCD") from None

    async def _send(self, acts: list[Act]) -> None:
        self._announce(acts)
        await self._send_lines([one.request for one in acts])

    def _announce(self, acts: list[Act]) -> None:
        self.acts += acts
        for one in acts:
            self.stage.show("sent", {"name": one.request_id, "title": one.title})

    async def _decide(self, decisions: list[Mapping[str, Any]]) -> None:
        await self._send_lines(decisions, "--approvals")

    async def _send_lines(self, requests: list[Mapping[str, Any]], *option: str) -> None:
        self._files += 1
        file = self._directory / f"requests.{self._files}.jsonl"
        lines = "\n".join(json.dumps(request) for request in requests)
        await asyncio.to_thread(file.write_text, lines)
        await self._children.run("send", "send", str(file), "--config", self._config, *option)


def _prove(acts: list[Act], events: list[Mapping[str, Any]], ledger: list[dict[str, Any]]) -> list[Verdict]:
    titles = {one.request_id: one.title for one in acts}
    expected = {one.request_id: one.expected for one in acts}
    return prove(titles, expected, events, ledger)


def _settings(servers: str, url: str) -> str:
    """Short times, so that a lost answer is settled within seconds. The broker only needs the topics."""
    bootstrap = f'bootstrap_servers = "{servers}"' if servers else ""
    return f"""
[kafka]
{bootstrap}
group_id = "demo"
session_timeout_seconds = 3
[topics]
partitions = 3
replication_factor = 1
[vcd]
url = "{url}"
organization = "System"
username = "{BRIDGE_USER}"
password = "{PASSWORD}"
answer_timeout_seconds = 3
connect_timeout_seconds = 1
lease_seconds = 1
[following]
interval_seconds = {FOLLOWING_SECONDS}
[external_tasks]
service_namespace = "{NAMESPACE}"
cancel_check_seconds = 1
[observation]
enabled = true
interval_seconds = {FOLLOWING_SECONDS}
[approvals]
enabled = true
[policy]
allow_destructive = true
deny_operations = ["deleteVApp"]
[management]
listen = "127.0.0.1:0"
"""


async def play(stage: Stage) -> list[Verdict]:
    """Run the whole demo and leave nothing behind. Raises DemoFailed."""
    with tempfile.TemporaryDirectory(prefix="vcd-bridge-demo-") as directory:
        async with children(Path(directory)) as started:
            return await Demo(stage, started, Path(directory)).play()
