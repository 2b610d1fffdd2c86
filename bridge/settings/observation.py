"""The section ``observation``: the Tasks of whole organizations, whoever started them, told as a stream."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge.settings.section import Section
from bridge.settings.types import Rate, Seconds


class ObservationSettings(Section):
    """The Tasks of whole organizations, told as a stream. All processes of a group are to have the same ``enabled``."""

    enabled: bool = False
    """Whether ``topics.observations`` is read. A login of the provider may observe any organization, another one its
    own."""
    interval_seconds: Seconds = 5.0
    """Time between two looks: so old is a change when it is told, or the time of a look older. With the message bus
    (``notifications``) it is read at once."""
    overlap_seconds: Annotated[float, Field(ge=1, le=3600)] = 30.0
    """By how much the window of ended Tasks reaches back before the last look. It covers rows that VCD shows late and
    clocks of its cells that differ; what comes later than that is missed. More of it costs more rows in each look."""
    max_requests_per_second: Rate = 20.0
    """Queries per second and process for all looks together; where that is not enough, the time between two looks
    grows. Each Task that has ended is read once besides."""
