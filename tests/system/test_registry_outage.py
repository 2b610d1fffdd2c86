"""The schema registry dies: what is known goes on, following goes on, and so it does after a restart."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bridge.avro.request_encoder import encode_request
from bridge.avro.schemas import load
from bridge.kafka.messages import headers_of
from tests.support.bridge import BridgeProcess, Site, running_site
from tests.support.kafka import KafkaNode, read
from tests.support.ports import free_ports
from tests.support.registry import Registry, register, running_registry
from tests.support.simulator import acme_vapp

NEVER_ENDS = {"preset": "never-ends"}


def deploy(number: int) -> dict[str, Any]:
    return {"request_id": f"r{number}", "operation": "deployVApp", "parameters": {"id": acme_vapp(number)}}


def settings(registry: Registry, **more: Any) -> dict[str, Any]:
    return {"url": registry.url, "timeout_seconds": 5, **more}


def producers_schema(registry: Registry, name: str) -> int:
    """Id of a producer's own schema: ActionRequest and one optional field more."""
    document = json.loads(load("action-request").text)
    document["fields"].append({"name": name, "type": ["null", "string"], "default": None})
    return register(registry, f"{name}-value", json.dumps(document))


def written_with(schema_id: int) -> Callable[[Mapping[str, Any]], bytes]:
    """A record of such a producer: the field of its own is null."""
    return lambda document: encode_request(document, schema_id) + b"\x00"


def framings(site: Site) -> set[bytes]:
    """What the events begin with: 0x00 and the id of their schema."""
    return {(message.value() or b"")[:5] for message in read(site.bootstrap, site.events)}


def states(port: int) -> list[str]:
    """The partitions' states as /ready tells them."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    return list(json.loads(body)["partitions"].values())


def wait_state(port: int, wanted: str) -> None:
    deadline = time.monotonic() + 20
    while states(port) != [wanted]:
        assert time.monotonic() < deadline, states(port)
        time.sleep(0.02)  # the probe is polled: there is nothing to be woken by


def facts(bridge: BridgeProcess, name: str) -> list[dict[str, Any]]:
    """Log lines of one name."""
    lines = (json.loads(line) for line in bridge.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == name]


def test_only_ids_never_seen_wait_and_are_given_up(kafka: KafkaNode, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with (
        running_registry() as registry,
        running_site(
            kafka.bootstrap, tmp_path, partitions=1, registry=settings(registry, unknown_id_wait_seconds=3),
            management={"listen": f"127.0.0.1:{port}"},
        ) as site,
    ):  # fmt: skip
        seen, never_seen = producers_schema(registry, "seen"), producers_schema(registry, "never_seen")
        site.simulator.script(NEVER_ENDS, times=1)
        bridge = site.start().wait_ready()
        site.send(deploy(1), encode=written_with(seen))
        (accepted, *_) = site.wait_events(lambda events: any(event["change"] == "accepted" for event in events))
        registry.stop()
        lost = [written_with(never_seen)(deploy(number)) for number in (2, 3, 4)]
        site.send(*lost, key="k")
        site.send(deploy(5), encode=written_with(seen))
        wait_state(port, f"waits for schema {never_seen} of the registry")
        site.simulator.force_task(accepted["task"]["id"], status="success")
        site.wait_ended(["r1"])
        assert states(port) == [f"waits for schema {never_seen} of the registry"], "following goes on meanwhile"
        site.wait_ended(["r5"])
        assert states(port) == ["working"]
        letters = read(site.bootstrap, site.dead_letters)
        assert [letter.value() for letter in letters] == lost
        told = dict(headers_of(letters[0]))["__connect.errors.exception.message"]
        assert told == f"schema {never_seen} cannot be had from the registry".encode()
        site.check()
        asked = {"partition": f"{site.requests}/0", "schema_id": never_seen}
        for name in ("schema.waiting", "schema.unanswered"):
            (fact,) = [fact for fact in facts(bridge, name) if fact["schema_id"] == never_seen]
            assert fact.items() >= asked.items(), "three records, one wait"
        assert [fact["schema_id"] for fact in facts(bridge, "schema.learnt")] == [seen]


def test_following_goes_on_after_a_restart_while_the_registry_is_away(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_registry() as registry, running_site(kafka.bootstrap, tmp_path, registry=settings(registry)) as site:
        site.simulator.script(NEVER_ENDS, times=1)
        bridge = site.start().wait_ready()
        (own,) = [fact["schema_id"] for fact in facts(bridge, "schema.settled") if site.requests in fact["subject"]]
        site.send(deploy(1))
        (accepted, *_) = site.wait_events(lambda events: any(event["change"] == "accepted" for event in events))
        registry.stop()
        bridge.kill()
        bridge = site.start().wait_ready()
        site.simulator.force_task(accepted["task"]["id"], status="success")
        site.wait_ended(["r1"])
        site.send(deploy(2), encode=lambda document: encode_request(document, own))
        site.wait_ended(["r2"])
        (framing,) = framings(site)
        assert framing[0] == 0
        site.check()
        # The id is that of the schema as it is, under the topic as it is: for others there is none to go on with.
        assert bridge.stop() == 0
        assert site.start(topics={"task_events": f"{site.events}.other"}).wait_dead() == 75
