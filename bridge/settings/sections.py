"""The sections of the settings, one frozen model each. Durations are seconds, sizes bytes, shares percent.

The text under a setting is its documentation: unit, meaning, and why the default is what it is.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, FilePath, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bridge.errors import ConfigurationError
from bridge.settings.approvals import ApprovalSettings
from bridge.settings.external import ExternalTaskSettings
from bridge.settings.notifications import NotificationSettings
from bridge.settings.observation import ObservationSettings
from bridge.settings.section import Section
from bridge.settings.types import (
    ApiVersion,
    BootstrapServers,
    Count,
    HttpUrl,
    Listen,
    OperationPatterns,
    Patterns,
    Properties,
    Rate,
    Seconds,
    TopicName,
    VcdUrl,
    VcdUrls,
    parse_listen,
)

Text = Annotated[str, Field(min_length=1)]


class KafkaSettings(Section):
    """The Kafka cluster and the bridge's consumer group."""

    bootstrap_servers: BootstrapServers | None = None
    """``host:port``, several with commas. No default: a wrong cluster is worse than none."""
    group_id: TopicName = "vcd-bridge"
    """Consumer group of all processes that share the work; also the prefix of the store's topics. Another group is
    another bridge: it reads every request again."""
    properties: Properties = Field(default_factory=dict)
    """librdkafka's own names (``security.protocol``, ``sasl.mechanisms``, ``ssl.ca.location``, ``group.protocol``,
    ``group.instance.id``, …) for every client. Those that would break a guarantee are refused with the reason."""
    session_timeout_seconds: Annotated[float, Field(ge=1, le=1800)] = 10.0
    """How long a silent process keeps its partitions. 10 s: failover soon; librdkafka's heartbeats come from a thread
    of its own, so a busy process does not miss three of them. Not below the broker's group.min.session.timeout.ms."""

    def librdkafka_properties(self) -> dict[str, str]:
        """``properties`` with secrets in the clear, for a client's constructor only."""
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in self.properties.items()
        }


class RegistrySettings(Section):
    """The schema registry (Confluent's API). Without ``url`` events use Avro's single-object encoding."""

    url: HttpUrl | None = None
    """Address; absent: no registry."""
    username: Text | None = None
    """User of HTTP basic authentication."""
    password: SecretStr | None = None
    """Password of HTTP basic authentication."""
    ca_file: FilePath | None = None
    """PEM file of the authority that signed the registry's certificate; absent: the system's."""
    auto_register: bool = True
    """Register the bridge's schemas and their levels at start where they lack; false: only look them up."""
    timeout_seconds: Seconds = 10.0
    """Longest wait for one answer of the registry."""
    unknown_id_wait_seconds: Seconds = 60.0
    """How long the records of an unknown schema id wait while the registry cannot be asked; then they are dead letters.
    60 s: a registry's restart. Only intake of that partition waits; following goes on."""

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        return self


class TopicSettings(Section):
    """Names and layout of the topics. Any legal name works."""

    action_requests: TopicName = "vcd.action-requests"
    """Input: what is asked of VCD."""
    approvals: TopicName = "vcd.approvals"
    """Input: decisions on blocking tasks. Read when ``approvals.enabled`` is set; named in the answer to one that came
    on ``action_requests``."""
    external_tasks: TopicName = "vcd.external-tasks"
    """Input: work done elsewhere that is shown in Cloud Director. Read when ``external_tasks`` has a namespace;
    named in the answer to one that came on ``action_requests``."""
    observations: TopicName = "vcd.observations"
    """Input, compacted: which organizations are observed. Read when ``observation.enabled``."""
    task_events: TopicName = "vcd.task-events"
    """Output: the status events of all requests."""
    observed_tasks: TopicName = "vcd.observed-tasks"
    """Output: the status events of observed Tasks."""
    blocking_tasks: TopicName = "vcd.blocking-tasks"
    """Output: blocking tasks that wait for a decision, and how they were decided."""
    ticket_updates: TopicName | None = None
    """Output: each final outcome as one flat JSON object, e.g. on ``vcd.ticket-updates``. Absent: off."""
    dead_letters: TopicName = "vcd.dead-letters"
    """Output: records that could not be read, as received."""
    partitions: Count = 6
    """Partitions of topics that ``topics apply`` creates. It bounds the number of processes, not the parallel work."""
    replication_factor: Count = 3
    """Replicas of topics that ``topics apply`` creates. 3: one broker may fail without losing work."""

    def names(self) -> dict[str, str]:
        """Topic by setting name."""
        return {name: value for name, value in self if isinstance(value, str)}

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        seen: dict[str, str] = {}
        for name, topic in self.names().items():
            if topic in seen:
                raise ValueError(f"{seen[topic]} and {name} name the same topic {topic!r}")
            seen[topic] = name
        return self


