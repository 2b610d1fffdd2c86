"""HTTPS with a self-made or a given certificate, and the bridge's own client over it."""

from __future__ import annotations

import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.simulator.server import serve_in_thread
from bridge.simulator.serving.certificates import TlsFiles, make_certificate
from bridge.vcd.transport.transports import TlsFiles as Trusted
from bridge.vcd.transport.transports import TransportFault
from tests.vcd.sending import KINDS, LIMITS, post


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_certificate(tmp_path_factory.mktemp("tls"), ["vcd.example.com"])


@pytest.fixture(scope="module")
def url(files: TlsFiles) -> Iterator[str]:
    with serve_in_thread(tls=files.context()) as (served, _director):
        yield served


def test_a_client_that_trusts_the_authority_gets_in(url: str, files: TlsFiles) -> None:
    context = ssl.create_default_context(cafile=str(files.authority))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default of newer Pythons
    with urllib.request.urlopen(f"{url}/api/versions", context=context, timeout=10) as answer:
        assert answer.status == 200
        assert f"{url}/cloudapi/1.0.0/sessions".encode() in answer.read(), "hrefs say https too"


def test_one_that_does_not_stays_out(url: str) -> None:
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{url}/api/versions", context=ssl.create_default_context(), timeout=10)


def test_the_key_is_for_its_owner_alone(files: TlsFiles) -> None:
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", KINDS)
async def test_the_bridge_trusts_it_by_ca_file(url: str, files: TlsFiles, kind: str) -> None:
    transport = KINDS[kind](LIMITS, Trusted(authorities=files.authority))
    try:
        assert (await transport.send(post(url))).status == 401
    finally:
        await transport.close()
    wary = KINDS[kind](LIMITS, Trusted())
    try:
        with pytest.raises(TransportFault, match=r"(?i)certificate") as caught:
            await wary.send(post(url))
        assert caught.value.verdict.never_sent
    finally:
        await wary.close()


@pytest.mark.parametrize("do", ["drop", "reset", "truncate", "slow"])
def test_faults_cut_tls_as_they_cut_tcp(files: TlsFiles, do: str) -> None:
    context = ssl.create_default_context(cafile=str(files.authority))
    with serve_in_thread(tls=files.context()) as (served, director):
        rate = {"bytes_per_second": 20_000} if do == "slow" else {}
        director.faults.add({"do": do, "path": "versions", **rate})
        try:
            with urllib.request.urlopen(f"{served}/api/versions", context=context, timeout=10) as answer:
                whole = answer.read().endswith(b"</SupportedVersions>")
        except Exception:  # however the library calls a cut
            whole = False
        assert whole is (do == "slow")
        assert director.ledger.after(0)[-1]["fault"] == do


def test_a_given_certificate_that_is_none(tmp_path: Path, files: TlsFiles) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(ValueError, match=f"{wrong} and .*: no certificate with its key"):
        TlsFiles(wrong, files.key).context()
    with pytest.raises(FileNotFoundError):
        TlsFiles(tmp_path / "absent.pem", files.key).context()
