"""Files on their way in and out: sizes are exact, contents are kept only up to a small cap.

A simulator has no use for the bytes of an image, but a client that downloads what it uploaded wants them back: the
first mebibyte of each file is kept while all files together have less than 64 MiB; behind it a download has zeros.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bridge.simulator.state.entities import Entity

MAXIMUM_FILE_BYTES = 1024 * 1024
MAXIMUM_ALL_BYTES = 64 * 1024 * 1024


@dataclass(slots=True, eq=False)
class TransferFile:
    """One file. ``size`` in bytes, None until somebody says; ``received``: bytes from the start without a gap."""

    name: str
    size: int | None = None
    received: int = 0
    content: bytearray = field(default_factory=bytearray)

    @property
    def complete(self) -> bool:
        return self.size is not None and self.received >= self.size


@dataclass(slots=True, eq=False)
class Transfer:
    """The files of one upload or download of an entity; ``id`` is part of their addresses. ``upload`` False: to be
    read.
    """

    id: str
    entity: Entity
    upload: bool
    files: list[TransferFile] = field(default_factory=list)

    def file(self, name: str) -> TransferFile | None:
        return next((one for one in self.files if one.name == name), None)

    @property
    def complete(self) -> bool:
        return all(one.complete for one in self.files)

    @property
    def size(self) -> int:
        return sum(one.size or 0 for one in self.files)

    @property
    def received(self) -> int:
        return sum(one.received for one in self.files)


class GapError(ValueError):
    """A part that does not begin where the file ends so far."""


class Transfers:
    """All open transfers by id."""

    def __init__(self) -> None:
        self._open: dict[str, Transfer] = {}
        self._kept = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def kept_bytes(self) -> int:
        """Content in memory."""
        return self._kept

    def get(self, transfer_id: str) -> Transfer | None:
        return self._open.get(transfer_id)

    def open(self, transfer: Transfer) -> Transfer:
        self._open[transfer.id] = transfer
        return transfer

    def close(self, transfer: Transfer | None) -> None:
        """Its addresses lead nowhere any more; the files are still there."""
        if transfer is not None:
            self._open.pop(transfer.id, None)

    def forget(self, files: Iterable[TransferFile]) -> None:
        """The files are gone."""
        for one in files:
            self._kept -= len(one.content)
            one.content = bytearray()

    def copies(self, files: Iterable[TransferFile]) -> list[TransferFile]:
        """The same files once more, for a copy of what they belong to."""
        made = []
        for one in files:
            copy = TransferFile(one.name, one.size)
            self.receive(copy, 0, bytes(one.content), one.received)
            made.append(copy)
        return made

    def receive(self, file: TransferFile, start: int, body: bytes, length: int) -> None:
        """Takes a part that begins at ``start``.

        Args:
            body: The part, or only its beginning.
            length: How long it is as a whole.

        Raises:
            GapError: It begins behind the end of what there is. What is there already may be sent again.
        """
        if start > file.received:
            raise GapError(f"part begins at {start}, {file.received} bytes are there")
        if start == len(file.content):
            room = min(MAXIMUM_FILE_BYTES - start, MAXIMUM_ALL_BYTES - self._kept)
            kept = body[: max(0, room)]
            file.content += kept
            self._kept += len(kept)
        file.received = max(file.received, start + length)


def read(file: TransferFile, start: int, end: int) -> bytes:
    """Bytes ``start`` to ``end`` (not included); zeros behind what was kept."""
    return bytes(file.content[start:end]).ljust(max(0, end - start), b"\0")
