"""``vcd-bridge check``: each connection, credential, topic and schema tried once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from bridge.cli.console import write_json, write_table
from bridge.cli.interrupting import interruptible
from bridge.cli.options import ConfigOption, JsonOption, load_settings
from bridge.errors import BridgeError, ConfigurationError

if TYPE_CHECKING:
    from rich.text import Text

    from bridge.settings import LoadedSettings, Settings
    from bridge.vcd.gateway import HttpGateway

_MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("-", "dim")}


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was tried. ``ok`` None: not tried, or as well as it can be now; ``detail`` says why."""

    name: str
    ok: bool | None
    detail: str
    hint: str = ""
    seconds: float = 0.0


@interruptible
def check(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Try each connection, credential, topic and schema once; exit code 1 when one fails.

    Changes nothing, in Kafka, in the registry or in VCD.
    """
    from bridge.telemetry import configure_logging

    loaded = load_settings(config)
    # The table says it all; librdkafka would tell each try to connect besides.
    level = "debug" if loaded.settings.log.level == "debug" else "critical"
    configure_logging(level=level, form="text", secrets=loaded.settings.secrets())
    results = asyncio.run(_check(loaded))
    if json:
        write_json([
            {"name": r.name, "ok": r.ok, "detail": r.detail, "hint": r.hint or None, "seconds": round(r.seconds, 3)}
            for r in results
        ])  # fmt: skip
    else:
        rows = [(_mark(r.ok), r.name, f"{r.seconds:.2f} s" if r.seconds else "", r.detail, r.hint) for r in results]
        write_table(("", "tried", "took", "found", "what to do"), rows)
    if any(result.ok is False for result in results):
        raise typer.Exit(1)


def _mark(ok: bool | None) -> Text:
    from rich.text import Text

    return Text(*_MARKS[ok])


async def _check(loaded: LoadedSettings) -> list[Checked]:
    settings = loaded.settings
    results = [Checked("settings", ok=True, detail=f"{len(loaded.origins)} set, the rest are defaults")]
    reached = await _tried("Kafka", lambda: asyncio.to_thread(_kafka, settings))
    results.append(reached)
    if reached.ok:
        results.append(await _tried("topics", lambda: asyncio.to_thread(_topics, settings)))
        results.append(await _tried("rights", lambda: asyncio.to_thread(_rights, settings)))
    else:
        results += [Checked(name, ok=None, detail="not tried without Kafka") for name in ("topics", "rights")]
    results += await _schemas(settings)
    results += await _director(settings)
    return results


async def _tried(name: str, attempt: Callable[[], Awaitable[str]]) -> Checked:
    began = time.monotonic()
    try:
        detail = await attempt()
    except BridgeError as error:
        return Checked(name, False, error.message, error.hint, time.monotonic() - began)
    return Checked(name, True, detail, "", time.monotonic() - began)


def _kafka(settings: Settings) -> str:
    from bridge.cli.connections import kafka_config
    from bridge.kafka.clients import look

    cluster = look(kafka_config(settings))
    kind = "embedded broker" if cluster.is_embedded else f"cluster {cluster.cluster_id}"
    return f"{kind}, {cluster.brokers} broker{'s' if cluster.brokers != 1 else ''}"


def _topics(settings: Settings) -> str:
    from bridge.cli.connections import kafka_config, topic_layout
    from bridge.kafka import clients, topics

    layout, connection = topic_layout(settings), kafka_config(settings)
    cluster = clients.look(connection)
    missing = [name for name in layout.topics() if not cluster.partitions(name)]
    if missing:
        raise ConfigurationError(f"missing: {', '.join(missing)}", hint="vcd-bridge topics apply")
    if cluster.is_embedded:
        return f"{len(layout.topics())} topics; the embedded broker tells nothing of their settings"
    differences = topics.plan(connection, layout).differences
    if differences:
        told = ", ".join(f"{d.topic} {d.setting}: {d.current} instead of {d.wanted}" for d in differences)
        raise ConfigurationError(told, hint="vcd-bridge topics apply")
    return f"{len(layout.topics())} topics as they should be"


def _rights(settings: Settings) -> str:
    from bridge.cli.connections import kafka_config, topic_layout
    from bridge.kafka.clients import look
    from bridge.kafka.rights import check_rights

    config = kafka_config(settings)
    if look(config).is_embedded:
        return "the embedded broker lets everybody do everything"
    check_rights(config, topic_layout(settings).names)
    return "reads inputs, store and control topic, writes outputs and store, joins its group"


async def _schemas(settings: Settings) -> list[Checked]:
    from bridge.cli.schemas import look

    if settings.registry.url is None:
        return [Checked("schema registry", ok=None, detail="none configured: events use single-object encoding")]
    began = time.monotonic()
    try:
        findings = await look(settings)
    except BridgeError as error:
        return [Checked("schema registry", False, error.message, error.hint, time.monotonic() - began)]
    results = [Checked("schema registry", True, settings.registry.url, "", time.monotonic() - began)]
    for finding in findings:
        name = f"schema {finding.subject}"
        if not finding.problem:
            results.append(Checked(name, ok=True, detail=f"id {finding.schema_id}, {finding.level}"))
        elif settings.registry.auto_register and finding.settled_at_start:
            results.append(Checked(name, ok=None, detail=f"{finding.problem}; `vcd-bridge run` settles it at start"))
        else:
            results.append(Checked(name, ok=False, detail=finding.problem, hint=finding.hint))
    return results


async def _director(settings: Settings) -> list[Checked]:
    """One login for everything that is tried in Cloud Director."""
    from bridge import app, wiring
    from bridge.telemetry import Telemetry

    gateway: HttpGateway | None = None

    async def log_in() -> str:
        nonlocal gateway
        settings.require_vcd()
        gateway = wiring.vcd_gateway(settings, Telemetry(), app.SystemClock())
        await gateway.open()
        return f"API {gateway.api_version}, logged in as {gateway.user_name}@{settings.vcd.organization}"

    try:
        results = [await _tried("Cloud Director", log_in)]
        opened = gateway if results[0].ok else None
        if opened is not None and settings.vcd.further_urls:
            results += [_address(url, trouble) for url, trouble in (await opened.try_addresses()).items()]
        if settings.notifications.enabled:
            results += await _bus(settings, opened)
        if settings.approvals.enabled:
            results.append(_approvals(settings, is_provider=opened.is_provider if opened is not None else None))
        if settings.external_tasks.is_on:
            results.append(_external_tasks(settings, is_provider=opened.is_provider if opened is not None else None))
        if settings.observation.enabled:
            results.append(_observation(settings, is_provider=opened.is_provider if opened is not None else None))
        return results
    finally:
        if gateway is not None:
            await gateway.close()


def _address(url: str, trouble: str | None) -> Checked:
    hint = "vcd.url and vcd.further_urls are cells of one Cloud Director, which share its sessions"
    return Checked(f"cell {url}", trouble is None, trouble or "takes the same session", hint if trouble else "")


async def _bus(settings: Settings, gateway: HttpGateway | None) -> list[Checked]:
    """Each address of the message bus. The bridge works without it, so what is wrong there is a remark."""
    from bridge import app, wiring
    from bridge.telemetry import Telemetry

    bus = None if gateway is None else wiring.message_bus(settings, Telemetry(), app.SystemClock(), gateway)
    if bus is None:
        return [Checked("message bus", ok=None, detail="not tried without Cloud Director")]
    results = []
    for url in wiring.vcd_config(settings).urls:
        began = time.monotonic()
        trouble = await bus.trouble_at(url)
        name, seconds = f"message bus {url}", time.monotonic() - began
        if trouble is None:
            results.append(Checked(name, True, "listens", "", seconds))
        else:
            hint = (
                "proxies have to let WebSockets to /messaging/mqtt through, and the login has to be allowed the topic"
            )
            results.append(Checked(name, None, f"{trouble}: Tasks are found by looking", hint, seconds))
    return results


def _approvals(settings: Settings, *, is_provider: bool | None) -> Checked:
    """``is_provider``: whose login it is; None: nobody could log in."""
    name = "approvals"
    if is_provider is None:
        return Checked(name, ok=None, detail="not tried without Cloud Director")
    if not is_provider:
        told = "VCD shows blocking tasks to system administrators only, and this is a login of the organization "
        told += f"{settings.vcd.organization}: each decision would be rejected"
        return Checked(name, False, told, 'log in to the provider (vcd.organization = "System"), or switch them off')
    return Checked(name, ok=True, detail=f"decisions are taken on {settings.topics.approvals}, and there alone")


def _external_tasks(settings: Settings, *, is_provider: bool | None) -> Checked:
    """``is_provider``: whose login it is; None: nobody could log in."""
    name = "external tasks"
    if is_provider is None:
        return Checked(name, ok=None, detail="not tried without Cloud Director")
    if is_provider:
        return Checked(name, ok=True, detail=f"under {', '.join(sorted(settings.external_tasks.allowed))}")
    return Checked(
        name,
        ok=False,
        detail="VCD takes them from system administrators only, and this is a login of "
        f"the organization {settings.vcd.organization}: each command would be rejected",
        hint='log in to the provider (vcd.organization = "System"), or leave out external_tasks',
    )


def _observation(settings: Settings, *, is_provider: bool | None) -> Checked:
    """Whose Tasks the login sees. A tenant's sees enough for some: that is a remark."""
    name = "observation"
    if is_provider is None:
        return Checked(name, ok=None, detail="not tried without Cloud Director")
    if is_provider:
        return Checked(name, ok=True, detail="of any organization, or of all, and of blocking tasks")
    return Checked(
        name,
        ok=None,
        detail=f"of {settings.vcd.organization} alone: a record about another organization, about all, or about "
        "blocking tasks is rejected",
        hint='log in to the provider (vcd.organization = "System") to observe more',
    )
