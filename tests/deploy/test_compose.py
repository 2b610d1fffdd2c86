"""``docker-compose.yml``: the specification's schema, hardening, and its services as processes, without containers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.settings import load
from tests.deploy.compose import (
    FILE,
    REPOSITORY,
    Loopback,
    command,
    healthy,
    running,
    running_broker,
    services,
)
from tests.support.kafka import KAFKA_VERSION
from tests.support.registry import APICURIO_VERSION, running_registry

SECRET = REPOSITORY / "deploy" / "simulator-password"
LASTING = ("bridge", "kafka", "registry", "simulator")


def validated(file: Path) -> subprocess.CompletedProcess[str]:
    """Judged by the Compose specification's JSON schema."""
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run([*checker, str(file)], capture_output=True, text=True, check=False)


def test_file_follows_the_compose_specification() -> None:
    done = validated(FILE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("broken", [{"ports": "8085"}, {"depend_on": ["kafka"]}, {"healthcheck": {"tests": []}}])
def test_broken_file_is_refused(tmp_path: Path, broken: dict[str, Any]) -> None:
    document = yaml.safe_load(FILE.read_text())
    document["services"]["bridge"].update(broken)
    (tmp_path / "docker-compose.yml").write_text(yaml.safe_dump(document))
    assert validated(tmp_path / "docker-compose.yml").returncode == 1


@pytest.mark.parametrize("name", sorted(services()))
def test_service_is_hardened(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"]), "a number that is not root's"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_user_is_the_images() -> None:
    (told,) = re.findall(r"^USER (\S+)$", (REPOSITORY / "deploy" / "Containerfile").read_text(), re.MULTILINE)
    assert {service["user"] for service in services().values() if "build" in service} == {told}


@pytest.mark.parametrize("name", LASTING)
def test_lasting_service_has_a_health_check(name: str) -> None:
    assert services()[name]["healthcheck"]["test"][0] == "CMD"


def test_services_wait_for_what_they_need() -> None:
    needs = services()["bridge"]["depends_on"]
    assert {name: need["condition"] for name, need in needs.items()} == {
        "kafka": "service_healthy",
        "registry": "service_healthy",
        "simulator": "service_healthy",
        "topics": "service_completed_successfully",
    }


def test_versions_are_those_that_the_tests_run_on() -> None:
    found = services()
    assert found["registry"]["image"].endswith(f":{APICURIO_VERSION}")
    if "TEST_KAFKA_VERSION" not in os.environ:
        assert found["kafka"]["image"].endswith(f":{KAFKA_VERSION}")


def test_files_that_it_names_exist() -> None:
    document = yaml.safe_load(FILE.read_text())
    files = [entry["file"] for kind in ("configs", "secrets") for entry in document[kind].values()]
    files += [service["build"]["dockerfile"] for service in services().values() if "build" in service]
    assert files
    assert [file for file in files if not (REPOSITORY / file).is_file()] == []


def test_settings_load_with_the_secret_from_its_file() -> None:
    variable = next(iter(services()["bridge"]["environment"]))
    settings = load(REPOSITORY / "deploy" / "vcd-bridge.toml", {variable: str(SECRET)}).settings
    settings.require_all()
    assert settings.vcd.password is not None
    assert settings.vcd.password.get_secret_value() == "secret"


def test_services_work_together_as_processes(tmp_path: Path) -> None:
    """Everything but the containers: broker, registry, simulator, topics and bridge with the file's own words."""
    place = Loopback()
    settings = tmp_path / "vcd-bridge.toml"
    settings.write_text(place.moved((REPOSITORY / "deploy" / "vcd-bridge.toml").read_text(), "bridge"))
    secret = {next(iter(services()["bridge"]["environment"])): str(SECRET)}
    with (
        running_registry(place.ports["registry:8080"]),
        running_broker(tmp_path, place),
        running(command("simulator", place, settings), tmp_path / "simulator.log"),
    ):
        assert healthy("registry", place)
        assert healthy("simulator", place)
        assert not healthy("bridge", place)
        topics = subprocess.run(command("topics", place, settings), capture_output=True, text=True, check=False)
        assert topics.returncode == 0, topics.stderr
        with running(command("bridge", place, settings), tmp_path / "bridge.log", secret):
            assert healthy("bridge", place)
            check = [sys.executable, "-m", "bridge", "check", "--config", str(settings)]
            done = subprocess.run(check, env={**os.environ, **secret}, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
