"""Processes that die, stand still, or are told to go."""

from __future__ import annotations

from tests.campaign.fault import fault
from tests.campaign.stage import Stage


@fault("kill_owner", "process")
def kill_owner(stage: Stage) -> None:
    """One of two processes is killed with -9 under load; the other goes on."""
    with stage.site() as site:
        stage.wait_more(60)
        with stage.injecting():
            site.processes[0].kill()
        stage.wait_more(120)
