"""Observers that are killed and restarted, by the ways in which the members of a group agree."""

from __future__ import annotations

import time
from functools import partial

from tests.campaign.fault import fault
from tests.campaign.faults.groups import GROUPS, SLOTS, Group
from tests.campaign.observing import QUICK, UNKIND, begin, end
from tests.campaign.stage import Stage
from tests.support.bridge import START_SECONDS, BridgeProcess
from tests.support.observation_site import ObservationSite


def _members_change(group: Group, stage: Stage) -> None:
    """Each of three is killed and comes back, then each leaves in order and comes back, by its name if it has one."""
    with stage.site(
        kind=ObservationSite, processes=0, load=False, simulator={"settings": UNKIND}, observation=QUICK
    ) as site:  # fmt: skip
        assert isinstance(site, ObservationSite)
        members = [_comes(site, group, slot) for slot in range(SLOTS)]
        begin(stage, site)
        for orderly in (False, True):
            for slot, member in enumerate(members):
                stage.wait_more(15)
                with stage.injecting():
                    if orderly:
                        assert member.stop() == 0
                    else:
                        member.kill()
                    members[slot] = _comes(site, group, slot)
        stage.wait_more(15)
        end(stage, site)


def _comes(site: ObservationSite, group: Group, slot: int) -> BridgeProcess:
    """Until one is ready: under KIP-848 the broker keeps the name of a dead one until its session is over, and whoever
    comes earlier ends, to be started again."""
    started = site.start(kafka=group.kafka(slot))
    deadline = time.monotonic() + START_SECONDS
    while True:
        for bridge in site.processes[site.processes.index(started) :]:
            if bridge.settings == started.settings and bridge.ready.is_set() and bridge.process.poll() is None:
                return bridge
        assert time.monotonic() < deadline, f"nobody becomes ready: {started.told()}"
        time.sleep(0.05)  # processes are polled: there is nothing to be woken by


for _name in ("kip848", "static", "static_kip848"):
    fault(
        f"observing_{_name}", "group", minutes=1.5,
        what="Each of three processes that observe two organizations and all of them is killed with -9 and started"
        f" again, then each restarted in order, while people's Tasks begin and end in VCD; {GROUPS[_name].about}.",
    )(partial(_members_change, GROUPS[_name]))  # fmt: skip
