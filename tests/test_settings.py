"""Settings: what is read, what wins, what is refused and how it is said."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.settings import LoadedSettings, Settings, load
from bridge.settings.known import KNOWN, SECRETS, SECTIONS, documentation


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def from_toml(text: str, environ: dict[str, str] | None = None) -> LoadedSettings:
    path = Path("settings.toml")
    path.write_text(text)
    return load(path, environ or {})


def refusal(text: str = "", environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        from_toml(text, environ)
    assert caught.value.exit_code == 2
    return caught.value.message.splitlines()


def test_nothing_set_gives_the_pinned_defaults() -> None:
    settings = load(None, {}).settings
    assert settings.kafka.group_id == "vcd-bridge"
    assert settings.topics.action_requests == "vcd.action-requests"
    assert settings.topics.ticket_updates is None, "off"
    assert (settings.topics.partitions, settings.topics.replication_factor) == (6, 3)
    assert (settings.vcd.organization, settings.vcd.transport) == ("System", "fast")
    assert (settings.vcd.answer_timeout_seconds, settings.vcd.connect_timeout_seconds) == (30, 5)
    assert (settings.vcd.lease_seconds, settings.following.interval_seconds) == (5, 2)
    assert (settings.intake.dedupe_window_days, settings.intake.unknown_cancel_wait_seconds) == (7, 60)
    assert (settings.intake.parked_lane_release_seconds, settings.events.progress_step_percent) == (3600, 10)
    assert settings.policy.allow_destructive is False
    assert settings.management.address == ("127.0.0.1", 8085)


def test_every_setting_is_documented() -> None:
    assert [name for name, text in documentation().items() if not text] == []
    assert [section for section, model in SECTIONS.items() if not model.__doc__] == []
    assert {"vcd.password", "vcd.api_token", "registry.password"} == SECRETS


def test_the_file_of_the_working_directory_is_read_when_there() -> None:
    Path("vcd-bridge.toml").write_text('[kafka]\nbootstrap_servers = "kafka:9092"\n')
    loaded = load(None, {})
    assert loaded.settings.require_kafka() == "kafka:9092"
    assert str(loaded.origin("kafka.bootstrap_servers")) == "file vcd-bridge.toml"


def test_environment_wins_over_file_and_each_value_knows_where_it_came_from() -> None:
    Path("token").write_text("geheim-token\n")
    loaded = from_toml(
        '[vcd]\nurl = "https://vcd.example.com/api/"\norganization = "acme"\n[kafka.properties]\nacks = "all"\n',
        {"VCD_BRIDGE__VCD__ORGANIZATION": "tenant", "VCD_BRIDGE__VCD__API_TOKEN_FILE": "token", "PATH": "/bin"},
    )
    rows = {row.name: (row.value, str(row.origin)) for row in loaded.effective()}
    assert rows["vcd.url"] == ("https://vcd.example.com", "file settings.toml")
    assert rows["vcd.organization"] == ("tenant", "environment VCD_BRIDGE__VCD__ORGANIZATION")
    assert rows["vcd.api_token"] == ("********", "secret file token")
    assert rows["vcd.lease_seconds"] == (5.0, "default")
    assert rows["kafka.properties.acks"] == ("all", "file settings.toml")
    assert loaded.settings.secrets() == ("geheim-token",)


def test_librdkafka_properties_come_flat_nested_or_from_the_environment_and_secrets_are_masked() -> None:
    Path("password").write_text("hunter2")
    loaded = from_toml(
        '[kafka.properties]\nsecurity.protocol = "SASL_SSL"\n"sasl.username" = "me"\nsocket.keepalive.enable = true\n',
        {
            "VCD_BRIDGE__KAFKA__PROPERTIES__SASL_PASSWORD_FILE": "password",
            "VCD_BRIDGE__KAFKA__PROPERTIES": '{"sasl.mechanisms": "PLAIN"}',
        },
    )
    assert loaded.settings.kafka.librdkafka_properties() == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "me",
        "socket.keepalive.enable": "true",
        "sasl.mechanisms": "PLAIN",
        "sasl.password": "hunter2",
    }
    shown = {row.name: row.value for row in loaded.effective()}
    assert shown["kafka.properties.sasl.password"] == "********"
    assert "hunter2" not in repr(loaded) + str(shown)


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("sasl.oauthbearer.assertion.private.key.passphrase", True),
        ("sasl.oauthbearer.assertion.private.key.pem", True),
        ("sasl.oauthbearer.client.secret", True),
        ("ssl.keystore.password", True),
        ("sasl.oauthbearer.token.endpoint.url", False),
        ("sasl.oauthbearer.assertion.private.key.file", False),
        ("sasl.username", False),
    ],
)
def test_secret_properties_are_masked_kept_from_logs_and_come_from_files(name: str, is_secret: bool) -> None:
    Path("value").write_text("hunter2")
    variable = f"VCD_BRIDGE__KAFKA__PROPERTIES__{name.upper().replace('.', '_')}"
    loaded = load(None, {variable: "hunter2"})
    (shown,) = [row.value for row in loaded.effective() if row.name == f"kafka.properties.{name}"]
    assert shown == ("********" if is_secret else "hunter2")
    assert ("hunter2" in loaded.settings.secrets()) is is_secret
    if is_secret:
        from_file = load(None, {f"{variable}_FILE": "value"}).settings
        assert from_file.kafka.librdkafka_properties() == {name: "hunter2"}


@pytest.mark.parametrize("text", ["delete*, undeployVApp", '["delete*", "undeployVApp"]'])
def test_lists_may_be_comma_separated_or_json_in_the_environment(text: str) -> None:
    loaded = load(None, {"VCD_BRIDGE__POLICY__DENY_OPERATIONS": text})
    assert loaded.settings.policy.deny_operations == ("delete*", "undeployVApp")


@pytest.mark.parametrize(
    ("setting", "pattern", "told"),
    [
        ("deny_operations", "deployVap", "'deployVap' is no operation of the catalogue; did you mean deployVApp?"),
        ("deny_operations", "delte*", "'delte*' is no operation of the catalogue; did you mean delete"),
        ("allow_operations", "deployvapp", "did you mean deployVApp?"),
        ("allow_operations", "zzz", "`vcd-bridge operations` lists them"),
    ],
)
def test_a_pattern_that_matches_no_operation_is_refused(setting: str, pattern: str, told: str) -> None:
    (line,) = refusal(f'[policy]\n{setting} = ["undeploy*", "{pattern}"]')
    assert line.startswith(f"policy.{setting}: ")
    assert told in line


def test_a_broken_list_is_one_line() -> None:
    (line,) = refusal("", {"VCD_BRIDGE__POLICY__DENY_OPERATIONS": '["delete*"'})
    assert line.startswith("policy.deny_operations: ")


def test_every_problem_has_one_line_that_names_the_setting_and_where_it_came_from() -> None:
    lines = refusal(
        '[topics]\npartitions = 0\n[vcd]\nurl = "vcd.example.com"\nlese_seconds = 3\n[kafak]\n',
        {"VCD_BRIDGE__LOG__LEVEL": "loud", "VCD_BRIDGE__KAFKA__GROUPID": "x", "VCD_BRIDGE_VCD_URL": "y"},
    )
    assert lines == [
        "vcd.lese_seconds: unknown setting in settings.toml; did you mean vcd.lease_seconds?",
        "kafak: unknown section in settings.toml; did you mean kafka?",
        "VCD_BRIDGE_VCD_URL: unknown variable; did you mean VCD_BRIDGE__VCD__URL?",
        "VCD_BRIDGE__KAFKA__GROUPID: unknown setting; did you mean VCD_BRIDGE__KAFKA__GROUP_ID?",
        "topics.partitions: must be at least 1 (from file settings.toml)",
        "vcd.url: must be http://HOST[:PORT] or https://HOST[:PORT] (from file settings.toml)",
        "log.level: must be 'debug', 'info', 'warning' or 'error' (from environment VCD_BRIDGE__LOG__LEVEL)",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[vcd]\nusername="u"\npassword="p"\napi_token="t"', "password and api_token exclude each other"),
        ('[vcd]\nservice_account_token_file="no-such-file"', "vcd.service_account_token_file"),
        ('[vcd]\npassword="p"', "password needs username"),
        ("[vcd]\nconnect_timeout_seconds=6", "must not exceed lease_seconds"),
        ('[vcd]\nurl="https://u:secret-word@vcd.example.com"', "must not hold credentials"),
        ("[vcd]\nlease_seconds=0", "greater than 0"),
        ("[vcd]\nlease_seconds=inf", "finite number"),
        ('[vcd]\nca_file="nowhere.pem"', "there is no such file"),
        ('[vcd]\ntransport="curl"', "'fast' or 'httpx'"),
        ('[kafka]\nbootstrap_servers="kafka"', "host:port"),
        ('[kafka]\ngroup_id="my group"', "legal topic name"),
        ('[topics]\ndead_letters="vcd.task-events"', "name the same topic"),
        ('[topics]\nticket_updates="vcd.action-requests"', "name the same topic"),
        ('[topics]\nticket_updates="vcd.external-tasks"', "name the same topic"),
        ('[topics]\nticket_updates="vcd-bridge.vcd.action-requests.changelog"', "belongs to the bridge's store"),
        ('[topics]\ntask_events="vcd-bridge.vcd.external-tasks.ended"', "belongs to the bridge's store"),
        ('[topics]\ntask_events="vcd-bridge.control"', "belongs to the bridge's store"),
        ('[management]\nlisten="8085"', "host:port"),
        ('[registry]\nusername="u"', "go together"),
        ("[events]\nprogress_step_percent=101", "must be at most 100"),
        ("[following]\ninterval_seconds=120", "overdue_interval_seconds"),
        ('kafka = "localhost"', "must be a table"),
        ('[kafka]\nproperties="x"', "kafka.properties: must be a table (from file settings.toml)"),
        ('[kafka.properties]\n"sasl.password"=["x"]', "sasl.password must be text, a number, or true or false"),
        ("[policy]\ndeny_operations=5", "policy.deny_operations: must be a list (from file"),
        ("[policy]\norganizations=[5]", "policy.organizations.0: must be text (from file"),
        ("[topics]\npartitions={a=1}", "topics.partitions: must be a whole number (from file"),
        ('[vcd]\napi_version_max="38"', "must be MAJOR.MINOR, e.g. 38.1"),
        (f'[kafka]\ngroup_id="{"g" * 240}"', "together"),
    ],
)
def test_values_that_cannot_work_are_refused(text: str, expected: str) -> None:
    lines = refusal(text)
    assert any(expected in line for line in lines), lines
    assert "secret-word" not in "".join(lines)


@pytest.mark.parametrize(
    "value", ['""', '"x"', "5", "-1", "1.5", "true", "[1]", "[[1]]", "{a=[1]}", "1979-05-27", "nan"]
)
def test_no_refusal_speaks_of_pythons_types(value: str) -> None:
    told = []
    for name in KNOWN:
        section, _, key = name.partition(".")
        with contextlib.suppress(ConfigurationError):
            from_toml(f"[{section}]\n{key} = {value}")
            continue
        told += refusal(f"[{section}]\n{key} = {value}")
    assert told
    words = ("Input", "tuple", "string", "dictionary", "instance", "function", "pydantic", "<class")
    assert [line for line in told if any(word in line for word in words)] == []


def test_a_property_from_the_environment_is_a_plain_value() -> None:
    (line,) = refusal("", {"VCD_BRIDGE__KAFKA__PROPERTIES": '{"sasl.password": ["hunter2"]}'})
    assert line.startswith("kafka.properties: sasl.password must be text")
    loaded = load(None, {"VCD_BRIDGE__KAFKA__PROPERTIES": '{"linger.ms": 5, "socket.keepalive.enable": true}'})
    assert loaded.settings.kafka.properties == {"linger.ms": "5", "socket.keepalive.enable": "true"}


def test_what_to_do_about_it_is_where_every_setting_is_listed() -> None:
    for text in ("[kafka\n", "[kafka]\nname = value\n", "[kafak]\n"):
        with pytest.raises(ConfigurationError) as caught:
            from_toml(text)
        assert "docs/settings.md" in caught.value.hint


def test_properties_are_a_row_also_when_there_are_none() -> None:
    assert {row.name: row.value for row in load(None, {}).effective()}["kafka.properties"] == {}


def test_descriptions_are_marked_up_as_in_the_documents() -> None:
    assert [row.name for row in load(None, {}).effective() if "``" in row.description] == []


def test_a_secret_is_given_once() -> None:
    Path("token").write_text("t")
    lines = refusal("", {"VCD_BRIDGE__VCD__API_TOKEN": "x", "VCD_BRIDGE__VCD__API_TOKEN_FILE": "token"})
    assert lines == [
        "vcd.api_token: set by both VCD_BRIDGE__VCD__API_TOKEN and token; keep one",
    ]


@pytest.mark.parametrize("path", ["absent", "empty"])
def test_a_secret_file_that_gives_no_secret_is_refused(path: str) -> None:
    Path("empty").write_text("\n")
    (line,) = refusal("", {"VCD_BRIDGE__VCD__API_TOKEN_FILE": path})
    assert "VCD_BRIDGE__VCD__API_TOKEN_FILE" in line


def test_only_secrets_come_from_files() -> None:
    (line,) = refusal("", {"VCD_BRIDGE__VCD__USERNAME_FILE": "x"})
    assert "unknown setting" in line


def test_a_missing_or_broken_file_is_said_plainly() -> None:
    with pytest.raises(ConfigurationError, match="no such settings file"):
        load(Path("absent.toml"), {})
    (line,) = refusal("[kafka\n")
    assert "not valid TOML" in line
    assert "line 1" in line


def test_variables_of_the_crash_points_and_of_kubernetes_are_nobodys_mistake() -> None:
    load(None, {"VCD_BRIDGE_TESTING": "1", "VCD_BRIDGE_CRASH_AT": "x", "VCD_BRIDGE_PORT": "tcp://10.0.0.1:8085",
                "VCD_BRIDGE_PORT_8085_TCP_ADDR": "10.0.0.1", "VCD_BRIDGE_SERVICE_HOST": "10.0.0.1",
                "VCD_BRIDGE_SIMULATOR_SERVICE_PORT_HTTP": "8090"})  # fmt: skip


def test_what_a_verb_needs_is_asked_for_in_one_go() -> None:
    settings = load(None, {}).settings
    with pytest.raises(ConfigurationError) as caught:
        settings.require_all()
    assert [line.split()[0] for line in caught.value.message.splitlines()] == [
        "kafka.bootstrap_servers", "vcd.url", "vcd",
    ]  # fmt: skip


def test_settings_are_frozen_and_read_no_ambient_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCD_BRIDGE__KAFKA__GROUP_ID", "ambient")
    settings = load(None, {}).settings
    assert settings.kafka.group_id == Settings().kafka.group_id == "vcd-bridge"
    with pytest.raises(ValueError, match="frozen"):
        settings.kafka = settings.kafka
