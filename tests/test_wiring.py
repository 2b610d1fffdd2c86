"""What the parts are made with, from the settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bridge.app import longest_read_seconds
from bridge.errors import ConfigurationError
from bridge.settings import load
from bridge.settings.naming import topic_names
from bridge.wiring import external_rules, own_schemas, policies, policy_of, vcd_config

VCD = "VCD_BRIDGE__VCD__"
ENVIRONMENT = {f"{VCD}URL": "https://vcd.example", f"{VCD}API_TOKEN": "token"}


def test_one_rate_is_shared_by_calls_and_everything_else() -> None:
    settings = load(None, {**ENVIRONMENT, f"{VCD}MAX_CALLS_PER_SECOND": "50"}).settings
    assert vcd_config(settings).max_per_second == 50
    assert policies(settings).limits.per_second == 40, "what calls cannot take is for following"


def test_calls_and_reads_have_connections_of_their_own() -> None:
    environment = {**ENVIRONMENT, f"{VCD}MAX_CONCURRENT_CALLS": "3", f"{VCD}MAX_CONCURRENT_READS": "5"}
    config = vcd_config(load(None, environment).settings)
    assert (config.max_concurrent_calls, config.max_concurrent_reads) == (3, 5)


@pytest.mark.parametrize(
    "text", ["https://b.example:8443/api, https://c.example/", '["https://b.example:8443","https://c.example"]']
)
def test_further_cells_are_dialled_too(text: str) -> None:
    config = vcd_config(load(None, {**ENVIRONMENT, f"{VCD}FURTHER_URLS": text}).settings)
    assert config.urls == ("https://vcd.example", "https://b.example:8443", "https://c.example")


def test_a_read_that_two_silent_cells_hold_up_is_no_loop_that_hangs() -> None:
    """A probe that takes it for one would restart every process while VCD is down."""
    environment = {**ENVIRONMENT, f"{VCD}ANSWER_TIMEOUT_SECONDS": "30"}
    one = load(None, environment).settings
    several = load(None, {**environment, f"{VCD}FURTHER_URLS": "https://b.example,https://c.example"}).settings
    assert (longest_read_seconds(one), longest_read_seconds(several)) == (60.0, 120.0)


def test_owners_of_a_namespace_that_was_dropped_may_be_silent_as_long_as_the_settings_say() -> None:
    external = "VCD_BRIDGE__EXTERNAL_TASKS__"
    environment = {**ENVIRONMENT, f"{external}SERVICE_NAMESPACE": "a.b", f"{external}EXPIRE_AFTER_SECONDS": "3600"}
    rules = external_rules(load(None, environment).settings)
    assert rules is not None
    assert rules.silence("a.b") == rules.silence("dropped") == timedelta(hours=1)


def test_observation_is_off_unless_the_settings_say_otherwise() -> None:
    section = "VCD_BRIDGE__OBSERVATION__"
    off = load(None, {**ENVIRONMENT, f"{section}INTERVAL_SECONDS": "7"}).settings
    names = topic_names(off)
    assert (names.observations, names.observed_tasks, names.blocking_tasks) == (None, None, None)
    assert policies(off).rules.observation is None
    assert "vcd.observed-tasks-value" not in {schema.subject for schema in own_schemas(off)}
    numbers = {"ENABLED": "true", "INTERVAL_SECONDS": "7", "OVERLAP_SECONDS": "40", "MAX_REQUESTS_PER_SECOND": "3"}
    settings = load(None, {**ENVIRONMENT, **{section + name: value for name, value in numbers.items()}}).settings
    on = policies(settings)
    assert on.names.observations == "vcd.observations"
    assert on.rules.observation is not None
    assert on.rules.observation.overlap == timedelta(seconds=40)
    assert (on.lookout.interval, on.lookout.requests_per_second) == (timedelta(seconds=7), 3.0)
    assert {"vcd.observations-value", "vcd.observed-tasks-value", "vcd.blocking-tasks-value"} <= {
        schema.subject for schema in own_schemas(settings)
    }


def test_a_further_cell_that_is_no_address_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"vcd\.further_urls.*must be http"):
        load(None, {**ENVIRONMENT, f"{VCD}FURTHER_URLS": "cell-2"})


def test_a_service_accounts_token_comes_from_its_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "account.token"
    path.write_text("token")
    environment = {f"{VCD}URL": "https://vcd.example", f"{VCD}SERVICE_ACCOUNT_TOKEN_FILE": str(path)}
    assert vcd_config(load(None, environment).settings).service_account_token_file == path
    with pytest.raises(ConfigurationError, match="api_token and service_account_token_file exclude each other"):
        load(None, {**environment, f"{VCD}API_TOKEN": "token"})
    with pytest.raises(ConfigurationError, match=r"set vcd\.api_token, vcd\.service_account_token_file, or"):
        load(None, {f"{VCD}URL": "https://vcd.example"}).settings.require_vcd()


def test_a_call_waits_for_a_connection_within_its_lease() -> None:
    environment = {**ENVIRONMENT, f"{VCD}CONNECT_TIMEOUT_SECONDS": "4", f"{VCD}LEASE_SECONDS": "4"}
    config = vcd_config(load(None, environment).settings)
    assert (config.connect_timeout, config.call_connect_timeout) == (4, 2)


@pytest.mark.parametrize(("value", "passes"), [(None, False), ("reject", False), ("pass", True)])
def test_unknown_keys_of_bodies_are_passed_on_where_that_is_set(value: str | None, passes: bool) -> None:
    given = {} if value is None else {"VCD_BRIDGE__POLICY__UNKNOWN_BODY_KEYS": value}
    assert policy_of(load(None, {**ENVIRONMENT, **given}).settings).pass_unknown_body_keys is passes
