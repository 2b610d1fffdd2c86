"""A service account's rotating token: saved before it is used, shared by processes, lost only with a clear word."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ConfigurationError, TemporaryError
from bridge.vcd.config import VcdConfig
from bridge.vcd.gateway import HttpGateway
from bridge.vcd.login.credentials import LoginRefused, LoginUnavailable
from bridge.vcd.login.identity import credential_of
from bridge.vcd.login.service_account import ServiceAccountCredential
from bridge.vcd.login.sessions import Sessions
from bridge.vcd.login.token_file import TokenFile
from bridge.vcd.transport.line import Line
from bridge.vcd.transport.transports import Reply
from tests.support.simulator import Simulator, running_simulator
from tests.vcd.scripted import Log, ManualClock, ScriptedTransport, ScriptedVcd, reply
from tests.vcd.test_against_simulator import RealClock

SCRIPT = """
import asyncio, os, sys
from pathlib import Path
from bridge.crash import crash_points
from bridge.errors import BridgeError
from bridge.vcd.config import VcdConfig
from bridge.vcd.gateway import HttpGateway
from bridge.vcd.login.identity import credential_of
from tests.vcd.test_against_simulator import RealClock

async def main():
    config = VcdConfig(url=sys.argv[1], service_account_token_file=Path(sys.argv[2]), transport="httpx")
    gateway = HttpGateway(config, RealClock(), credential=credential_of(config, crash_points(os.environ)))
    try:
        await gateway.open()
    except BridgeError as error:
        sys.exit(error.message)
    print(gateway.user_name, flush=True)
    os._exit(0)

asyncio.run(main())
"""


@dataclass
class Tokens:
    """The token call as VCD has it: each token works once."""

    valid: str = "token-1"
    calls: int = 0
    also: Callable[[], object] = lambda: None

    async def __call__(self, target: str, _headers: dict[str, str], body: bytes) -> Reply:
        assert target == "/oauth/tenant/acme/token"
        await asyncio.sleep(0)
        self.also()
        self.calls += 1
        if body != f"grant_type=refresh_token&refresh_token={self.valid}".encode():
            return reply(400, {"minorErrorCode": "invalid_grant", "message": f"Invalid refresh token {self.valid}"})
        number = int(self.valid.removeprefix("token-")) + 1
        self.valid = f"token-{number}"
        return reply(200, {"access_token": f"access-{number}", "expires_in": 60, "refresh_token": self.valid})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "account.token"
    made.write_text("token-1\n")
    return made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)  # a log is polled: there is nothing to be woken by


def credential(path: Path) -> ServiceAccountCredential:
    return ServiceAccountCredential(TokenFile(path), "acme")


async def test_the_new_token_is_on_the_disk_before_the_session_is_used(path: Path) -> None:
    path.chmod(0o644)
    tokens, account = Tokens(), credential(path)
    saved: list[str] = []
    account.reach = lambda point: saved.append(f"{point} {path.read_text().strip()}")
    for number in (2, 3):
        grant = await account.log_in(tokens, "39.1")
        assert (grant.token, grant.lifetime) == (f"access-{number}", 60.0)
        assert path.read_text() == f"token-{number}\n"
    assert saved == ["token_rotated token-1", "token_saved token-2", "token_rotated token-2", "token_saved token-3"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {one.name for one in path.parent.iterdir()} == {"account.token", "account.token.lock"}, (
        "nothing is left over"
    )


async def test_the_terraform_providers_file_stays_what_it_is(path: Path) -> None:
    path.write_text(json.dumps({"token_type": "Service Account", "refresh_token": "token-1", "updated_by": "x"}))
    await credential(path).log_in(Tokens(), "39.1")
    kept = json.loads(path.read_text())
    assert kept == {"token_type": "Service Account", "refresh_token": "token-2", "updated_by": "x"}


def test_no_description_shows_a_token(path: Path) -> None:
    with TokenFile(path).draft() as draft:
        assert "token-1" not in repr(draft)
    assert "token-1" not in repr(credential(path))


async def test_a_link_to_the_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    await credential(link).log_in(Tokens(), "39.1")
    assert link.is_symlink()
    assert path.read_text() == "token-2\n"


async def test_a_token_that_does_not_rotate_leaves_the_file_alone(path: Path) -> None:
    async def send(_target: str, _headers: dict[str, str], _body: bytes) -> Reply:
        return reply(200, {"access_token": "a", "expires_in": 60})

    before = path.stat().st_ino
    await credential(path).log_in(send, "39.1")
    assert (path.read_text(), path.stat().st_ino) == ("token-1\n", before)


async def test_many_who_share_a_file_take_turns(path: Path) -> None:
    tokens = Tokens()
    grants = await asyncio.gather(*(credential(path).log_in(tokens, "39.1") for _ in range(8)))
    assert len({grant.token for grant in grants}) == tokens.calls == 8
    assert path.read_text() == "token-9\n"


async def test_a_newer_token_in_the_file_is_tried_at_once(path: Path) -> None:
    """Somebody who does not know the lock has used the token, or an administrator has put a new one there."""
    tokens = Tokens(valid="token-5", also=lambda: path.write_text("token-5"))
    await credential(path).log_in(tokens, "39.1")
    assert (tokens.calls, path.read_text()) == (2, "token-6\n")


async def test_a_dead_token_is_refused_with_what_to_do(path: Path) -> None:
    with pytest.raises(LoginRefused, match=r"invalid_grant|authorize the service account again") as caught:
        await credential(path).log_in(Tokens(valid="token-7"), "39.1")
    text = str(caught.value)
    assert str(path) in text
    assert "token-1" not in text, "no secret"
    assert path.read_text() == "token-1\n"


async def test_a_new_token_in_the_file_is_noticed_while_the_old_one_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper of the session waits for a quarter of an hour at most, and for this."""
    monkeypatch.setattr("bridge.vcd.login.service_account._LOOK_SECONDS", 0.005)
    account = credential(path)
    with pytest.raises(LoginRefused):
        await account.log_in(Tokens(valid="token-7"), "39.1")
    changed = asyncio.ensure_future(account.changed())
    for content in ("token-1\n", "", "token-7\n"):
        await asyncio.sleep(0.02)
        assert not changed.done(), "neither the refused token nor an empty file"
        path.write_text(content)
    async with asyncio.timeout(5):
        await changed
    assert (await account.log_in(Tokens(valid="token-7"), "39.1")).token == "access-8"


