"""Was a request that got no whole answer possibly sent? One classifier per transport; both lean to "maybe".

Only a proven "never sent" may be repeated. The proofs were measured on raw sockets, are not promised by the libraries,
and are kept true by tests/vcd/test_fault_matrix.py: httpx 0.28 with httpcore 1.0, pyreqwest 0.15 with hyper 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from pyreqwest import exceptions as rust

CONNECT_CAUSE = "client error (Connect)"
"""hyper-util's word for a fault before a connection stood. ``client error (SendRequest)`` proves nothing: the server
may have read the request before the connection broke."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``never_sent`` only where it is proven. ``code`` is lower snake case, ``message`` for people."""

    never_sent: bool
    code: str
    message: str


_HTTPX_NEVER = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def classify_httpx(error: BaseException, *, send_started: bool) -> Verdict:
    """For httpx.AsyncHTTPTransport without redirects, retries and proxy.

    ``send_started``: the trace has shown ``send_request_headers.started``. Class and trace must agree.
    """
    never = isinstance(error, _HTTPX_NEVER) and not send_started
    return Verdict(never, _code(error, never=never), _message(error))


def classify_fast(error: BaseException) -> Verdict:
    """For a pyreqwest client without redirects over HTTP/1, behind its httpx transport.

    The httpx class tells nothing here: ConnectError and ConnectTimeout come after the request was read, too.
    """
    source = error.__cause__ if isinstance(error.__cause__, rust.PyreqwestError) else error
    causes = _causes(source)
    never = isinstance(source, (rust.PoolTimeoutError, rust.BuilderError)) or (
        isinstance(source, (rust.ConnectError, rust.ConnectTimeoutError)) and CONNECT_CAUSE in causes
    )
    message = ": ".join(dict.fromkeys((_message(source), *causes)))
    return Verdict(never, _code(error, never=never), message)


def _causes(error: BaseException) -> list[str]:
    if not isinstance(error, rust.DetailedPyreqwestError):
        return []
    return [cause["message"] for cause in error.details.get("causes") or []]


def _code(error: BaseException, *, never: bool) -> str:
    if isinstance(error, (httpx.PoolTimeout, rust.PoolTimeoutError)):
        return "pool_timeout"
    if isinstance(error, (httpx.TimeoutException, rust.RequestTimeoutError)):
        return "connect_timeout" if never else "no_answer"
    if never:
        return "connect_failed"
    network = (httpx.NetworkError, httpx.RemoteProtocolError, rust.NetworkError)
    return "connection_lost" if isinstance(error, network) else "transport_error"


def _message(error: BaseException) -> str:
    return f"{type(error).__name__}: {error.args[0] if error.args else ''}".rstrip(": ")
