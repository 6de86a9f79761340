"""The list of what can be set for the service; `receiver.provider_knobs` has what can be for each account.

Pure. `.env.example`, the README's table and the reading of the environment all come from these tables; a setting
that is not here does not exist. How a text becomes a value is in `receiver.parsing`.
"""

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "WHENFINAL_"


class Kind(StrEnum):
    """How a knob's text is read."""

    PUBLIC_URL = "public URL"
    DATABASE_URL = "database URL"
    SIGNING_KEYS = "signing keys"
    API_KEYS = "API keys"
    PROVIDERS = "providers"
    NETWORKS = "networks"
    COUNT = "whole number"
    NUMBER = "number"
    NUMBERS = "numbers"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """`default` is text as it would stand in the environment; empty means unset. `low` and `high` are inclusive.

    `danger` says what a bad value does; empty where none can do harm.
    """

    name: str
    group: str
    kind: Kind
    default: str = ""
    unit: str = ""
    what: str
    danger: str = ""
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The same setting's name in `Settings`."""
        return self.name.removeprefix(PREFIX).lower()


REACH, KEYS, PROVIDERS, SUBMITS, POLLS, WEBHOOKS, STREAMS, RETENTION, LIMITS, LOGS = (
    "Reach and storage",
    "Keys",
    "Providers",
    "Submits",
    "Reconciling",
    "Webhooks",
    "Streams",
    "Retention",
    "Limits",
    "Logs",
)

