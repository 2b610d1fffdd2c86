"""The main job on real parts: a record becomes a followed Task and a gap-free stream of events."""

from __future__ import annotations

from pathlib import Path

from confluent_kafka import TopicPartition as ClientPartition
from confluent_kafka.admin import AdminClient

from bridge.kafka.messages import headers_of
from tests.support.bridge import running_site
from tests.support.kafka import KafkaNode, read
from tests.support.simulator import acme_vapp, acme_vm


def test_a_request_becomes_a_followed_task(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_site(kafka.bootstrap, tmp_path) as site:
        bridge = site.start().wait_ready()
        site.send(
            {"request_id": "r1", "correlation_id": "T1", "operation": "deployVApp", "parameters": {"id": acme_vapp(1)}}
        )
        site.wait_ended(["r1"])
        story = site.story("r1")
        assert story[0]["change"] == "accepted"
        assert story[-1]["outcome"] == "success"
        assert all(event["correlation_id"] == "T1" for event in story)
        assert story[-1]["task"]["status"] == "success"
        site.check()
        assert bridge.stop() == 0


def test_the_trace_of_a_request_is_on_each_of_its_events_also_after_a_restart(kafka: KafkaNode, tmp_path: Path) -> None:
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with running_site(kafka.bootstrap, tmp_path) as site:
        site.simulator.script({"preset": "never-ends"}, times=1)
        bridge = site.start().wait_ready()
        deploy = {"operation": "deployVApp", "parameters": {"id": acme_vapp(1)}}
        site.send({"request_id": "r1", **deploy}, headers=[("traceparent", trace)])
        (accepted, *_) = site.wait_events(lambda events: any(event["change"] == "accepted" for event in events))
        bridge.kill()
        site.start().wait_ready()
        site.simulator.force_task(accepted["task"]["id"], status="success")
        site.wait_ended(["r1"])
        told = [dict(headers_of(message)) for message in read(kafka.bootstrap, site.events)]
        assert [headers["vcd_change"] for headers in told if headers["traceparent"] == trace][-1] == b"finished"
        assert {headers["traceparent"] for headers in told} == {trace}
        site.check()


def test_everything_is_accounted_for(kafka: KafkaNode, tmp_path: Path) -> None:
    """Repeats, conflicts, rubbish, unknown operations, cancels of nothing: each record is answered once."""
    with running_site(kafka.bootstrap, tmp_path, intake={"unknown_cancel_wait_seconds": 1}) as site:
        site.start().wait_ready()
        vapp, vm = acme_vapp(1), acme_vm(1)
        deploy = {"request_id": "r1", "operation": "deployVApp", "parameters": {"id": vapp}}
        site.send(deploy, deploy, {**deploy, "operation": "powerOnVApp"}, {**deploy, "correlation_id": "T2"})
        site.send({"request_id": "r2", "operation": "deployVapp", "parameters": {"id": vapp}})
        site.send({"request_id": "r3", "operation": "createSnapshot", "parameters": {"id": vm}, "body": {"name": "s"}})
        site.send(b"rubbish", b"", key="k")
        site.send({"kind": "cancel", "target_request_id": "nobody", "request_id": "c1"})
        events = site.wait_ended(["r1", "r2", "r3", "c1"])
        reasons = {(e["request_id"], e["reason"]["code"]) for e in events if e["reason"]}
        assert {("r1", "request_id_conflict"), ("r1", "repeat"), ("r2", "unknown_operation"),
                ("c1", "unknown_request")} <= reasons  # fmt: skip
        site.send({"kind": "cancel", "target_request_id": "r1", "request_id": "c2"}, key=vapp)
        told = {e["request_id"]: e["reason"] for e in site.wait_ended(["c2"]) if e["reason"]}
        assert told["c1"]["message"].startswith("no request 'nobody'"), "who is refused learns what it was about"
        assert (told["c2"]["code"], told["c2"]["message"]) == (
            "not_possible", "request 'r1' has already ended (success)",
        )  # fmt: skip
        site.wait_events(lambda _: len(site.evidence().dead_letters) == 2)
        site.check()


def test_the_head_of_the_topic_may_be_gone(kafka: KafkaNode, tmp_path: Path) -> None:
    """Retention has removed what nobody has read yet: reading begins with what the topic still holds."""
    with running_site(kafka.bootstrap, tmp_path, partitions=1) as site:
        deploy = {"operation": "deployVApp", "parameters": {"id": acme_vapp(1)}}
        site.send(*({"request_id": f"r{number}", **deploy} for number in range(4)))
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for future in admin.delete_records([ClientPartition(site.requests, 0, 2)]).values():
            future.result(20)
        site.inputs = site.inputs[2:]
        site.start().wait_ready()
        site.wait_ended(["r2", "r3"])
        site.check()
