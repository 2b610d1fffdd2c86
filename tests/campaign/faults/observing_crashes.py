"""``kill -9`` at the named points that observers pass while they tell what they have found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from bridge.crash import CRASH_POINTS
from tests.campaign.fault import fault
from tests.campaign.observing import MOVING, QUICK, begin, end
from tests.campaign.stage import Stage
from tests.support.bridge import KILLED
from tests.support.observation_site import ObservationSite

REACHED: Mapping[str, Sequence[int]] = {
    **dict.fromkeys(
        ("round_before_commit", "records_produced", "offsets_sent", "commit_answered", "round_committed"), (2, 12, 40)
    ),
    **dict.fromkeys(("restoring", "restored"), (1, 2, 3)),
}
"""One owner of everything after the other dies there, at the so-manieth time."""


def _kill_at(point: str, stage: Stage) -> None:
    with stage.site(
        kind=ObservationSite, processes=1, load=False, simulator={"settings": MOVING}, observation=QUICK
    ) as site:  # fmt: skip
        assert isinstance(site, ObservationSite)
        begin(stage, site, decided_by=2)
        stage.wait_more(10)
        for time in REACHED[point]:
            owner, victim = site.processes[-1], site.start(crash_at=f"{point}:{time}")
            assert owner.stop() == 0
            ended = victim.wait_dead()
            assert ended == KILLED, f"it ended with {ended}: {victim.told()}"
            stage.strike()
            site.start().wait_ready()
            stage.wait_more(20)
        end(stage, site)


for _point in REACHED:
    fault(
        f"kill_observing_at_{_point}", "process",
        what="Whoever observes two organizations and all of them, while people's Tasks begin and end in VCD and some"
        f" are held and decided, is killed with -9 at `{_point}`: {CRASH_POINTS[_point]}.",
    )(partial(_kill_at, _point))  # fmt: skip
