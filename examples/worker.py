"""Work done elsewhere, shown in Cloud Director as a Task of its own, and stopped when a person cancels it there.

    python examples/worker.py CHG0042 acme "Patching the database" urn:vcloud:vm:…

The last argument is the object that the Task stands at; without it, it is the organization. Start it again after a
crash: its Task is found by the key, which is another one for other work. If nobody does, the bridge ends the Task.
Environment: KAFKA (JSON of librdkafka's properties), TASKS, EVENTS (topics), STEPS, STEP_SECONDS.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

KAFKA = json.loads(os.environ.get("KAFKA", '{"bootstrap.servers": "127.0.0.1:29092"}'))
TASKS = os.environ.get("TASKS", "vcd.external-tasks")
EVENTS = os.environ.get("EVENTS", "vcd.task-events")
STEPS, STEP_SECONDS = int(os.environ.get("STEPS", "10")), float(os.environ.get("STEP_SECONDS", "3"))


class ShownTask:
    """An external task: what its worker says about it, and what it hears."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.canceled = False
        self.outcome: str | None = None
        self.birth = ""  # of its story: what the create opens, until an earlier one is seen to be accepted
        self.accepted, self.revision = False, 0
        self.producer = Producer({"partitioner": "murmur2_random", "enable.idempotence": True} | KAFKA)
        own_group = {"group.id": f"{KAFKA.get('group.id', 'worker')}-{key}", "enable.auto.commit": False}
        self.consumer = Consumer(KAFKA | own_group)
        numbers = self.consumer.list_topics(EVENTS, 30).topics[EVENTS].partitions
        places = self.consumer.committed([TopicPartition(EVENTS, number) for number in numbers], 30)
        for place in places:
            if place.offset < 0:  # the first start: nothing about this task can stand before the present end
                place.offset = self.consumer.get_watermark_offsets(place, 30)[1]
        self.consumer.commit(offsets=places, asynchronous=False)
        self.consumer.assign(places)

    def say(self, command: str, **fields: Any) -> None:
        """One command. All of a task have one key, and so keep their order; revisions rise over restarts, too."""
        self.revision = max(self.revision + 1, time.time_ns() // 1_000_000)
        fields |= {"command": command, "revision": self.revision}
        self.producer.produce(TASKS, json.dumps(fields), self.key, on_delivery=self.sent)
        if self.producer.flush(60):
            sys.exit("Kafka did not take the command: start again")

    def sent(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            raise KafkaException(error)
        self.birth = self.birth or f"{message.topic()}/{message.partition()}/{message.offset()}"

    def hear(self, seconds: float) -> bool:
        """Listen so long. True at once when somebody wants the task canceled, or when it has ended."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            message = self.consumer.poll(left)
            if message is not None and (error := message.error()) is not None:
                raise KafkaException(error)
            if message is None or message.key() != self.key.encode():
                continue
            found: Any = message.headers() or []
            headers = {name: value.decode() for name, value in found if name.startswith(("vcd_", "ce_id"))}
            print(json.dumps(headers), flush=True)
            birth = headers["ce_id"].partition("#")[0]
            if headers["vcd_change"] == "accepted" and not self.accepted:
                self.birth, self.accepted = birth, True  # also of a create before a crash
            if birth != self.birth:
                continue  # the answer to one command, refused perhaps: the task goes on
            self.canceled |= "vcd_cancel_requested" in headers
            self.outcome = headers.get("vcd_outcome", self.outcome)
            if self.canceled or self.outcome is not None:
                return True
        return False


def main(key: str, organization: str, operation: str, owner: str | None = None) -> None:
    task = ShownTask(key)
    task.say("create", organization=organization, operation=operation, owner=owner, expire_after_seconds=600)
    for step in range(1, STEPS + 1):
        if task.hear(STEP_SECONDS):  # a step of the work itself would be done here
            break
        task.say("update", progress=100 * step // STEPS, details=f"step {step} of {STEPS}")
    if task.outcome is None:
        end = {"status": "aborted", "details": "canceled in Cloud Director"} if task.canceled else {"status": "success"}
        task.say("finish", **end)
    while task.outcome is None:
        task.hear(60)
    sys.exit(0 if task.outcome == ("aborted" if task.canceled else "success") else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
