"""No answer and no Task: what the entity's state says decides whether a call is made again."""

from __future__ import annotations

from pathlib import Path

from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode
from tests.support.simulator import ACME_VDC, acme_vm


def calls_of(site: Site, operation: str) -> list[int | None]:
    return [row["status"] for row in site.simulator.ledger() if row["operation"] == operation]


def test_a_machine_that_runs_is_asked_to_stop_again_but_not_cut_off(kafka: KafkaNode, tmp_path: Path) -> None:
    """Neither call arrived. But somebody could have started the machine since, and a power-off cuts its guest off."""
    with running_site(kafka.bootstrap, tmp_path, vcd={"answer_timeout_seconds": 1}) as site:
        site.start().wait_ready()
        machines = {name: {"id": acme_vm(number)} for number, name in enumerate(("cut", "asked"), start=1)}
        site.send(
            *(
                {"request_id": f"start {name}", "operation": "powerOnVApp", "parameters": machine}
                for name, machine in machines.items()
            )
        )
        site.wait_ended([f"start {name}" for name in machines])
        site.simulator.fault(do="drop", operation="powerOffVApp")
        site.simulator.fault(do="drop", operation="shutdownVApp")
        site.send(
            {"request_id": "cut", "operation": "powerOffVApp", "parameters": machines["cut"]},
            {"request_id": "asked", "operation": "shutdownVApp", "parameters": machines["asked"]},
        )
        site.wait_ended(["cut", "asked"])
        (parked,) = site.story("cut")
        assert (parked["change"], parked["reason"]["code"]) == ("parked", "outcome_unknown")
        assert any("nothing disproves): it cannot tell" in seen for seen in parked["evidence"])
        assert site.story("asked")[-1]["outcome"] == "success"
        assert (calls_of(site, "powerOffVApp"), calls_of(site, "shutdownVApp")) == ([None], [None, 202])
        assert site.simulator.entity(acme_vm(1))["status"] == 4
        site.check()


def test_a_create_that_never_arrived_is_made_again(kafka: KafkaNode, tmp_path: Path) -> None:
    """The vDC lists no disk of that name, and no Task of it is found: the call is made again, once."""
    with running_site(kafka.bootstrap, tmp_path, vcd={"answer_timeout_seconds": 1}) as site:
        site.start().wait_ready()
        site.simulator.fault(do="drop", operation="createDisk")
        body = {"disk": {"name": "logs", "sizeMb": 1024}}
        site.send({"request_id": "disk", "operation": "createDisk", "parameters": {"id": ACME_VDC}, "body": body})
        events = site.wait_ended(["disk"])
        assert events[-1]["outcome"] == "success"
        assert [row["status"] for row in site.simulator.ledger() if row["operation"] == "createDisk"] == [None, 201]
        found = site.simulator.log_in("admin@acme").get(f"/api/vdc/{ACME_VDC}").json()["resourceEntities"]
        assert [one["name"] for one in found["resourceEntity"]].count("logs") == 1
        site.check()
