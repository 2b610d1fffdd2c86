"""The README's settings and commands, as they stand there, from nothing to a first request that succeeds."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.cli.conftest import Shell
from tests.cli.test_interrupting import ROOT, interrupted, running
from tests.support.registry import Registry
from tests.support.simulator import ACME_VAPP, running_simulator


def block(kind: str, contains: str) -> str:
    """The first fenced block of that kind that holds the text."""
    blocks = re.findall(rf"```{kind}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    found: str = next(text for text in blocks if contains in text)
    return found


def commands() -> dict[str, list[str]]:
    """Arguments by verb, in order. What stands after two blanks is a remark."""
    lines = block("text", "vcd-bridge run").replace("vapp-…", ACME_VAPP).splitlines()
    found = [shlex.split(re.split(r"  +", line)[0])[1:] for line in lines]
    return {words[0]: words for words in found}


def test_a_first_request_goes_as_the_readme_says(kafka_shell: Shell, schema_registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "vcd-bridge.toml").write_text(block("toml", "[kafka]"))
    verbs = commands()
    assert list(verbs) == ["topics", "check", "run", "send", "watch", "requests", "dead-letters"]
    with running_simulator() as simulator:
        # Only addresses and credentials are other ones.
        kafka_shell.set(
            kafka__properties__security_protocol="PLAINTEXT", registry__url=schema_registry.url,
            vcd__url=simulator.url, vcd__username="administrator", vcd__password="secret",
            management__listen="127.0.0.1:0",
        )  # fmt: skip
        kafka_shell.run(*verbs["topics"])
        kafka_shell.run(*verbs["check"])
        with running(tmp_path, *verbs["run"]) as bridge, running(tmp_path, *verbs["watch"]) as watch:
            assert bridge.stdout is not None
            assert watch.stdout is not None
            assert bridge.stdout.readline() == "ready\n"
            kafka_shell.run(*verbs["send"])
            story = [watch.stdout.readline()]
            while not {"success", "rejected", "error"} & set(story[-1].split()):
                story.append(watch.stdout.readline())
            assert "success" in story[-1]
            kafka_shell.run(*verbs["requests"])
            assert kafka_shell.err == "0 open\n"
            kafka_shell.run(*verbs["dead-letters"])
            assert kafka_shell.err == "0 dead letters\n"
            assert interrupted(watch) == 130
