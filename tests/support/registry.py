"""A real schema registry for tests: Apicurio with its Confluent API, in memory, on a port of its own.

The archive comes from Maven Central once, into ``.cache/``; needs Java 17 and Maven.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.ports import free_ports
from tests.support.prerequisites import fetch

APICURIO_VERSION = "2.6.13.Final"
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{APICURIO_VERSION}:tar.gz:all"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_CACHE = Path(__file__).resolve().parents[2] / ".cache"
_START_SECONDS = 90.0
"""3.5 s alone; many times that while the machine is busy."""


@dataclass(slots=True)
class Registry:
    """One running registry. ``url`` is that of the Confluent API."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def stop(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()


def register(registry: Registry, subject: str, schema: str) -> int:
    """Put an Avro schema under a subject, as another program would; its id."""
    return int(_ask("POST", f"{registry.url}/subjects/{subject}/versions", {"schema": schema})["id"])


def set_level(registry: Registry, subject: str, level: str) -> None:
    """Set the subject's compatibility level."""
    _ask("PUT", f"{registry.url}/config/{subject}", {"compatibility": level})


def _ask(method: str, url: str, document: Mapping[str, str]) -> Any:
    request = urllib.request.Request(url, json.dumps(document).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:  # loopback, our own process
        return json.load(answer)


@contextmanager
def running_registry(port: int | None = None) -> Iterator[Registry]:
    """A registry that answers; killed at the end. ``port`` None: a free one."""
    home = _installed()
    port = port if port is not None else free_ports(1)[0]
    log_file = _CACHE / f"apicurio-{port}.log"
    command = [
        "java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
        "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}", "-Dquarkus.log.level=WARN",
        "-jar", f"apicurio-registry-app-{APICURIO_VERSION}-runner.jar",
    ]  # fmt: skip
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, cwd=home, stdout=log, stderr=subprocess.STDOUT)
    registry = Registry(port, process)
    try:
        _wait_until_it_answers(registry, log_file)
        yield registry
    finally:
        registry.stop()
        log_file.unlink(missing_ok=True)


def _wait_until_it_answers(registry: Registry, log_file: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if registry.process.poll() is not None:
            raise RuntimeError(f"the registry ended with {registry.process.returncode}: {log_file.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{registry.url}/subjects", timeout=5):  # loopback, our own process
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"the registry did not answer within {_START_SECONDS:g} s: {log_file.read_text()[-2000:]}")


def _installed() -> Path:
    """Folder of the unpacked archive; fetched and unpacked once, also when several test processes start together."""
    home = _CACHE / f"apicurio-{APICURIO_VERSION}"
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / "apicurio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            _install(home)
    return home


def _install(home: Path) -> None:
    fetched = _CACHE / "apicurio-archive"
    fetch(f"Apicurio {APICURIO_VERSION}", _COPY, f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={fetched}")
    partial = home.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with tarfile.open(next(fetched.glob("*.tar.gz"))) as archive:
        archive.extractall(partial, filter="data")
    shutil.rmtree(fetched)
    partial.rename(home)