async def test_a_vcd_that_is_away_is_not_asked_over_and_over_for_a_new_token(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token was refused and replaced; then VCD is away: tries are as far apart as ever."""
    monkeypatch.setattr("bridge.vcd.login.service_account._LOOK_SECONDS", 0.005)
    vcd, clock, log = ScriptedVcd(), ManualClock(), Log()
    outcomes = [reply(200), reply(400, {"minorErrorCode": "invalid_grant"}), *[reply(503)] * 5]
    vcd.login = lambda number: outcomes[number - 1]
    transport = ScriptedTransport(vcd)
    line = Line("https://vcd.example", transport, transport, clock)
    sessions = Sessions(line, credential(path), clock, versions=("33.0", "39.1"), log=log)
    await sessions.open()
    session = sessions.current
    assert session is not None
    vcd.valid.clear()
    sessions.suspect(session)
    await until(lambda: "vcd.login_refused" in log.events)
    path.write_text("token-9")
    await until(lambda: "vcd.login_failed" in log.events)
    for _ in range(50):
        await asyncio.sleep(0.001)
    assert (len(vcd.logins), clock.sleeps) == (3, [60.0, 0.5])
    await sessions.close()


@pytest.mark.parametrize("content", ["", " \n", "a b", "{}", '{"refresh_token": 5}', "t\u00f6ken", "[]x\n[]"])
async def test_a_file_without_a_token_burns_nothing(path: Path, content: str) -> None:
    path.write_text(content)
    tokens = Tokens()
    with pytest.raises(LoginUnavailable, match="holds no refresh token"):
        await credential(path).log_in(tokens, "39.1")
    assert tokens.calls == 0


async def test_a_directory_that_cannot_be_written_to_burns_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_named: object) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    tokens = Tokens()
    with pytest.raises(LoginUnavailable, match="cannot be written to: No space left"):
        await credential(path).log_in(tokens, "39.1")
    assert tokens.calls == 0


def cannot_be_renamed(_self: Path, _target: Path) -> Path:
    raise OSError(16, "Device or resource busy")


async def test_a_token_that_could_not_be_written_is_kept_and_written_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, account = Tokens(), credential(path)

    def broken(_path: Path, _content: bytes) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", cannot_be_renamed)
        patched.setattr("bridge.vcd.login.token_file._write_over", broken)
        for _ in range(2):
            with pytest.raises(LoginUnavailable, match="cannot be written: Input/output error"):
                await account.log_in(tokens, "39.1")
    assert tokens.calls == 1, "not one token more is used up"
    assert "token-2" not in repr(account)
    assert (await account.log_in(tokens, "39.1")).token == "access-3"
    assert path.read_text() == "token-3\n"


async def test_a_token_that_could_not_be_written_does_not_take_the_place_of_a_newer_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has authorized the account again in the meantime."""
    tokens, account = Tokens(), credential(path)

    def broken(_draft: object, _token: str) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("bridge.vcd.login.token_file.Draft.commit", broken)
        with pytest.raises(LoginUnavailable):
            await account.log_in(tokens, "39.1")
    tokens.valid = "token-8"
    path.write_text("token-8")
    assert (await account.log_in(tokens, "39.1")).token == "access-9"
    assert (tokens.calls, path.read_text()) == (2, "token-9\n")


async def test_the_new_token_is_on_the_disk_before_it_has_its_name_and_its_name_before_the_session_is_used(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a machine that dies leaves behind is what was synced."""
    steps: list[str] = []
    account, synced, renamed = credential(path), os.fsync, Path.rename

    def sync(descriptor: int) -> None:
        steps.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else f"{os.fstat(descriptor).st_size}")
        synced(descriptor)

    def rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return renamed(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "rename", rename)
    account.reach = steps.append
    await account.log_in(Tokens(), "39.1")
    assert steps == [f"{4096 + 8}", "token_rotated", "8", "rename", "directory", "token_saved"]


async def test_a_file_that_cannot_be_replaced_is_written_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single file that is mounted into a container is busy."""
    path.write_text("token-1" + " " * 100)
    monkeypatch.setattr(Path, "rename", cannot_be_renamed)
    await credential(path).log_in(Tokens(), "39.1")
    assert path.read_text() == "token-2\n"
    assert {one.name for one in path.parent.iterdir()} == {"account.token", "account.token.lock"}


async def test_a_directory_that_cannot_be_synced_is_no_failed_login(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is in its place by then; a refusal would use up one token after the other."""
    synced = os.fsync

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    assert (await credential(path).log_in(Tokens(), "39.1")).token == "access-2"
    assert path.read_text() == "token-2\n"


async def test_space_that_was_taken_before_vcd_was_asked_is_not_given_back_before_the_token_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk somebody else would have it by then."""
    sizes: list[int] = []
    written = os.write

    def write(descriptor: int, content: memoryview) -> int:
        sizes.append(os.fstat(descriptor).st_size)
        return written(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    await credential(path).log_in(Tokens(), "39.1")
    assert sizes[0] == 0
    assert sizes[1] > 4096


async def test_a_file_that_goes_away_while_vcd_is_asked_gets_the_new_token(path: Path) -> None:
    await credential(path).log_in(Tokens(also=path.unlink), "39.1")
    assert path.read_text() == "token-2\n"


async def test_a_shutdown_in_the_middle_of_a_login_loses_no_token(path: Path) -> None:
    tokens, asked, answered = Tokens(), asyncio.Event(), asyncio.Event()

    async def send(target: str, headers: dict[str, str], body: bytes) -> Reply:
        given = await tokens(target, headers, body)
        asked.set()
        await answered.wait()
        return given

    login = asyncio.ensure_future(credential(path).log_in(send, "39.1"))
    await asked.wait()
    for _ in range(2):
        login.cancel()
        await asyncio.sleep(0)
    assert not login.done()
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await login
    assert path.read_text() == "token-2\n"


async def test_a_link_that_is_moved_to_another_file_is_followed(path: Path, tmp_path: Path) -> None:
    link, other = tmp_path / "link", tmp_path / "other"
    link.symlink_to(path)
    account, tokens = credential(link), Tokens()
    await account.log_in(tokens, "39.1")
    other.write_text("token-2")
    link.unlink()
    link.symlink_to(other)
    await account.log_in(tokens, "39.1")
    assert (path.read_text(), other.read_text()) == ("token-2\n", "token-3\n")


async def test_what_is_no_token_file_is_told_at_once(path: Path) -> None:
    """Neither waits for a pipe's writer nor reads all of a file that somebody has mistaken for it."""
    path.write_bytes(b"t" * 70_000)
    with pytest.raises(LoginUnavailable, match="larger than 65536 bytes"):
        await credential(path).log_in(Tokens(), "39.1")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(LoginUnavailable, match="no regular file"):
        await credential(path).log_in(Tokens(), "39.1")
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(LoginUnavailable, match="symbolic links"):
        await credential(path).log_in(Tokens(), "39.1")


async def test_a_file_system_without_locks_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(_descriptor: int, _operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    tokens = Tokens()
    with pytest.raises(LoginUnavailable, match="cannot be locked: No locks available"):
        await credential(path).log_in(tokens, "39.1")
    assert tokens.calls == 0


async def test_a_lock_that_nobody_gives_back_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.vcd.login.token_file.LOCK_PATIENCE_SECONDS", 0.01)
    async with TokenFile(path).taken():
        with pytest.raises(LoginUnavailable, match="held by another process"):
            await credential(path).log_in(Tokens(), "39.1")


def test_the_settings_name_one_credential(path: Path) -> None:
    config = VcdConfig(url="https://vcd.example", organization="acme", service_account_token_file=path)
    made = credential_of(config)
    assert isinstance(made, ServiceAccountCredential)
    assert made.label == f"service account of organization acme ({path})"
    with pytest.raises(ConfigurationError, match="no credentials"):
        VcdConfig(url="https://vcd.example")


# --- real processes and sockets ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cloud() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


def start(cloud: Simulator, path: Path, crash_at: str = "") -> subprocess.Popen[str]:
    environ = {**os.environ, "VCD_BRIDGE_TESTING": "1", "VCD_BRIDGE_CRASH_AT": crash_at}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, cloud.url, str(path)],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_processes_that_share_a_file_all_log_in_and_a_crash_after_saving_loses_nothing(
    cloud: Simulator, path: Path
) -> None:
    path.write_text(cloud.admin("POST", "service-accounts", {"name": "shared"})["refresh_token"])
    processes = [start(cloud, path), start(cloud, path), start(cloud, path, "token_saved")]
    told = [process.communicate(timeout=30) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, -signal.SIGKILL], told
    assert [out.strip() for out, _ in told] == ["shared", "shared", ""]
    logins = [entry for entry in cloud.ledger() if entry["operation"] == "oauthToken" and entry["user"] == "shared"]
    assert [entry["status"] for entry in logins] == [200, 200, 200]


def test_a_crash_between_the_answer_and_the_file_locks_the_account_out_and_the_next_start_says_so(
    cloud: Simulator, path: Path
) -> None:
    account = cloud.admin("POST", "service-accounts", {"name": "unlucky"})
    path.write_text(account["refresh_token"])
    dying = start(cloud, path, "token_rotated")
    dying.communicate(timeout=30)
    assert dying.returncode == -signal.SIGKILL
    assert path.read_text() == account["refresh_token"]
    following = start(cloud, path)
    _, said = following.communicate(timeout=30)
    assert following.returncode == 1
    assert "authorize the service account again" in said
    assert account["refresh_token"] not in said
    path.write_text(cloud.admin("POST", "service-accounts", {"id": account["id"]})["refresh_token"])
    assert start(cloud, path).communicate(timeout=30)[0].strip() == "unlucky"


async def test_a_lost_answer_is_unavailable_at_first_and_then_a_refusal(cloud: Simulator, path: Path) -> None:
    path.write_text(cloud.admin("POST", "service-accounts", {"name": "lost"})["refresh_token"])
    cloud.fault(do="drop", operation="oauthToken", effect=True)
    config = VcdConfig(url=cloud.url, service_account_token_file=path)
    gateway = HttpGateway(config, RealClock())
    with pytest.raises(TemporaryError):
        await gateway.open()
    with pytest.raises(ConfigurationError, match="lost on the way back"):
        await gateway.open()
    await gateway.close()
