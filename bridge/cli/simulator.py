"""``vcd-bridge simulator``: a Cloud Director to try things on."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.console import announce, note
from bridge.cli.loading import loading
from bridge.cli.options import UsageError
from bridge.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl

    from bridge.simulator.server import Served

_LISTEN = typer.Option(metavar="HOST:PORT", help="Port 0 takes a free one. Given again: one more cell.")
_FAULTS = typer.Option(metavar="FILE", exists=True, dir_okay=False, help="A plan of faults from the start, JSON.")
_SHOWN_USERS = 8
_FILE: dict[str, Any] = {"exists": True, "dir_okay": False}


def simulator(
    listen: Annotated[list[str] | None, _LISTEN] = None,
    task_seconds: Annotated[float, typer.Option(min=0, help="How long a Task lasts unless scripted otherwise.")] = 2.0,
    inventory: Annotated[
        Path | None, typer.Option(metavar="FILE", **_FILE, help="What there is, JSON; default: acme and beta.")
    ] = None,
    virtual_machines: Annotated[
        int | None, typer.Option("--vms", min=1, help="vApps with one VM each, per tenant.  [default: 4]")
    ] = None,
    lenient_entities: Annotated[bool, typer.Option("--lenient-entities", help="Unknown ids become entities.")] = False,
    public_url: Annotated[str | None, typer.Option(help="What hrefs start with; default: the first address.")] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", **_FILE, help="HTTPS with this certificate (chain), PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", **_FILE, help="Its key, PEM.")] = None,
    tls_folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", file_okay=False, help="HTTPS with a self-made one; FOLDER gets its ca.pem."),
    ] = None,
    faults: Annotated[Path | None, _FAULTS] = None,
    bus: Annotated[
        bool, typer.Option("--bus", help="A message bus behind /messaging/mqtt (extra simulator-mqtt).")
    ] = False,
    ledger: Annotated[Path | None, typer.Option(metavar="FILE", help="Gets one JSON line per call.")] = None,
    settings: Annotated[str, typer.Option(metavar="JSON", help="Further settings of the simulator.")] = "{}",
    maximum_tasks: Annotated[int, typer.Option(min=1, help="Beyond it the oldest ended Tasks answer 403.")] = 100_000,
    seed: Annotated[int | None, typer.Option(help="Makes ids and what is generated repeatable.")] = None,
) -> None:
    """Serve a simulated VMware Cloud Director; without options on 127.0.0.1:8090.

    Organizations acme and beta; users administrator@System, admin@acme, admin@beta and more, all with the password
    `secret`. Prints `ready URL` on stdout when it serves, and how to log in on stderr. Faults, scripts of Tasks and the
    ledger of calls are under URL/simulator/. Needs no settings, no Kafka and no network.
    """
    with loading():
        from bridge.simulator.server import DEFAULT_LISTEN, run
        from bridge.simulator.state.founding.inventory_file import read_inventory

    if inventory is not None and (virtual_machines is not None or seed is not None):
        raise UsageError("--inventory says what there is: not with --vms or --seed")
    addresses = listen or [DEFAULT_LISTEN]
    try:
        authority, tls = _tls(tls_certificate, tls_key, tls_folder, addresses, public_url)
        run(
            addresses, task_seconds=task_seconds, virtual_machines=virtual_machines or 4,
            inventory=None if inventory is None else read_inventory(inventory),
            lenient_entities=lenient_entities, public_url=public_url, tls=tls, faults_file=faults, ledger_file=ledger,
            bus=bus,
            settings=_object(settings), maximum_tasks=maximum_tasks, seed=seed,
            ready=lambda served: _ready(served, authority),
        )  # fmt: skip
    except OSError as error:
        reason = error.strerror or str(error)
        if error.filename is not None:
            raise ConfigurationError(f"{error.filename}: {reason}") from None
        raise ConfigurationError(f"the simulator cannot serve on {', '.join(addresses)}: {reason}",
                                 hint="--listen HOST:PORT with a free port") from None  # fmt: skip
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _ready(served: Served, authority: Path | None) -> None:
    for line in _guide(served, authority):
        note(line)
    announce(f"ready {' '.join(served.urls)}")


def _guide(served: Served, authority: Path | None) -> list[str]:
    """How to log in, for somebody who has never seen a Cloud Director."""
    url, users = served.urls[0], list(served.users)
    tenant = next((one for one in users if not one.endswith("@System")), users[0])
    password = served.users[tenant]
    alike = "all with" if set(served.users.values()) == {password} else "this one with"
    shown = ", ".join(users[:_SHOWN_USERS]) + (f" and {len(users) - _SHOWN_USERS} more" if users[_SHOWN_USERS:] else "")
    path = "/cloudapi/1.0.0/sessions" + ("/provider" if tenant.endswith("@System") else "")
    trust = "" if authority is None else f" --cacert {authority}"
    told = [] if authority is None else [f"  trust     {authority} is the authority of its certificate"]
    return [
        f"A simulated Cloud Director at {' and '.join(served.urls)}",
        f"  users     {shown}",
        *told,
        f"  log in    as {tenant}, {alike} the password {password}; at …/sessions/provider as somebody of System:",
        f"            curl -i{trust} -u {tenant}:{password} -H 'Accept: application/json;version=39.0' \\",
        f"                 -X POST {url}{path}",
        "  go on     with TOKEN from the answer's header X-VMWARE-VCLOUD-ACCESS-TOKEN:",
        f"            curl{trust} -H \"Authorization: Bearer $TOKEN\" -H 'Accept: application/*+json;version=39.0' \\",
        f"                 {url}/api/org",
        f"  look on   {url}/simulator/ledger has every call; faults, scripts and cells: docs/simulator.md",
    ]


def _tls(
    certificate: Path | None, key: Path | None, folder: Path | None, addresses: list[str], public_url: str | None
) -> tuple[Path | None, ssl.SSLContext | None]:
    """The authority to be trusted, if it is ours, and what HTTPS is served with. Raises OSError or ValueError."""
    if (certificate is None) != (key is None):
        raise UsageError("--tls-certificate and --tls-key go together")
    if certificate is not None and folder is not None:
        raise UsageError("--tls-folder is for a self-made certificate: not with --tls-certificate")
    if folder is None and certificate is None:
        return None, None
    from urllib.parse import urlsplit

    from bridge.simulator.serving.certificates import TlsFiles, make_certificate

    if folder is not None:
        named = [urlsplit(f"//{one}").hostname for one in addresses] + [urlsplit(public_url or "").hostname]
        made = make_certificate(folder, [one for one in named if one])
        return made.authority, made.context()
    if certificate is None or key is None:
        return None, None
    return None, TlsFiles(certificate, key).context()


def _object(text: str) -> dict[str, Any]:
    try:
        found = json_text.loads(text)
    except ValueError as error:
        raise UsageError(f"--settings: not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError("--settings: must be a JSON object")
    return found
