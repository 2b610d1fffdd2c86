"""``vcd-bridge simulator``: what keeps it from serving."""

from __future__ import annotations

import socket

from tests.cli.conftest import Shell


def test_a_file_that_cannot_be_opened_is_not_told_as_the_address(shell: Shell) -> None:
    for option in ("--faults", "--ledger"):
        shell.run("simulator", "--listen", "127.0.0.1:0", option, "nowhere/file", code=2)
        assert "nowhere/file" in shell.err.splitlines()[0]
        assert "cannot serve" not in shell.err


def test_a_port_in_use_is(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        shell.run("simulator", "--listen", address, code=2)
    assert shell.err.startswith(f"error: the simulator cannot serve on {address}: ")