KNOBS: tuple[Knob, ...] = (
    Knob(
        name="WHENFINAL_PUBLIC_URL",
        group=REACH,
        kind=Kind.PUBLIC_URL,
        unit="URL",
        what="Where providers reach this service; callbacks go to {this}/callbacks/…. Unset: every task is polled.",
        danger="Whoever answers at this address sees the callbacks. https, except while providers are simulated here.",
    ),
    Knob(
        name="WHENFINAL_DATABASE_URL",
        group=REACH,
        kind=Kind.DATABASE_URL,
        default="sqlite:///whenfinal.db",
        unit="URL",
        what="The ledger: sqlite:///relative.db, sqlite:////absolute/path.db or postgresql://user:password@host/database,"
        " which may lead through pgbouncer, in transaction mode too.",
        danger="Another one is another ledger: tasks in flight are forgotten. Never a file on a network file system.",
    ),
    Knob(
        name="WHENFINAL_DATABASE_POOL",
        group=REACH,
        kind=Kind.COUNT,
        default="10",
        unit="connections",
        what="Most connections of one process to a Postgres server; a SQLite file takes none of them.",
        danger="All processes together must stay below the server's `max_connections`. Too few answer 503 under load.",
        low=2,
        high=1000,
    ),
    Knob(
        name="WHENFINAL_DATABASE_LISTEN_URL",
        group=REACH,
        kind=Kind.DATABASE_URL,
        unit="URL",
        what="Where a process hears at once what others commit, by one more connection. Unset: the database URL. "
        "Behind a pooler in transaction mode (pgbouncer) set the address of the Postgres server itself.",
        danger="Where nothing can be heard, the log says so once and each process looks for events 10 times a second.",
    ),
    Knob(
        name="WHENFINAL_SECRET_KEYS",
        group=KEYS,
        kind=Kind.SIGNING_KEYS,
        unit="texts, comma between",
        what="Sign callback addresses, oldest to newest; the last one signs. Unset: the ledger keeps one.",
        danger="Who knows one can forge callbacks. Taking one away voids the callback addresses it signed.",
    ),
    Knob(
        name="WHENFINAL_API_KEYS",
        group=KEYS,
        kind=Kind.API_KEYS,
        unit="name:scope+scope:key, comma between",
        what="Bearer keys of /v1 with scopes submit, read, operate. Unset: the first start makes and shows one.",
        danger="`submit` spends money at the providers, `operate` changes tasks by hand.",
    ),
    Knob(
        name="WHENFINAL_PROVIDERS",
        group=PROVIDERS,
        kind=Kind.PROVIDERS,
        unit="names, comma between",
        what="Accounts to use: `name`, or `name=adapter` for a second account or gateway. Unset: each with a key set.",
        danger="A task in flight at a provider that is left out is no longer asked about.",
    ),
    Knob(
        name="WHENFINAL_PROVIDER_TIMEOUT_S",
        group=PROVIDERS,
        kind=Kind.NUMBER,
        default="60",
        unit="seconds",
        what="Longest wait for one answer of a provider.",
        danger="Too short makes paid submits uncertain.",
        low=0.1,
        high=600,
    ),
    Knob(
        name="WHENFINAL_PROVIDER_SPEED",
        group=PROVIDERS,
        kind=Kind.NUMBER,
        default="1",
        unit="times",
        what="How much faster the providers' clocks run than ours; for the simulator only.",
        danger="Divides polling waits and retention; refused unless every provider is on this machine.",
        low=0.01,
        high=100_000,
    ),
    Knob(
        name="WHENFINAL_SUBMIT_TRIES",
        group=SUBMITS,
        kind=Kind.COUNT,
        default="3",
        unit="tries",
        what="Most POSTs of one submit; repeated only when surely nothing was created or the provider knows our key.",
        low=1,
        high=10,
    ),
    Knob(
        name="WHENFINAL_DEADLINE_S",
        group=SUBMITS,
        kind=Kind.COUNT,
        default="1800",
        unit="seconds",
        what="When an unfinished task becomes overdue, unless the submit says otherwise. It is polled on.",
        low=1,
        high=604_800,
    ),
    Knob(
        name="WHENFINAL_LEASE_S",
        group=POLLS,
        kind=Kind.NUMBER,
        default="60",
        unit="seconds",
        what="How long one process holds a task or delivery it works on; after a crash others wait that long.",
        danger="Not shorter than the provider and webhook timeouts, or two processes do the same work.",
        low=1,
        high=3600,
    ),
    Knob(
        name="WHENFINAL_RECONCILE_CONCURRENCY",
        group=POLLS,
        kind=Kind.COUNT,
        default="32",
        unit="requests",
        what="Most status questions at once, over all providers.",
        low=1,
        high=1000,
    ),
    Knob(
        name="WHENFINAL_CALLBACK_TOKEN_DAYS",
        group=POLLS,
        kind=Kind.COUNT,
        default="30",
        unit="days",
        what="How long a callback address is good for.",
        danger="A callback that comes later is refused; polling finds the end instead.",
        low=1,
        high=3650,
    ),
    Knob(
        name="WHENFINAL_ALLOW_PRIVATE",
        group=WEBHOOKS,
        kind=Kind.NETWORKS,
        unit="CIDRs, comma between",
        what="Private networks that webhooks may reach, and by plain http. Unset: public addresses only, by https.",
        danger="Whoever may submit can make this service post into these networks.",
    ),
    Knob(
        name="WHENFINAL_DELIVERY_CONCURRENCY",
        group=WEBHOOKS,
        kind=Kind.COUNT,
        default="64",
        unit="requests",
        what="Most webhooks in flight at once.",
        low=1,
        high=1000,
    ),
    Knob(
        name="WHENFINAL_DELIVERY_PER_ENDPOINT",
        group=WEBHOOKS,
        kind=Kind.COUNT,
        default="8",
        unit="requests",
        what="Most webhooks in flight at once to one endpoint.",
        low=1,
        high=1000,
    ),
    Knob(
        name="WHENFINAL_WEBHOOK_CONNECT_S",
        group=WEBHOOKS,
        kind=Kind.NUMBER,
        default="5",
        unit="seconds",
        what="Longest wait for a webhook's connection.",
        low=0.1,
        high=60,
    ),
    Knob(
        name="WHENFINAL_WEBHOOK_TIMEOUT_S",
        group=WEBHOOKS,
        kind=Kind.NUMBER,
        default="15",
        unit="seconds",
        what="Longest wait for a webhook's answer, connection included.",
        danger="An endpoint that works longer than this gets the same webhook again.",
        low=0.1,
        high=600,
    ),
    Knob(
        name="WHENFINAL_WEBHOOK_BACKOFF_S",
        group=WEBHOOKS,
        kind=Kind.NUMBERS,
        default="5,30,120,600,3600,14400,43200",
        unit="seconds, comma between",
        what="Waits between the attempts of one delivery; after the last it is a dead letter.",
        low=0,
        high=604_800,
    ),
    Knob(
        name="WHENFINAL_GIVE_UP_DAYS",
        group=WEBHOOKS,
        kind=Kind.NUMBER,
        default="5",
        unit="days",
        what="A subscription that has done nothing but fail for this long is disabled.",
        danger="Until it is enabled again it is owed nothing new; replay what it missed.",
        low=0.01,
        high=365,
    ),
    Knob(
        name="WHENFINAL_STREAM_KEEPALIVE_S",
        group=STREAMS,
        kind=Kind.NUMBER,
        default="15",
        unit="seconds",
        what="A stream that has nothing to say sends a comment this often.",
        danger="Longer than a proxy's idle timeout, and the proxy ends the streams.",
        low=0.1,
        high=600,
    ),
    Knob(
        name="WHENFINAL_STREAMS_MAX",
        group=STREAMS,
        kind=Kind.COUNT,
        default="12000",
        unit="requests",
        what="Most streams and waits open at once in one process; the next one is answered 503.",
        danger="Each takes a file descriptor and some 30 KB; the process needs as many (`ulimit -n`).",
        low=1,
        high=1_000_000,
    ),
    Knob(
        name="WHENFINAL_KEEP_EVENTS_DAYS",
        group=RETENTION,
        kind=Kind.NUMBER,
        default="30",
        unit="days",
        what="How long events and their finished deliveries are kept; for as long they can be read and replayed.",
        danger="A cursor that is older has missed events, and is told so. Nothing still owed is ever taken.",
        low=0.01,
        high=3650,
    ),
    Knob(
        name="WHENFINAL_KEEP_ATTEMPTS_DAYS",
        group=RETENTION,
        kind=Kind.NUMBER,
        default="30",
        unit="days",
        what="How long the attempts of finished deliveries are kept.",
        low=0.01,
        high=3650,
    ),
    Knob(
        name="WHENFINAL_KEEP_OBSERVATIONS_DAYS",
        group=RETENTION,
        kind=Kind.NUMBER,
        default="30",
        unit="days",
        what="How long the timeline of a task that has ended is kept.",
        low=0.01,
        high=3650,
    ),
    Knob(
        name="WHENFINAL_CALLBACK_MAX_BYTES",
        group=LIMITS,
        kind=Kind.COUNT,
        default="1048576",
        unit="bytes",
        what="Largest callback that is read.",
        low=1024,
        high=67_108_864,
    ),
    Knob(
        name="WHENFINAL_API_MAX_BYTES",
        group=LIMITS,
        kind=Kind.COUNT,
        default="33554432",
        unit="bytes",
        what="Largest request to /v1; pictures may come as data URIs.",
        danger="Held in memory while it is read.",
        low=1024,
        high=268_435_456,
    ),
    Knob(
        name="WHENFINAL_WAIT_MAX_S",
        group=LIMITS,
        kind=Kind.COUNT,
        default="60",
        unit="seconds",
        what="Longest `?wait=` of one request; proxies in front must wait longer.",
        low=1,
        high=3600,
    ),
    Knob(
        name="WHENFINAL_LOG_LEVEL",
        group=LOGS,
        kind=Kind.CHOICE,
        default="info",
        what="The least grave line that is written.",
        choices=("debug", "info", "warning", "error"),
    ),
    Knob(
        name="WHENFINAL_LOG_FORMAT",
        group=LOGS,
        kind=Kind.CHOICE,
        default="console",
        what="Lines for people, or one JSON object a line.",
        choices=("console", "json"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKnob:
    """`suffix` follows the account's name in upper case: `HIAPI_B_` + `API_KEY`."""

    suffix: str
    unit: str = ""
    what: str
    danger: str = ""


PROVIDER_KNOBS: tuple[ProviderKnob, ...] = (
    ProviderKnob(
        suffix="API_KEY",
        unit="text",
        what="The account's key.",
        danger="Spends the account's money.",
    ),
    ProviderKnob(
        suffix="BASE_URL",
        unit="URL",
        what="Another region, gateway or the simulator.",
        danger="The key is sent there. https, except to this machine or a private network.",
    ),
)

#: Only where the provider calls back.
CALLBACK_KNOBS: tuple[ProviderKnob, ...] = (
    ProviderKnob(
        suffix="WEBHOOK_SECRET",
        unit="text",
        what="The signing key of the provider's callbacks. Set: every callback must be rightly signed.",
        danger="A wrong one refuses all callbacks; polling still finds the ends.",
    ),
    ProviderKnob(
        suffix="SIGNATURE_WINDOW_S",
        unit="seconds",
        what="How far a signature's time may be from ours; 0 switches the check off.",
        danger="0 lets old callbacks be replayed (they change nothing).",
    ),
)

SIGNATURE_WINDOW_S = 300

LONGEST_SIGNATURE_WINDOW_S = 86_400
