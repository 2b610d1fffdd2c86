"""``docker-compose.yml`` as a program reads it, and its services as processes on loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.kafka import KafkaNode, jars, wait_until_served
from tests.support.ports import free_ports

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "docker-compose.yml"


def services() -> dict[str, dict[str, Any]]:
    """Service by name, YAML's merge keys applied."""
    return dict(yaml.safe_load(FILE.read_text())["services"])


@dataclass(slots=True)
class Loopback:
    """What stands in the compose file as ``service:port``, moved to free ports of loopback."""

    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("kafka:9092", "kafka:29092", "kafka:9093", "registry:8080", "simulator:8090", "bridge:8085")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    def moved(self, text: str, service: str = "") -> str:
        """``text`` of a service with every address in it moved; its own are written without or with any host."""
        for name, port in self.ports.items():
            owner, _, number = name.partition(":")
            hosts = [owner, *(["0.0.0.0", "127.0.0.1", "localhost", ""] if owner == service else [])]
            for host in hosts:
                before = f"{host}:{number}" if host else f"//:{number}"
                text = text.replace(before, f"127.0.0.1:{port}" if host else f"//127.0.0.1:{port}")
        return text


def broker(directory: Path, place: Loopback) -> KafkaNode:
    """The compose file's broker: its environment as the image turns it into properties."""
    environment = services()["kafka"]["environment"]
    properties = {
        name.removeprefix("KAFKA_").replace("_", ".").lower(): place.moved(str(value), "kafka")
        for name, value in environment.items()
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
    }
    properties["log.dirs"] = str(directory / "data")
    node = KafkaNode(
        number=1,
        port=place.ports["kafka:9092"],
        controller_port=place.ports["kafka:9093"],
        proxied_port=0,
        proxied_listener=0,
        directory=directory,
        properties=properties,
    )
    node.configuration.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    tool = ["java", "-cp", f"{jars()}/*", "kafka.tools.StorageTool", "format", "-t", environment["CLUSTER_ID"]]
    subprocess.run([*tool, "-c", str(node.configuration)], stdout=subprocess.DEVNULL, check=True)
    return node


@contextlib.contextmanager
def running_broker(directory: Path, place: Loopback) -> Iterator[KafkaNode]:
    node = broker(directory, place)
    node.launch()
    try:
        wait_until_served(node.bootstrap, 1, [node])
        yield node
    finally:
        node.stop()


def command(service: str, place: Loopback, settings: Path) -> list[str]:
    """A service's command line for a process; the image's entry point is ``vcd-bridge``."""
    words = [place.moved(str(word), service) for word in services()[service]["command"]]
    words = [word.replace("/etc/vcd-bridge/vcd-bridge.toml", str(settings)) for word in words]
    return [sys.executable, "-m", "bridge", *words]


@contextlib.contextmanager
def running(arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """A process that has said ``ready``; ended with SIGTERM, which it has to answer with exit code 0."""
    ready = threading.Event()
    with log.open("w") as stderr:
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**os.environ, **(environment or {})}
        )

    def watch() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready"):
                ready.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert ready.wait(60), log.read_text()[-2000:]
        yield
        process.terminate()
        assert process.wait(30) == 0, log.read_text()[-2000:]
    finally:
        process.kill()
        process.wait()
        watcher.join()
        assert process.stdout is not None
        process.stdout.close()


def healthy(service: str, place: Loopback) -> bool:
    """The service's health check, run as the container engine would."""
    words = services()[service]["healthcheck"]["test"]
    assert words[0] == "CMD"
    program = [sys.executable if word == "python" else place.moved(str(word), service) for word in words[1:]]
    return subprocess.run(program, capture_output=True, check=False).returncode == 0
