"""``kill -9`` at every named crash point, under load of requests and tickets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bridge.crash import CRASH_POINTS
from tests.campaign.fault import AT_MOST_SECONDS, Verdict, fault
from tests.campaign.stage import Stage
from tests.support.bridge import KILLED, USER, BridgeProcess, Site

DEATH_SECONDS = 90.0
DOUBTS_SECONDS = 45.0
"""Longest recovery where the dead leave calls in doubt: each next owner waits anew until VCD has surely settled them,
and the next death comes sooner."""


def _nothing(site: Site) -> None:
    """The load reaches the point by itself."""


def _lose_answers(site: Site) -> None:
    """Calls whose outcome is unknown have to be looked into: some of its own, once it owns something."""
    site.processes[-1].wait_logged("partition.assigned")
    site.simulator.fault(do="drop", effect=True, path="/action/", times=30)


def _another_joins(site: Site) -> None:
    """Partitions are handed over to it; it leaves again with the one that dies, so that the next has some to give."""
    site.processes[-1].wait_logged("partition.assigned")
    site.start()


@dataclass(frozen=True, slots=True)
class Reached:
    """How a point is reached. ``times``: one process after the other dies there, at the so-manieth time.

    ``disturb``: what has to happen beside the load, once each process was started. ``external``: with tickets; without
    them, whoever joins surely owns requests.
    """

    times: Sequence[int] = (2, 12, 40)
    disturb: Callable[[Site], None] = _nothing
    simulator: Mapping[str, Any] = field(default_factory=dict)
    external: bool = True
    at_most_recovery: float = AT_MOST_SECONDS


REACHED: dict[str, Reached] = {
    **dict.fromkeys(CRASH_POINTS, Reached()),
    **dict.fromkeys(("intent_committed", "request_leaving", "call_answered"), Reached(at_most_recovery=DOUBTS_SECONDS)),
    "looked": Reached((1, 2, 3), _lose_answers, external=False),
    "cancel_answered": Reached((1, 2, 4), simulator={"task_seconds": 2.0}, external=False),
    "command_committed": Reached((1, 8, 20)),
    "references_read": Reached((1, 2, 4)),
    "restoring": Reached((1, 2, 3)),
    "restored": Reached((1, 2, 3)),
    "handover": Reached((1, 1), _another_joins),
}
TOKENS = {name: CRASH_POINTS[name] for name in ("token_rotated", "token_saved")}
"""Points of a service account's login, which the usual load does not pass."""


def _kill_at(point: str, stage: Stage) -> None:
    reached = REACHED[point]
    with stage.site(processes=1, external=reached.external, simulator=reached.simulator) as site:
        for time in reached.times:
            victim = site.start(crash_at=f"{point}:{time}")
            reached.disturb(site)
            _dies(stage, victim)
            stage.wait_more(20)
            for joined in site.processes[site.processes.index(victim) + 1 :]:
                assert joined.wait_ready().stop() == 0
        site.simulator.clear_faults()  # answers that nobody has lost yet would keep the breaker open


def _dies(stage: Stage, victim: BridgeProcess) -> None:
    ended = victim.wait_dead(DEATH_SECONDS)
    assert ended == KILLED, f"it ended with {ended}: {victim.told()}"
    stage.strike()


for _point in (one for one in CRASH_POINTS if one not in TOKENS):
    fault(
        f"kill_at_{_point}", "process", at_most_recovery=REACHED[_point].at_most_recovery,
        what=f"Processes are killed with -9 at `{_point}`: {CRASH_POINTS[_point]}.",
    )(partial(_kill_at, _point))  # fmt: skip

# --- a service account's token ------------------------------------------------------------------------------------


def _with_account(site: Site) -> tuple[str, Path]:
    """All processes log in as a service account, from one file; its id, and the file."""
    account = site.simulator.admin("POST", "service-accounts", {"name": USER})
    path = site.directory / "account.token"
    path.write_text(account["refresh_token"])
    site.settings["vcd"] = {"username": None, "password": None, "service_account_token_file": str(path)}
    return str(account["id"]), path


@fault("kill_at_token_saved", "process", what=f"A process is killed with -9 at `token_saved`: {TOKENS['token_saved']}.")
def kill_at_token_saved(stage: Stage) -> None:
    """The next one finds a token that works."""
    with stage.site(processes=0) as site:
        _with_account(site)
        site.start().wait_ready()
        _dies(stage, site.start(crash_at="token_saved"))
        site.start().wait_ready()
        stage.wait_more(40)


@fault(
    "kill_at_token_rotated", "process", expects=Verdict.REFUSES,
    what=f"A process is killed with -9 at `token_rotated`: {TOKENS['token_rotated']}.",
)  # fmt: skip
def kill_at_token_rotated(stage: Stage) -> None:
    """Nothing can bring the account back but a person; the process that has a session goes on until it ends."""
    with stage.site(processes=0) as site:
        account, path = _with_account(site)
        site.start().wait_ready()
        _dies(stage, site.start(crash_at="token_rotated"))
        stage.refusal(site.start(), r"authorize the service account again")
        stage.wait_more(20)
        path.write_text(site.simulator.admin("POST", "service-accounts", {"id": account})["refresh_token"])
        site.start().wait_ready()
        stage.wait_more(20)
