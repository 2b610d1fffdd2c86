"""What a run contains. A plan is drawn from its seed; tests may give any part of it instead."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """How often something befalls the processes and what they work with, over the whole storm."""

    pauses: int = 1
    """SIGSTOP, some for longer than a session."""
    cut_off: int = 0
    """The network between a process and the partitions' leaders is away, and for a while that to the coordinator."""
    unheard: int = 0
    """Heartbeats get lost: the group may go on without a process that runs."""
    restarts: int = 0
    """Stopped in order, and started again."""
    joins: int = 1
    """A further process for some seconds."""
    clock_jumps: int = 0
    kafka_outages: int = 1
    """A coordinator moves, or brokers are away."""
    vcd_outages: int = 1
    lost_sessions: int = 1
    slow_times: int = 1
    """VCD's cells are slow and late for some time."""
    vanished: int = 0
    """Tasks that VCD shows to nobody any more."""
    ended_by_others: int = 1
    strangers: int = 2
    """Tasks of others on the entities that requests are about."""
    freezes: int = 0
    all_brokers_away: int = 0
    """All of Kafka is restarted at once."""
    silences: int = 0
    """VCD asks to be left alone for some seconds (``Retry-After``)."""
    refused_reads: int = 0
    """For some seconds reads are refused with a word that sounds final."""
    look_alikes: int = 0
    """Calls whose answer is lost, while somebody else does the same to the same entity under the bridge's own login."""
    vanished_external: int = 0
    """External Tasks that VCD shows to nobody any more."""
    truncations: int = 0
    """Retention takes the beginning of an input away, while nobody reads it."""
    offset_resets: int = 0
    """Between two runs of all processes somebody moves the group's offsets."""
    store_losses: int = 0
    """A changelog loses all of its records under its owner."""
    hung_calls: int = 0
    """Calls of a process's Kafka client that never return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``seed`` decides everything that is not given here."""

    seed: int
    partitions: int = 3
    processes: int = 2
    protocol: str = "classic"
    """``classic`` (cooperative), ``range`` or ``roundrobin`` (classic, eager), ``consumer`` (KIP-848), or ``static``:
    classic with a name for each process."""
    requests: int = 40
    tickets: int = 0
    """External tasks; 0: they are off, and their topic is not read."""
    observations: int = 0
    """Tasks of others that are told to whoever observes their organizations; 0: observation is off."""
    overlap_seconds: float = 30.0
    """By how much the windows of observations reach back."""
    piece: int = 2_000
    """Ended Tasks at which one piece of an observation's catching up ends."""
    entities: int = 8
    operators: bool = True
    """People settle what is parked."""
    fault_rate: float = 0.15
    """How often a call of VCD meets a fault."""
    late_rate: float = 0.0
    """How often a call waits seconds for its turn to leave."""
    abort_rate: float = 0.05
    """How often a request to Kafka does."""
    unanswered_rate: float = 0.0
    """How often nothing at all is heard of one, besides."""
    skew_seconds: float = 0.0
    """How far the processes' wall clocks may be off."""
    dedupe_seconds: float | None = None
    """The dedupe window; None: longer than the run."""
    repeat_within_seconds: float | None = None
    """How soon after a call of unknown outcome the next one has to follow; None: as the bridge has it."""
    max_open: int = 5_000
    max_waiting_bytes: int = 64 * 1024 * 1024
    concurrent: tuple[int, ...] = (2, 16)
    """Calls that a process may have out at a time, one of these."""
    cells: int = 2
    cancels: float = 0.0
    """How many requests are canceled, beside what is canceled at random, some seconds after they were sent."""
    twins: float = 0.0
    """How many requests make something whose name others take too: nobody can tell whose its Task is."""
    decisions: float = 0.0
    """How many requests are about what is held, beside what is drawn: several about each."""
    bus: bool = False
    """VCD's message bus is listened to."""
    long_tasks: float = 0.04
    """How many Tasks take minutes, not seconds."""
    marker_seconds: float = 0.01
    """Longest until the markers of a transaction that was decided are written."""
    crashes: int = 4
    """kill -9, at any step."""
    trouble: Trouble = field(default_factory=Trouble)
    storm_seconds: float = 90.0
    calm_seconds: float = 4000.0

    @property
    def jump_seconds(self) -> float:
        """The furthest that a clock jumps."""
        return self.skew_seconds or 10.0

    @property
    def clock_error_seconds(self) -> float:
        """How far two processes' wall clocks can be apart."""
        return 2 * (self.skew_seconds + self.trouble.clock_jumps * self.jump_seconds)

    @classmethod
    def from_seed(cls, seed: int) -> Plan:
        """A plan in which everything is drawn."""
        random = Random(f"plan {seed}")  # a seed, not a secret
        tickets = random.choice([0, 0, random.randrange(6, 16)])
        small = random.random() < 0.25
        return cls(
            seed=seed,
            partitions=random.choice([1, 2, 3, 3, 4]),
            processes=random.choice([1, 2, 2, 3]),
            protocol=random.choice(["classic", "classic", "consumer", "static"]),
            requests=random.randrange(8, 16) if tickets else random.randrange(20, 44),
            tickets=tickets,
            entities=random.choice([2, 5, 8, 20]),
            operators=random.random() < 0.8,
            fault_rate=random.choice([0.0, 0.05, 0.15, 0.3]),
            abort_rate=random.choice([0.0, 0.02, 0.05, 0.15]),
            skew_seconds=random.choice([0.0, 0.0, 5.0, 25.0]),
            max_open=random.choice([3, 6]) if small else 5_000,
            max_waiting_bytes=random.choice([400, 5_000]) if random.random() < 0.15 else 64 * 1024 * 1024,
            concurrent=random.choice([(1,), (2, 16), (16,)]),
            cells=random.choice([1, 2, 3]),
            crashes=random.choice([0, 1, 2, 4, 6]),
            trouble=_trouble(random),
            storm_seconds=random.choice([45.0, 90.0, 180.0]),
            marker_seconds=random.choice([0.01, 0.01, 0.01, 0.5]),
        )._with_what_is_rare(Random(f"rare {seed}"))

    def _with_what_is_rare(self, random: Random) -> Plan:
        """Most runs have none or one of these: what is ordinary stays so."""
        eager = self.protocol == "classic" and random.random() < 0.25
        trouble = replace(self.trouble, **{name: 1 for name, chance in RARE.items() if random.random() < chance})
        plan = replace(
            self, protocol=random.choice(["range", "roundrobin"]) if eager else self.protocol, trouble=trouble
        )
        plan = replace(plan, decisions=0.6 if Random(f"decisions {self.seed}").random() < DECIDED else 0.0)
        hung_calls = int(Random(f"hanging {self.seed}").random() < HANGING)
        plan = replace(plan, trouble=replace(trouble, hung_calls=hung_calls))
        plan = replace(plan, repeat_within_seconds=_repeat_within(Random(f"repeating {self.seed}")))
        plan = replace(plan, bus=Random(f"listening {self.seed}").random() < LISTENING)
        plan = plan._with_dedupe_window(random.uniform(70, 100)) if random.random() < 0.08 else plan
        return plan._with_observations(random) if random.random() < OBSERVED else plan

    def _with_observations(self, random: Random) -> Plan:
        """Beside few requests, whose Tasks are observed too."""
        return replace(
            self, observations=random.randrange(12, 28), requests=min(self.requests, 20), long_tasks=0.0,
            overlap_seconds=random.choice([8.0, 30.0]), piece=random.choice([5, 2_000]),
        )  # fmt: skip

    def _with_dedupe_window(self, seconds: float) -> Plan:
        """Much shorter than a day, and yet longer than any call is in doubt: whose Task it was is forgotten with it."""
        trouble = replace(self.trouble, vcd_outages=0, silences=0, clock_jumps=0, hung_calls=0)
        return replace(self, dedupe_seconds=seconds, storm_seconds=180.0, skew_seconds=0.0, trouble=trouble)


