"""pyvcloud's way in and out: versions, login, the session's links, the list of queries, logout."""

from __future__ import annotations

import pytest
from pyvcloud.vcd.client import Client, QueryResultFormat
from pyvcloud.vcd.exceptions import UnauthorizedException, VcdException

from bridge.simulator.director import Director
from tests.fidelity.pyvcloud.conftest import LogIn


def test_an_organization_administrator_logs_in(tenant: Client) -> None:
    session = tenant.get_vcloud_session()
    assert (session.get("user"), session.get("org")) == ("admin", "acme")
    assert not tenant.is_sysadmin()
    assert tenant.get_org().get("name") == "acme"


def test_a_system_administrator_logs_in(provider: Client) -> None:
    assert provider.get_vcloud_session().get("org") == "System"
    assert provider.is_sysadmin()
    assert sorted(org.get("name") for org in provider.get_org_list()) == ["System", "acme", "beta"]


def test_it_takes_the_newest_version_that_both_know(tenant: Client) -> None:
    assert tenant.get_api_version() == "36.0"
    assert "39.1" in tenant.get_supported_versions_list()


@pytest.mark.parametrize("version", ["35.0", "36.3", "37.3", "39.1"])
def test_any_served_version_can_be_asked_for(log_in: LogIn, version: str) -> None:
    assert log_in("admin@acme", version=version).get_org().get("name") == "acme"


def test_a_wrong_password_is_refused(log_in: LogIn) -> None:
    with pytest.raises(VcdException, match="Login failed"):
        log_in("admin@acme", password="wrong")  # it is to be wrong


def test_a_session_ends_with_logout(log_in: LogIn, director: Director) -> None:
    client = log_in("admin@beta")
    token = client.get_access_token()
    client.logout()
    assert director.ledger.after(0)[-1]["operation"] == "legacyLogout"
    with pytest.raises(UnauthorizedException):
        client.rehydrate_from_token(token, is_jwt_token=True)


def test_another_client_takes_a_session_over(log_in: LogIn, tenant: Client) -> None:
    other = log_in("admin@beta")
    assert other.rehydrate_from_token(tenant.get_access_token(), is_jwt_token=True).get("org") == "acme"


@pytest.mark.parametrize("form", list(QueryResultFormat))
def test_the_list_of_queries_leads_to_queries(provider: Client, form: QueryResultFormat) -> None:
    found = provider.get_typed_query("user", query_result_format=form, equality_filter=("name", "administrator"))
    assert [one.get("name") for one in found.execute()] == ["administrator"]


def test_tenants_are_not_told_of_administrators_queries(tenant: Client) -> None:
    names = {link.get("name") for link in tenant.get_query_list().Link}
    assert "task" in names
    assert not names & {"adminTask", "blockingTask"}
