"""A real PostgreSQL for tests: native binaries, fetched once from Maven Central into ``.cache/``; needs Maven."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.support.kafka import _die_with_parent
from tests.support.ports import free_ports
from tests.support.prerequisites import fetch

POSTGRES_VERSION = "17.5.0"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_CACHE = Path(__file__).resolve().parents[2] / ".cache"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64v8", "arm64": "arm64v8"}
_START_SECONDS = 60.0


def archive() -> Path:
    """The fetched jar. Raises PrerequisiteMissingError."""
    folder = _CACHE / f"postgres-{POSTGRES_VERSION}"
    if not folder.is_dir():
        machine = f"{platform.system().lower()}-{_MACHINES.get(platform.machine(), platform.machine())}"
        artifact = f"io.zonky.test.postgres:embedded-postgres-binaries-{machine}:{POSTGRES_VERSION}"
        _CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as partial:
            fetched = Path(partial) / "fetched"
            fetch(f"PostgreSQL {POSTGRES_VERSION}", _COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={fetched}")
            with contextlib.suppress(OSError):  # another test process was quicker
                fetched.rename(folder)
    return next(folder.glob("*.jar"))


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """URL of a server with an empty database; ended and removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        with zipfile.ZipFile(archive()) as jar:
            (name,) = (name for name in jar.namelist() if name.endswith(".txz"))
            with tarfile.open(fileobj=io.BytesIO(jar.read(name)), mode="r:xz") as binaries:
                binaries.extractall(home, filter="data")
        (home / "data").mkdir()
        whom = _not_root(home)
        made = ["-D", str(home / "data"), "-U", "test", "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync"]
        subprocess.run([str(home / "bin" / "initdb"), *made], check=True, capture_output=True, **whom)
        yield from _serving(home, whom)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _not_root(home: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it is run as nobody."""
    if os.geteuid() != 0:
        return {}
    home.chmod(0o755)
    shutil.chown(home / "data", "nobody")
    return {"user": "nobody"}


def _serving(home: Path, whom: dict[str, Any]) -> Iterator[str]:
    (port,) = free_ports(1)
    settings = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
        "shared_buffers": "16MB",
    }  # fmt: skip
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [str(home / "bin" / "postgres"), "-D", str(home / "data"), *options]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home, preexec_fn=_die_with_parent, **whom)
    url = f"postgresql://test@127.0.0.1:{port}/postgres"
    try:
        _wait_until_it_answers(url, process, home / "log")
        yield url
    finally:
        process.terminate()
        process.kill()
        process.wait()


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not answer: {log.read_text()[-2000:]}") from error
        time.sleep(0.05)