OBSERVED = 0.1
"""How likely it is that organizations are observed."""
LISTENING = 0.25
"""How likely it is that the message bus is listened to."""
HANGING = 0.15
"""How likely it is that a call of a Kafka client never returns."""
DECIDED = 0.12
"""How likely it is that most requests decide about what is held."""
HASTY = 0.15
"""How likely it is that little time may pass until a call is repeated."""
RARE = {
    "all_brokers_away": 0.1,
    "silences": 0.1,
    "refused_reads": 0.08,
    "look_alikes": 0.15,
    "vanished_external": 0.2,
    "truncations": 0.06,
    "offset_resets": 0.06,
    "store_losses": 0.06,
}
"""How likely each is to happen once."""


def _repeat_within(random: Random) -> float | None:
    return random.choice([8.0, 20.0, 60.0]) if random.random() < HASTY else None


def _trouble(random: Random) -> Trouble:
    """A few kinds at a time: what hides behind another fault shows in a run without it."""

    def some(most: int, chance: float = 0.5) -> int:
        return random.randint(1, most) if random.random() < chance else 0

    return Trouble(
        pauses=some(3), unheard=some(2, 0.3), restarts=some(3, 0.3), joins=some(4, 0.4), clock_jumps=some(2, 0.25),
        kafka_outages=some(2, 0.4), vcd_outages=some(2, 0.3), lost_sessions=some(3, 0.3), slow_times=some(2, 0.4),
        vanished=some(2, 0.2), ended_by_others=some(3, 0.3), strangers=some(6, 0.4), freezes=some(2, 0.2),
    )  # fmt: skip
