"""Where the calls about libraries, storage and metadata lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bridge.catalogue.operation import Operation
from bridge.simulator.calls.actions import Actions
from bridge.simulator.calls.call import Target
from bridge.simulator.calls.libraries.entities import Libraries
from bridge.simulator.calls.libraries.metadata import MetadataCalls
from bridge.simulator.calls.libraries.sharing import Sharing
from bridge.simulator.calls.libraries.transfer import TransferCalls
from bridge.simulator.cloud import Cloud


def routes(cloud: Cloud, actions: Actions, operations: Iterable[Operation]) -> Iterator[tuple[str, str, Target]]:
    """Method, path and target of each."""
    yield from Libraries(cloud, actions).routes()
    yield from MetadataCalls(cloud, actions).routes(operations)
    yield from Sharing(cloud, actions).routes()
    yield from TransferCalls(cloud).routes()
