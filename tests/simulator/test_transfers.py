"""What the simulator keeps of files that are sent to it: their sizes always, their contents up to a cap."""

from __future__ import annotations

import pytest

from bridge.simulator.state.entities import Entity
from bridge.simulator.state.kinds import KINDS
from bridge.simulator.state.transfers import (
    MAXIMUM_ALL_BYTES,
    MAXIMUM_FILE_BYTES,
    GapError,
    Transfer,
    TransferFile,
    Transfers,
    read,
)


def test_parts_add_up_and_may_come_again() -> None:
    transfers, file = Transfers(), TransferFile("a.vmdk", size=10)
    transfers.receive(file, 0, b"01234", 5)
    assert not file.complete
    transfers.receive(file, 0, b"01234", 5)
    transfers.receive(file, 5, b"56789", 5)
    assert (file.received, file.complete, read(file, 3, 7)) == (10, True, b"3456")


def test_a_part_with_a_gap_before_it_is_refused() -> None:
    with pytest.raises(GapError):
        Transfers().receive(TransferFile("a", size=10), 5, b"56789", 5)


def test_contents_are_kept_up_to_a_cap_a_file_and_in_all() -> None:
    transfers, large = Transfers(), TransferFile("large", size=3 * MAXIMUM_FILE_BYTES)
    part = b"x" * MAXIMUM_FILE_BYTES
    for number in range(3):
        transfers.receive(large, number * len(part), part, len(part))
    assert (large.received, len(large.content)) == (3 * MAXIMUM_FILE_BYTES, MAXIMUM_FILE_BYTES)
    assert read(large, MAXIMUM_FILE_BYTES - 1, MAXIMUM_FILE_BYTES + 1) == b"x\0"
    media = Entity(kind=KINDS["media"], uuid="m", name="m")
    opened = [
        transfers.open(Transfer(str(number), media, upload=True, files=[TransferFile("f")])) for number in range(70)
    ]
    for one in opened:
        transfers.receive(one.files[0], 0, part, len(part))
    assert transfers.kept_bytes == MAXIMUM_ALL_BYTES
    for one in opened:
        transfers.close(one)
        transfers.forget(one.files)
    assert transfers.kept_bytes == MAXIMUM_FILE_BYTES
    assert len(transfers) == 0
