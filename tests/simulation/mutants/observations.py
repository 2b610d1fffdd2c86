"""Bugs in how organizations are observed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from bridge.core.coordinates import Birth
from bridge.core.lifecycle import Lifecycle
from bridge.core.observation import blocking, sighting
from bridge.core.observation import order as orders
from bridge.core.observation_parts import OrderPart, whole_millis
from bridge.core.observation_seen import LookOver, SeenMissing
from bridge.engine.desks.intake import Intake, Taken
from bridge.engine.observation.blocking_look import BlockingLook
from bridge.engine.observation.findings import Findings, Look, LookResult
from bridge.engine.observation.watched_order import WatchedOrder
from bridge.engine.partition.owned_partition import Room
from bridge.engine.partition.round import PartitionRound
from bridge.engine.partition.sightings import Sightings
from bridge.ports import Delivery
from tests.simulation.mutants.plans import observed
from tests.simulation.mutants.table import mutant

# --- positions ----------------------------------------------------------------------------------------------------


@mutant("I10", observed)
def position_before_what_was_found(patch: pytest.MonkeyPatch) -> None:
    """The position moves when rows are there, before what they show is read and committed."""
    over = Look.over

    async def hasty(self: Look, at: datetime) -> Sequence[LookResult]:
        for one in self._results:
            one.order.found([LookOver(order=one.order.birth, position=at)])
        self._findings.wake()
        return await over(self, at)

    patch.setattr(Look, "over", hasty)


@mutant("I10", observed)
def position_passes_what_could_not_be_read(patch: pytest.MonkeyPatch) -> None:
    """The position moves though the readings of some ends have failed."""
    patch.setattr(LookResult, "leave", lambda self, ended_at: None)


@mutant("I10", observed, 3)
def window_without_overlap(patch: pytest.MonkeyPatch) -> None:
    """The next window begins where the last one ended: what lists show late is in none."""
    patch.setattr(OrderPart, "window_start", lambda self, overlap: self.position)


@mutant("I10", observed)
def from_now_is_when_vcd_has_answered(patch: pytest.MonkeyPatch) -> None:
    """What ends while VCD cannot be asked whose it is, is left out."""
    patch.setattr(orders, "_beginning", lambda story, vcd_time: whole_millis(vcd_time))


@mutant("I8", observed)
def nothing_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What no window shows any more is kept all the same."""
    patch.setattr(Sightings, "past", lambda self, order, moment, most: ())


# --- what is told -------------------------------------------------------------------------------------------------


@mutant("I10", observed)
def forgotten_too_early(patch: pytest.MonkeyPatch) -> None:
    """What has ended is forgotten at once, though windows show it for a while."""
    past = Sightings.past

    def hasty(self: Sightings, order: Birth, moment: datetime, most: int) -> Sequence[Birth]:
        return past(self, order, moment + timedelta(days=1), most)

    patch.setattr(Sightings, "past", hasty)


def _births(patch: pytest.MonkeyPatch, text_of: Callable[[Lifecycle], object]) -> None:
    def birth_of(order: Lifecycle, urn: str) -> Birth:
        digest = hashlib.sha256(f"{text_of(order)}\n{urn}".encode()).digest()
        return Birth(order.birth.topic, order.birth.partition, -1 - (int.from_bytes(digest[:8]) >> 1))

    patch.setattr(sighting, "birth_of", birth_of)


@mutant("I7", observed)
def births_by_organization(patch: pytest.MonkeyPatch) -> None:
    """A Task has the same event ids under each observation of its organization, one after the other."""
    _births(patch, lambda order: order.organization)


@mutant("I7", observed, 9)
def births_without_the_position(patch: pytest.MonkeyPatch) -> None:
    """A Task that is seen again after it was forgotten has its former event ids."""
    _births(patch, lambda order: order.birth)


@mutant("I10", observed)
def absence_is_an_end(patch: pytest.MonkeyPatch) -> None:
    """What no row shows is told to have vanished, unread."""

    async def conclude(self: Findings, result: LookResult, urn: str, at: datetime) -> None:
        gone = SeenMissing(order=result.order.birth, task_id=urn, http_status=404, message="no row shows it", at=at)
        result.is_news |= result.order.found([gone])
        self.wake()

    patch.setattr(Findings, "read_absent", conclude)


@mutant("I10", observed)
def rows_of_others_are_told(patch: pytest.MonkeyPatch) -> None:
    """What the filter for some organizations shows is told to each of them."""
    patch.setattr(Look, "_for_whom", lambda self, row: iter(self._results))


# --- records ------------------------------------------------------------------------------------------------------


@mutant("I3", observed)
def what_is_left_is_passed(patch: pytest.MonkeyPatch) -> None:
    """The cursor passes a start that has to wait for the end of the observation before."""
    take = Intake.take

    def hasty(self: Intake, work: PartitionRound, delivery: Delivery, room: Room = Room.FREE) -> Taken:
        taken = take(self, work, delivery, room)
        if taken.left:
            work.taken_deliveries.append(delivery)
            work.next_offset = delivery.offset + 1
        return taken

    patch.setattr(Intake, "take", hasty)


# --- blocking tasks -----------------------------------------------------------------------------------------------


@mutant("I10", observed)
def decision_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    """What is on the list no more is still told to wait."""

    async def ignore(self: BlockingLook, order: WatchedOrder, urn: str, known: Lifecycle, at: datetime) -> None:
        return None

    patch.setattr(BlockingLook, "_take_absent", ignore)


@mutant("I10", observed, 5)
def time_outs_are_told_as_decisions(patch: pytest.MonkeyPatch) -> None:
    """Whatever is gone has been decided by somebody."""
    patch.setattr(blocking, "CLOCKS_APART", timedelta(days=-30))


@mutant("I10", observed, 4)
def decisions_are_told_as_time_outs(patch: pytest.MonkeyPatch) -> None:
    """What does as the time-out would do is taken for it, however long before."""
    patch.setattr(blocking, "CLOCKS_APART", timedelta(days=30))


@mutant("I10", observed)
def blocking_tasks_of_everybody(patch: pytest.MonkeyPatch) -> None:
    """What waits in any organization is told to whoever wants to hear of blocking tasks."""
    patch.setattr(WatchedOrder, "covers_organization", lambda self, uuid: self.part is not None)