class VcdSettings(Section):
    """Cloud Director: where it is, who the bridge is there, how hard it may be driven."""

    url: VcdUrl | None = None
    """``https://HOST[:PORT]`` without ``/api``. No default."""
    further_urls: VcdUrls = ()
    """Addresses of other cells of the same Cloud Director, where there is no balancer before them. The first that is
    well gets everything; one that fails costs a retry, then it is left alone for 1 to 30 s and tried by a read."""
    organization: Text = "System"
    """Organization to log in to; ``System`` is the provider login, which may act for every organization."""
    username: Text | None = None
    """User name without ``@organization``; with ``password``."""
    password: SecretStr | None = None
    """Password of ``username``; or use ``api_token``."""
    api_token: SecretStr | None = None
    """API token (refresh token) of a user; needs no user name. Preferred with more than one process."""
    service_account_token_file: FilePath | None = None
    """File with the refresh token of a service account: bare, or as JSON like that of the Terraform provider. VCD takes
    each token once, so the file is rewritten at every login; its directory must be writable and on a local disk, and
    every process that uses the account must use this file on this host."""
    answer_timeout_seconds: Seconds = 30.0
    """Longest wait for an answer once a call has left; after it the outcome is unknown and recovery looks."""
    connect_timeout_seconds: Seconds = 5.0
    """Longest wait for a connection, TLS included. A call that changes VCD waits for half of ``lease_seconds`` at most,
    whatever is set here, so that it can leave within its lease. Not above ``lease_seconds``."""
    max_concurrent_calls: Count = 32
    """Calls that change VCD in flight per process, all operations together, each with a connection of its own. 32: well
    below a VCD cell's default worker threads. Fewer are made where VCD shows that it has too much; see
    ``vcdbridge_call_limit``."""
    longest_pause_seconds: Seconds = 30.0
    """After 8 calls in a row that VCD did not answer or failed at, no more is called; reads try it after 2 s, then
    later and later, up to this. 30 s: short beside what an outage takes, and a cell that starts is left alone."""
    max_concurrent_reads: Count = 16
    """Connections per process for everything else: reads, queries, logins; and as many again for cancels. Calls that
    VCD answers slowly do not hold these up."""
    max_calls_per_second: Rate = 100.0
    """Requests to VCD per second and process, calls and reads together, logins apart. Calls go first and get four
    fifths at most, so that Tasks are followed under any load. A VCD behind a gateway with a quota needs less."""
    lease_seconds: Seconds = 5.0
    """A call that changes VCD leaves within this time from before its intent's commit, or not at all. A new owner of
    the work waits as long before it concludes that a call never left. 5 s: a slow commit fits, failover stays quick."""
    api_version_max: ApiVersion | None = None
    """Highest API version to negotiate, e.g. ``38.1``; absent: the highest that both sides know."""
    ca_file: FilePath | None = None
    """PEM file of the authority that signed VCD's certificate; absent: the system's. Verification cannot be
    switched off."""
    client_certificate_file: FilePath | None = None
    """PEM file with client certificate and key, for proxies that ask for one."""
    transport: Literal["fast", "httpx"] = "fast"
    """What reads goes by. ``fast``: a tuned Rust client; ``httpx``: pure Python, at more processor time. What
    changes VCD always goes by ``httpx``: it asks for the lease when the connection stands and nothing has left yet."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.secrets) > 1:
            raise ValueError(f"{' and '.join(self.secrets)} exclude each other: set one")
        if self.password is not None and self.username is None:
            raise ValueError("password needs username")
        if self.connect_timeout_seconds > self.lease_seconds:
            raise ValueError(
                f"connect_timeout_seconds ({self.connect_timeout_seconds:g}) must not exceed lease_seconds "
                f"({self.lease_seconds:g}): a call must be able to leave within its lease"
            )
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the settings that say by what the bridge logs in."""
        names = ("password", "api_token", "service_account_token_file")
        return tuple(name for name in names if getattr(self, name) is not None)


