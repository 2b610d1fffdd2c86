"""The topics of observation, for a site whose settings switch it on."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.bridge import Site
from tests.support.kafka import unique


def observation_names() -> dict[str, str]:
    """Names of the three topics, as the settings ``topics`` take them; of nobody else's."""
    prefix = unique("observed")
    return {name: f"{prefix}.{name}" for name in ("observations", "observed_tasks", "blocking_tasks")}


def make_observation_topics(site: Site, names: Mapping[str, str]) -> None:
    """With the store of the input, as many partitions as the site's others have."""
    site.make_input(names["observations"], names["observed_tasks"], names["blocking_tasks"], is_compacted=True)


def observe(site: Site, names: Mapping[str, str], *organizations: str, blocking_tasks: bool = False) -> None:
    """Start observing, and wait until each has begun."""
    record = b'{"action": "start", "blocking_tasks": true}' if blocking_tasks else b'{"action": "start"}'
    for organization in organizations:
        site.producer.produce(names["observations"], record, organization)
    assert site.producer.flush(30) == 0
    site.wait_events(lambda told: sum(one["change"] == "accepted" for one in told) >= len(organizations))
