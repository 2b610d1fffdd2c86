"""The schema registry dies: what is known goes on, following goes on, and so it does after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode, read
from tests.support.registry import Registry, running_registry
from tests.support.simulator import acme_vapp

NEVER_ENDS = {"preset": "never-ends"}


def deploy(number: int) -> dict[str, Any]:
    return {"request_id": f"r{number}", "operation": "deployVApp", "parameters": {"id": acme_vapp(number)}}


def settings(registry: Registry, **more: Any) -> dict[str, Any]:
    return {"url": registry.url, "timeout_seconds": 1, **more}


def framings(site: Site) -> set[bytes]:
    """What the events begin with: 0x00 and the id of their schema."""
    return {(message.value() or b"")[:5] for message in read(site.bootstrap, site.events)}


def test_following_goes_on_after_a_restart_while_the_registry_is_away(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_registry() as registry, running_site(kafka.bootstrap, tmp_path, registry=settings(registry)) as site:
        site.simulator.script(NEVER_ENDS, times=1)
        bridge = site.start().wait_ready()
        site.send(deploy(1))
        (accepted, *_) = site.wait_events(lambda events: any(event["change"] == "accepted" for event in events))
        registry.stop()
        bridge.kill()
        bridge = site.start().wait_ready()
        site.simulator.force_task(accepted["task"]["id"], status="success")
        site.wait_ended(["r1"])
        site.send(deploy(2))
        site.wait_ended(["r2"])
        (framing,) = framings(site)
        assert framing[0] == 0
        site.check()
        # The id is that of the schema as it is, under the topic as it is: for others there is none to go on with.
        assert bridge.stop() == 0
        assert site.start(topics={"task_events": f"{site.events}.other"}).wait_dead() == 75