class FollowingSettings(Section):
    """How Tasks are followed."""

    interval_seconds: Seconds = 2.0
    """Time between two looks for Tasks that ended. 2 s: people wait for the answer, and one query serves all Tasks."""
    overdue_interval_seconds: Seconds = 60.0
    """Slowest time between looks, used for overdue Tasks."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.overdue_interval_seconds < self.interval_seconds:
            raise ValueError("overdue_interval_seconds must not be below interval_seconds")
        return self


class RetrySettings(Section):
    """How refused and unanswered calls are tried again. Delays have full jitter."""

    max_tries: Count = 10
    """Calls that may fail before VCD accepts one (token not accepted, outcome unknown); then the request is rejected
    with ``retries_exhausted``, or parked where an outcome is unknown."""
    base_delay_seconds: Seconds = 1.0
    """Ceiling of the first delay; each further one doubles it."""
    max_delay_seconds: Seconds = 60.0
    """Ceiling of every delay."""
    longest_wait_seconds: Seconds = 7200.0
    """How long a request waits, from its first call, for an entity that other work keeps busy, for VCD's limits, or for
    a VCD that cannot be reached. 2 h: longer than most vApp operations and outages."""
    busy_max_delay_seconds: Seconds = 30.0
    """Ceiling of the delay between two tries on a busy entity."""
    repeat_within_seconds: Seconds = 900.0
    """A call whose outcome is unknown may be repeated only this soon; later the world may have moved on."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_delay_seconds < self.base_delay_seconds:
            raise ValueError("max_delay_seconds must not be below base_delay_seconds")
        return self


class IntakeSettings(Section):
    """How much work is taken, and how long is remembered what was."""

    max_open_per_partition: Count = 5000
    """Open lifecycles per partition; beyond it the partition pauses, or, of external tasks, refuses new ones. 5000:
    tens of MB. Restored work is never refused."""
    max_waiting_bytes_per_partition: Count = 64 * 1024 * 1024
    """Bytes of parameters and bodies of requests not yet answered, per partition; beyond it the partition pauses, or,
    of external tasks, refuses new ones and updates that add to it."""
    dedupe_window_days: Annotated[float, Field(gt=0, le=3650)] = 7.0
    """How long an ended request is remembered to recognise a repeat of its ``request_id``; retention of the ``ended``
    topic. Longer costs restore time."""
    unknown_cancel_wait_seconds: Seconds = 60.0
    """How long a cancel, retry or resolve waits for its target to appear before it is rejected."""
    parked_lane_release_seconds: Seconds = 3600.0
    """How long a parked request keeps later requests for its entity waiting. 1 h: time for an operator to look."""


class PolicySettings(Section):
    """What may be asked. Patterns are shell-style (``*``, ``?``, ``[abc]``); deny wins. A pattern of operations that
    matches none in the catalogue is an error."""

    allow_destructive: bool = False
    """Whether operations that remove or overwrite something for good may run."""
    allow_operations: OperationPatterns = ()
    """Operations that may run. Empty: all, except those that have a stream of their own; naming one of those (also by
    ``*``) allows it on ``action_requests`` too, but no decision while ``approvals.enabled`` is set. What may come on
    ``approvals`` this does not limit; ``deny_operations`` does."""
    deny_operations: OperationPatterns = ()
    """Operations that never run."""
    organizations: Patterns = ()
    """Organizations that requests may be about: patterns of names, and whole ids. Empty: all. Otherwise a request names
    one of them, an organization in a path is listed here by its id, and provider-wide operations are refused; whose
    operation a decision is about is read before it is made."""
    unknown_body_keys: Literal["reject", "pass"] = "reject"
    """What becomes of a request whose body has a key that VMware's schemas do not know: ``reject`` answers with the
    nearest right one; ``pass`` leaves it to VCD, for servers newer than the schemas, and unknown words of an
    enumeration too. What must be there and of which type it is are checked either way."""


