"""``vcd-bridge config``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.cli.entry import main
from bridge.settings.known import KNOWN


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_text(
        '[vcd]\nurl = "https://vcd.example.com"\nusername = "u"\n[kafka.properties]\n"sasl.password" = "hunter2"\n'
    )
    monkeypatch.setenv("VCD_BRIDGE__VCD__PASSWORD", "geheim")


def test_json_lists_every_setting_with_value_and_origin_and_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--config", "bridge.toml", "--json"]) == 0
    text = capsys.readouterr().out
    rows = {row["name"]: row for row in json.loads(text)}
    assert set(KNOWN) - set(rows) == {"kafka.properties"}
    assert (rows["vcd.url"]["value"], rows["vcd.url"]["origin"]) == ("https://vcd.example.com", "file")
    assert (rows["vcd.password"]["value"], rows["vcd.password"]["origin"]) == ("********", "environment")
    assert rows["vcd.password"]["origin_detail"] == "VCD_BRIDGE__VCD__PASSWORD"
    assert rows["log.level"] | {"description": ""} == {
        "name": "log.level", "value": "info", "origin": "default", "origin_detail": None, "description": "",
    }  # fmt: skip
    assert "geheim" not in text
    assert "hunter2" not in text


def test_the_table_shows_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--config", "bridge.toml", "--explain"]) == 0
    text = capsys.readouterr().out
    assert "kafka.properties.sasl.password" in text
    assert "geheim" not in text
    assert "hunter2" not in text


@pytest.mark.parametrize("verb", [("config",), ("check",), ("topics", "plan"), ("run",)], ids=" ".join)
def test_every_verb_refuses_what_the_bridge_cannot_run_with(
    verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("VCD_BRIDGE__VCD__PASSWORD")
    monkeypatch.setenv("VCD_BRIDGE__KAFKA__PROPERTIES__ENABLE_AUTO_COMMIT", "true")
    assert main(verb) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("error: kafka.properties: enable.auto.commit is refused: ")
    assert "cannot be reached" not in err


def test_no_properties_are_a_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("VCD_BRIDGE__VCD__PASSWORD")
    assert main(["config"]) == 0
    assert "kafka.properties " in capsys.readouterr().out


def test_a_misspelt_setting_is_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VCD_BRIDGE__VCD__PASWORD", "x")
    assert main(["config"]) == 2
    assert "did you mean VCD_BRIDGE__VCD__PASSWORD" in capsys.readouterr().err
