"""A ticketing system: a change ticket becomes an action request, whose outcome closes the ticket or reopens it.

    python examples/ticketing.py tickets.db <<< '{"number": "CHG0031", "operation": "deployVApp",
        "parameters": {"id": "vapp-…"}, "body": {"powerOn": true}}'

Takes tickets from standard input, one a line (a reopened one again, corrected), and works until all are answered.
Kill it at any time and start it again: tickets are kept, and what is sent twice under one request_id is done once.
Environment: KAFKA (JSON of librdkafka's properties), REQUESTS, EVENTS (topics; EVENTS may be that of ticket updates).
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

KAFKA = json.loads(os.environ.get("KAFKA", '{"bootstrap.servers": "127.0.0.1:29092"}'))
REQUESTS = os.environ.get("REQUESTS", "vcd.action-requests")
EVENTS = os.environ.get("EVENTS", "vcd.task-events")
TABLE = "CREATE TABLE IF NOT EXISTS tickets (number TEXT PRIMARY KEY, attempt INTEGER, state TEXT, change TEXT)"
RAISE = """INSERT INTO tickets VALUES (?, 1, 'open', ?) ON CONFLICT (number) DO UPDATE
           SET attempt = attempt + 1, state = 'open', change = excluded.change WHERE state = 'reopened'"""
ANSWER = """UPDATE tickets SET state = ?
            WHERE number = ? AND number || '-' || attempt = ? AND state = 'open'"""


def raise_tickets(database: sqlite3.Connection) -> None:
    for line in sys.stdin:
        change = json.loads(line)
        database.execute(RAISE, (change.pop("number"), json.dumps(change)))
    database.commit()


def delivered(error: KafkaError | None, _: Message) -> None:
    if error is not None:
        raise KafkaException(error)


def send_requests(database: sqlite3.Connection) -> None:
    """All open tickets, also those that may have been sent before a crash."""
    # The partitioner of Java's producers: whoever asks for an entity, its requests are in one partition, in order.
    producer = Producer({"partitioner": "murmur2_random", "enable.idempotence": True} | KAFKA)
    for number, attempt, change in database.execute("SELECT number, attempt, change FROM tickets WHERE state = 'open'"):
        request = {**json.loads(change), "request_id": f"{number}-{attempt}", "correlation_id": number}
        entity = request.get("parameters", {}).get("id", number)
        producer.produce(REQUESTS, json.dumps(request), entity, on_delivery=delivered)
    if producer.flush(60):
        sys.exit("Kafka did not take all requests: start again")


def answer(database: sqlite3.Connection, message: Message) -> None:
    """What the headers tell is enough for a ticket; a ticket update's value tells more."""
    found: Any = message.headers() or []
    headers = {name: value.decode() for name, value in found if value is not None}
    outcome, number = headers.get("vcd_outcome"), headers.get("vcd_correlation_id")
    if outcome is None or number is None:
        return  # a step on the way, or nobody's ticket
    state = "closed" if outcome == "success" else "reopened"
    if database.execute(ANSWER, (state, number, headers.get("vcd_request_id"))).rowcount:
        note: Any = {"outcome": outcome, "reason": headers.get("vcd_reason")}
        if headers["content-type"] == "application/json":
            note["summary"] = json.loads(message.value() or b"")["summary"]
        print(json.dumps({"number": number, "state": state, **note}), flush=True)
    database.commit()


def main(path: str) -> None:
    database = sqlite3.connect(path)
    database.execute(TABLE)
    raise_tickets(database)
    send_requests(database)
    group = {"group.id": "ticketing", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    with Consumer(group | KAFKA) as consumer:
        consumer.subscribe([EVENTS])
        while database.execute("SELECT 1 FROM tickets WHERE state = 'open'").fetchone():
            message = consumer.poll(1.0)
            if message is None:
                continue
            if (error := message.error()) is not None:
                raise KafkaException(error)
            answer(database, message)
            consumer.commit(message=message)  # after the ticket: what is read again finds it answered


if __name__ == "__main__":
    main(sys.argv[1])
