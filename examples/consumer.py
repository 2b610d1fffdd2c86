"""Keeps the stream of status events in a database: each event is one row, whatever dies whenever.

    python examples/consumer.py sqlite:///events.db
    python examples/consumer.py postgresql://user@host/database        (needs: pip install "psycopg[binary]")

The rows and the positions behind them are one transaction of the database, and event_id is the key: a crash loses
nothing, a replay changes nothing. The consumer group only shares the partitions out; its offsets are not used.
Environment: KAFKA (JSON of librdkafka's properties), EVENTS (topic), REGISTRY (its URL, if the bridge has one).
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from fastavro import parse_schema, schemaless_reader
from fastavro.schema import fingerprint, to_parsing_canonical_form

KAFKA = json.loads(os.environ.get("KAFKA", '{"bootstrap.servers": "127.0.0.1:29092"}'))
EVENTS = os.environ.get("EVENTS", "vcd.task-events")
TABLES = (
    "CREATE TABLE IF NOT EXISTS events (event_id TEXT PRIMARY KEY, birth TEXT, sequence BIGINT, request_id TEXT,"
    " external_key TEXT, correlation_id TEXT, change TEXT, outcome TEXT, document TEXT)",
    "CREATE TABLE IF NOT EXISTS positions (topic TEXT, part INTEGER, next BIGINT, PRIMARY KEY (topic, part))",
)
COLUMNS = ("event_id", "birth", "sequence", "request_id", "external_key", "correlation_id", "change", "outcome")
ADD = "INSERT INTO events VALUES ({v}, {v}, {v}, {v}, {v}, {v}, {v}, {v}, {v}) ON CONFLICT (event_id) DO NOTHING"
MOVE = "INSERT INTO positions VALUES ({v}, {v}, {v}) ON CONFLICT (topic, part) DO UPDATE SET next = excluded.next"
POSITION = "SELECT next FROM positions WHERE topic = {v} AND part = {v}"


def connect(url: str) -> tuple[Any, str]:
    """The database, and how a statement marks a value there."""
    if url.startswith("sqlite:///"):
        return sqlite3.connect(url.removeprefix("sqlite:///")), "?"
    import psycopg

    return psycopg.connect(url), "%s"


def decoder(registry: str | None) -> Any:
    """From bytes to the event. Without a registry a value begins with the fingerprint of its schema."""
    if registry is not None:
        from confluent_kafka.schema_registry import SchemaRegistryClient
        from confluent_kafka.schema_registry.avro import AvroDeserializer

        return AvroDeserializer(SchemaRegistryClient({"url": registry}))
    files = Path(__file__).parents[1].joinpath("schemas").rglob("task-status-event.avsc")
    schemas = [parse_schema(json.loads(file.read_text())) for file in files]
    marks = [fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO") for schema in schemas]
    known = {b"\xc3\x01" + bytes.fromhex(mark): schema for mark, schema in zip(marks, schemas, strict=True)}
    return lambda value: schemaless_reader(BytesIO(value[10:]), known[value[:10]], None)


def store(database: Any, mark: str, decode: Any, messages: list[Message]) -> int:
    """One transaction of the database. Returns how many events were new."""
    new = 0
    for message in messages:
        if (error := message.error()) is not None:
            raise KafkaException(error)
        event = decode(message.value() or b"")
        row = [*(event[name] for name in COLUMNS), json.dumps(event, default=datetime.isoformat)]
        row = [value.replace("\0", " ") if isinstance(value, str) else value for value in row]  # no NUL in PostgreSQL
        new += database.execute(ADD.format(v=mark), row).rowcount
        database.execute(MOVE.format(v=mark), (message.topic(), message.partition(), (message.offset() or 0) + 1))
    database.commit()
    return new


def main(url: str) -> None:
    (database, mark), decode = connect(url), decoder(os.environ.get("REGISTRY"))
    for table in TABLES:
        database.execute(table)

    def begin(consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            found = database.execute(POSITION.format(v=mark), (one.topic, one.partition)).fetchone()
            one.offset = found[0] if found else OFFSET_BEGINNING
        database.commit()
        consumer.assign(partitions)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Consumer({"group.id": "events-to-database", "auto.offset.reset": "earliest"} | KAFKA) as consumer:
        consumer.subscribe([EVENTS], on_assign=begin)
        while True:
            if messages := consumer.consume(500, 0.2):
                print(f"{len(messages)} read, {store(database, mark, decode, messages)} new", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
