"""Answers what Cloud Director holds, by the rules in a file; what no rule fits is left to people.

    python examples/approver.py rules.toml

The first rule that fits decides; patterns (operation, organization, user, owner) that are left out fit everything:
    [[rule]]
    organization = "dev-*"
    action = "resume"            # or abort, or fail
    reason = "development does as it likes"

One blocking task has one request_id: read again after a crash it is a repeat, which changes nothing.
Environment: KAFKA (JSON of librdkafka's properties), BLOCKING, APPROVALS (topics), REGISTRY (its URL, if any).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tomllib
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from fastavro import parse_schema, schemaless_reader
from fastavro.schema import fingerprint, to_parsing_canonical_form

KAFKA = json.loads(os.environ.get("KAFKA", '{"bootstrap.servers": "127.0.0.1:29092"}'))
BLOCKING = os.environ.get("BLOCKING", "vcd.blocking-tasks")
APPROVALS = os.environ.get("APPROVALS", "vcd.approvals")
ACTIONS, PATTERNS = ("resume", "abort", "fail"), ("operation", "organization", "user", "owner")


def rules_of(path: str) -> list[dict[str, str]]:
    """A policy that is understood by half would be none: then the program ends."""
    rules: list[dict[str, str]] = tomllib.loads(Path(path).read_text()).get("rule", [])
    for number, rule in enumerate(rules, start=1):
        if rule.get("action") not in ACTIONS or "reason" not in rule or set(rule) - {*PATTERNS, "action", "reason"}:
            sys.exit(f"{path}: rule {number} needs an action ({', '.join(ACTIONS)}) and a reason; patterns: {PATTERNS}")
    return rules


def decoder(registry: str | None) -> Any:
    """From bytes to the event. Without a registry a value begins with the fingerprint of its schema."""
    if registry is not None:
        from confluent_kafka.schema_registry import SchemaRegistryClient
        from confluent_kafka.schema_registry.avro import AvroDeserializer

        return AvroDeserializer(SchemaRegistryClient({"url": registry}))
    files = Path(__file__).parents[1].joinpath("schemas").rglob("blocking-task-event.avsc")
    known = {}
    for schema in (parse_schema(json.loads(file.read_text())) for file in files):
        known[b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))] = schema
    return lambda value: schemaless_reader(BytesIO(value[10:]), known[value[:10]], None)


def decision(held: dict[str, Any], rules: list[dict[str, str]]) -> dict[str, Any] | None:
    """The request that answers it; None: no rule says anything about it."""
    named = {"operation": held["operation"], **{name: (held[name] or {}).get("name") for name in PATTERNS[1:]}}
    for number, rule in enumerate(rules, start=1):
        if all(fnmatchcase(named[name] or "", rule.get(name, "*")) for name in PATTERNS):
            what = {"operation": f"{rule['action']}BlockingTask", "parameters": {"id": held["id"]}}
            who = {"requested_by": f"approver, rule {number}", "correlation_id": held["id"]}
            return {"request_id": f"approver {held['id']}", **what, "body": {"message": rule["reason"]}, **who}
    return None


def sent(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        raise KafkaException(error)


def main(path: str) -> None:
    rules, decode = rules_of(path), decoder(os.environ.get("REGISTRY"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    producer = Producer({"partitioner": "murmur2_random", "enable.idempotence": True} | KAFKA)
    own = {"group.id": "approver", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    with Consumer(own | KAFKA) as consumer:
        consumer.subscribe([BLOCKING])
        while True:
            for message in consumer.consume(100, 0.2):
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                held = decode(message.value() or b"")
                answer = decision(held, rules) if held["state"] == "pending" else None
                if answer is not None:  # all about one blocking task have its uuid for a key
                    producer.produce(APPROVALS, json.dumps(answer), held["id"].rpartition(":")[2], on_delivery=sent)
                told = (answer or {}).get("operation", "left to people")
                print(json.dumps({"id": held["id"], "state": held["state"], "answer": told}), flush=True)
                if producer.flush(60):
                    sys.exit("Kafka did not take the decision: start again")
                consumer.commit(message=message, asynchronous=False)  # only when the answer is there


if __name__ == "__main__":
    main(*sys.argv[1:])