class EventSettings(Section):
    """What is told."""

    progress_step_percent: Annotated[int, Field(ge=0, le=100)] = 10
    """Progress is told when it grew by this much; 0: never. 10: at most ten events for it per Task."""


class ManagementSettings(Section):
    """The port for probes and metrics. No authentication: keep it inside."""

    listen: Listen = "127.0.0.1:8085"
    """``host:port`` of ``/live``, ``/ready`` and ``/metrics``. Loopback by default; in a container ``0.0.0.0:8085``."""

    @property
    def address(self) -> tuple[str, int]:
        return parse_listen(self.listen)


class LogSettings(Section):
    """Logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level written."""
    format: Literal["json", "text"] = "json"
    """``json``: one object per line; ``text``: for people."""


class Settings(BaseSettings):
    """All settings. Build it with ``bridge.settings.load``."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="VCD_BRIDGE__", env_nested_delimiter="__", hide_input_in_errors=True,
    )  # fmt: skip

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    registry: RegistrySettings = Field(default_factory=RegistrySettings)
    topics: TopicSettings = Field(default_factory=TopicSettings)
    vcd: VcdSettings = Field(default_factory=VcdSettings)
    following: FollowingSettings = Field(default_factory=FollowingSettings)
    retry: RetrySettings = Field(default_factory=RetrySettings)
    intake: IntakeSettings = Field(default_factory=IntakeSettings)
    policy: PolicySettings = Field(default_factory=PolicySettings)
    events: EventSettings = Field(default_factory=EventSettings)
    approvals: ApprovalSettings = Field(default_factory=ApprovalSettings)
    external_tasks: ExternalTaskSettings = Field(default_factory=ExternalTaskSettings)
    observation: ObservationSettings = Field(default_factory=ObservationSettings)
    notifications: NotificationSettings = Field(default_factory=NotificationSettings)
    management: ManagementSettings = Field(default_factory=ManagementSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``load`` merged: the ambient environment is never read behind its back."""
        return (init_settings,)

    @model_validator(mode="after")
    def _store_names(self) -> Self:
        topics = self.topics
        inputs = (topics.action_requests, topics.approvals, topics.external_tasks, topics.observations)
        longest = max(map(len, inputs))
        if len(self.kafka.group_id) + longest + len("..changelog") > 249:
            raise ValueError("kafka.group_id and the input topics are too long together: <group>.<input>.changelog "
                             "must be at most 249 characters")  # fmt: skip
        stores = {f"{self.kafka.group_id}.{topic}.{kind}" for topic in inputs for kind in ("changelog", "ended")}
        stores.add(f"{self.kafka.group_id}.control")
        for name, topic in self.topics.names().items():
            if topic in stores:
                raise ValueError(f"topics.{name}: {topic!r} belongs to the bridge's store")
        return self

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the logs' redaction."""
        held = [self.vcd.password, self.vcd.api_token, self.registry.password, *self.kafka.properties.values()]
        return tuple(secret.get_secret_value() for secret in held if isinstance(secret, SecretStr))

    def require_kafka(self) -> str:
        """The bootstrap servers. Raises ConfigurationError when they are not set."""
        if self.kafka.bootstrap_servers is None:
            raise _missing(["kafka.bootstrap_servers is not set"])
        return self.kafka.bootstrap_servers

    def require_vcd(self) -> str:
        """VCD's address; credentials are there too. Raises ConfigurationError naming all that is missing."""
        missing = [] if self.vcd.url else ["vcd.url is not set"]
        if not self.vcd.secrets:
            missing.append(
                "vcd has no credentials: set vcd.api_token, vcd.service_account_token_file, or vcd.username and "
                "vcd.password"
            )
        if missing or self.vcd.url is None:
            raise _missing(missing)
        return self.vcd.url

    def require_all(self) -> None:
        """What ``run`` needs. Raises ConfigurationError naming all that is missing."""
        missing: list[str] = []
        for need in (self.require_kafka, self.require_vcd):
            try:
                need()
            except ConfigurationError as error:
                missing += error.message.splitlines()
        if missing:
            raise _missing(missing)


def _missing(lines: list[str]) -> ConfigurationError:
    return ConfigurationError(
        "\n".join(lines),
        hint="set it in the settings file ([section] name = …) or as VCD_BRIDGE__SECTION__NAME in the environment",
    )
