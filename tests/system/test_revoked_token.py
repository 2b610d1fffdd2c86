"""A service account's token is revoked under load: intake stops, nothing is lost, a new token in the file mends it."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from bridge.settings import Settings
from tests.support.bridge import USER, Site, running_site
from tests.support.kafka import KafkaNode
from tests.support.simulator import http
from tests.system.test_probes import bridge, deploy


def with_account(settings: Settings, path: Path) -> Settings:
    who = {"username": None, "password": None, "service_account_token_file": path}
    return settings.model_copy(update={"vcd": settings.vcd.model_copy(update=who)})


def refusals(site: Site) -> int:
    return sum(one["operation"] == "oauthToken" and one["status"] == 400 for one in site.simulator.ledger())


async def test_a_revoked_token_stops_everything_and_a_new_one_resumes_it(kafka: KafkaNode, tmp_path: Path) -> None:
    path = tmp_path / "account.token"
    with running_site(kafka.bootstrap, tmp_path) as site:
        account = site.simulator.admin("POST", "service-accounts", {"name": USER})
        path.write_text(account["refresh_token"])
        async with bridge(site, partial(with_account, path=path)) as probes:
            site.send(*(deploy(number) for number in range(1, 13)))
            await asyncio.to_thread(site.wait_events, bool)
            administrator = site.simulator.log_in("operator@System")
            revoked = http(
                "POST", f"{site.simulator.url}/cloudapi/1.0.0/serviceAccounts/{account['id']}/revoke",
                headers={"Authorization": f"Bearer {administrator.token}", "Accept": "application/json;version=39.0"},
            )  # fmt: skip
            assert revoked.status == 204
            await probes.until("/ready", lambda status, _: status == 503 and refusals(site) == 1)
            assert (await probes.ask("/ready"))[1]["vcd_session"] is False
            site.send(*(deploy(number) for number in range(13, 19)))
            assert (await probes.ask("/live"))[0] == 200, "restarting would not help"
            assert refusals(site) == 1, "a refused token is not tried again and again"
            path.write_text(site.simulator.admin("POST", "service-accounts", {"id": account["id"]})["refresh_token"])
            await probes.until("/ready", lambda status, _: status == 200)
            await asyncio.to_thread(site.wait_ended, [f"r{number}" for number in range(1, 19)])
            site.check()
