"""Kafka requests that no Python client has: who leads the controllers, and which replicas a partition has.

Source of the formats: Kafka protocol guide, DescribeQuorum v0 and AlterPartitionReassignments v0 (flexible: lengths are
unsigned varints plus one, every structure ends with its tags).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

_ALTER_PARTITION_REASSIGNMENTS = 45
_DESCRIBE_QUORUM = 55
_SECONDS = 15.0
_NO_TAGS = b"\0"
_LEADER_AFTER = struct.Struct(">ihi")
"""Partition, its error, its leader."""


def quorum_leader(bootstrap: str) -> int:
    """Id of the node that is the active controller now."""
    topic = b"__cluster_metadata"
    partitions = _array([struct.pack(">i", 0) + _NO_TAGS])
    answer = _ask(bootstrap, _DESCRIBE_QUORUM, _array([_text(topic) + partitions + _NO_TAGS]) + _NO_TAGS)
    (error,) = struct.unpack_from(">h", answer)
    assert error == 0, f"DescribeQuorum: error {error}"
    _, partition_error, leader = _LEADER_AFTER.unpack_from(answer, answer.index(topic) + len(topic) + 1)
    assert partition_error == 0, f"DescribeQuorum: error {partition_error}"
    return int(leader)


def set_replicas(bootstrap: str, topic: str, partition: int, replicas: Sequence[int]) -> None:
    """Put a partition on these nodes, the first of them preferred as its leader."""
    wanted = struct.pack(">i", partition) + _array([struct.pack(">i", node) for node in replicas]) + _NO_TAGS
    topics = _array([_text(topic.encode()) + _array([wanted]) + _NO_TAGS])
    answer = _ask(bootstrap, _ALTER_PARTITION_REASSIGNMENTS, struct.pack(">i", 10_000) + topics + _NO_TAGS)
    _, error = struct.unpack_from(">ih", answer)
    assert error == 0, f"AlterPartitionReassignments: error {error}"


def _ask(bootstrap: str, api_key: int, body: bytes) -> bytes:
    """The body of the answer of whichever node answers: each passes such requests on to the controller."""
    failed: OSError | None = None
    for address in bootstrap.split(","):
        host, port = address.rsplit(":", 1)
        try:
            with socket.create_connection((host, int(port)), _SECONDS) as connection:
                request = struct.pack(">hhih", api_key, 0, 1, -1) + _NO_TAGS + body
                connection.sendall(struct.pack(">i", len(request)) + request)
                with connection.makefile("rb") as answers:
                    (size,) = struct.unpack(">i", answers.read(4))
                    return answers.read(size)[5:]  # behind the correlation id and the tags
        except (OSError, struct.error) as error:
            failed = OSError(str(error))
    raise failed or OSError(f"no address in {bootstrap}")


def _array(items: Sequence[bytes]) -> bytes:
    return _length(items) + b"".join(items)


def _text(value: bytes) -> bytes:
    return _length(value) + value


def _length(counted: Sequence[object]) -> bytes:
    assert len(counted) < 127, "one byte of a varint is enough here"
    return bytes([len(counted) + 1])
