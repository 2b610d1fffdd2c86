"""One bridge with everything switched on, and the consumer's databases. Tests keep apart by keys and ticket numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.external import ExternalSite, running_external_site
from tests.support.kafka import KafkaNode, create_topics, unique
from tests.support.postgres import running_postgres
from tests.support.prerequisites import PrerequisiteMissingError


@pytest.fixture(scope="session")
def site(kafka: KafkaNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExternalSite]:
    """Topics, a simulator and a bridge that is ready."""
    updates = unique("snc.dev1.sn_vcd.updates")
    create_topics(kafka.bootstrap, {updates: 2})
    directory = tmp_path_factory.mktemp("examples")
    with running_external_site(kafka.bootstrap, directory, topics={"ticket_updates": updates}) as running:
        running.start().wait_ready()
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real PostgreSQL."""
    try:
        with running_postgres() as url:
            yield url
    except PrerequisiteMissingError as missing:
        pytest.fail(str(missing), pytrace=False)
