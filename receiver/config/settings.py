"""Every setting of the service, in frozen sections. A setting that is not here does not exist.

Pure: the environment comes in as a mapping (see `receiver.config.environment`). A text that breaks a rule and settings
that contradict each other stop the start, all named at once; nothing is guessed, rounded or ignored. No secret reaches
a message or a repr. `.env.example` and the reference are rendered from these fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import InstanceOf, ValidationError, model_validator

from receiver.config.accounts import PROVIDERS, read_accounts
from receiver.config.api_keys import ApiKeys
from receiver.config.contradictions import check_listen_url, check_order, check_public_url, check_speed
from receiver.config.environment import (
    Contradictions,
    SettingProblem,
    find_problems,
    find_unknown_names,
    list_settings,
    nest_values,
)
from receiver.config.errors import ConfigError
from receiver.config.quotes import take_quotes_away
from receiver.config.stream_settings import RetentionSettings, StreamsSettings
from receiver.config.types import (
    AnyCase,
    DatabaseUrl,
    Decimal,
    Group,
    HttpUrl,
    Networks,
    SecretKeys,
    Section,
    Waits,
    Whole,
    setting,
)
from submitter.providers.contract import Account
from submitter.providers.registry import ADAPTERS


class DatabaseSettings(Section):
    """Both URLs may hold a password."""

    group = Group.REACH

    url: DatabaseUrl = setting(
        "WHENFINAL_DATABASE_URL",
        "sqlite:///whenfinal.db",
        unit="URL",
        what="The ledger: sqlite:///relative.db, sqlite:////absolute/path.db or postgresql://user:password@host/database."
        " The connection may go through pgbouncer, also in transaction mode.",
        danger="Another URL is another ledger: tasks in flight are forgotten. Never a file on a network file system.",
        secret=True,
    )
    pool: Whole = setting(
        "WHENFINAL_DATABASE_POOL",
        10,
        between=(2, 1000),
        unit="connections",
        what="Most connections of one process to a Postgres server. SQLite does not use it.",
        danger="All processes together must stay below the server's `max_connections`. Too few give 503 under load.",
    )
    listen_url: DatabaseUrl | None = setting(
        "WHENFINAL_DATABASE_LISTEN_URL",
        unit="URL",
        what="Postgres only: one more connection, which is notified when another process commits. Unset: the database "
        "URL. Behind a pooler in transaction mode (pgbouncer) set the address of the Postgres server itself.",
        danger="If no notification arrives, each process queries for events 10 times a second; the log says so once.",
        secret=True,
    )


class ProvidersSettings(Section):
    """The provider accounts, and what is the same for all of them."""

    group = Group.PROVIDERS

    accounts: tuple[InstanceOf[Account], ...] = setting(
        "WHENFINAL_PROVIDERS",
        (),
        unit="names, comma between",
        what="Accounts to use: `name`, or `name=adapter` for a second account or gateway. Unset: each with a key set.",
        danger="A task in flight at a provider that is left out is no longer polled.",
    )
    timeout_s: Decimal = setting(
        "WHENFINAL_PROVIDER_TIMEOUT_S",
        60,
        between=(0.1, 600),
        unit="seconds",
        what="Longest wait for one reply of a provider.",
        danger="Too short makes paid submits uncertain.",
    )
    speed: Decimal = setting(
        "WHENFINAL_PROVIDER_SPEED",
        1,
        between=(0.01, 100_000),
        unit="times",
        what="How much faster the providers' clocks run than ours; for the simulator only.",
        danger="Divides polling waits and retention; refused unless every provider is on this machine.",
    )
    submit_tries: Whole = setting(
        "WHENFINAL_SUBMIT_TRIES",
        3,
        between=(1, 10),
        group=Group.SUBMITS,
        unit="tries",
        what="Most POSTs of one submit. A POST is repeated only when it surely created nothing or when the provider "
        "knows our idempotency key.",
    )
    deadline_s: Whole = setting(
        "WHENFINAL_DEADLINE_S",
        1800,
        between=(1, 604_800),
        group=Group.SUBMITS,
        unit="seconds",
        what="When an unfinished task becomes overdue, counted from when it is sent, unless the submit says otherwise. "
        "Polling goes on.",
    )
    queue_for_s: Whole = setting(
        "WHENFINAL_QUEUE_FOR_S",
        3600,
        between=(0, 604_800),
        group=Group.SUBMITS,
        unit="seconds",
        what="How long a task may wait for room at its account, unless the submit says otherwise; after that it is "
        "refused. 0: without room it is refused at once.",
    )


class ReconcileSettings(Section):
    group = Group.POLLS

    concurrency: Whole = setting(
        "WHENFINAL_RECONCILE_CONCURRENCY",
        32,
        between=(1, 1000),
        unit="requests",
        what="Most polls at once, over all providers.",
    )


class CallbacksSettings(Section):
    secret_keys: SecretKeys = setting(
        "WHENFINAL_SECRET_KEYS",
        (),
        group=Group.KEYS,
        unit="texts, comma between",
        what="Keys that sign callback URLs, oldest to newest; the last one signs. Unset: the ledger stores one.",
        danger="Anyone with a key can forge callbacks. Removing a key invalidates the callback URLs it signed.",
        secret=True,
    )
    token_days: Whole = setting(
        "WHENFINAL_CALLBACK_TOKEN_DAYS",
        30,
        between=(1, 3650),
        group=Group.POLLS,
        unit="days",
        what="How long a callback URL is valid.",
        danger="A later callback is refused; polling finds the end instead.",
    )
    max_bytes: Whole = setting(
        "WHENFINAL_CALLBACK_MAX_BYTES",
        1_048_576,
        between=(1024, 67_108_864),
        group=Group.LIMITS,
        unit="bytes",
        what="Largest callback that is read.",
    )


class DeliverySettings(Section):
    group = Group.WEBHOOKS

    allow_private: Networks = setting(
        "WHENFINAL_ALLOW_PRIVATE",
        (),
        unit="CIDRs, comma between",
        what="Private networks that webhooks may reach, also by plain http. Unset: public addresses only, by https.",
        danger="Anyone who may submit can make this service post into these networks.",
    )
    concurrency: Whole = setting(
        "WHENFINAL_DELIVERY_CONCURRENCY",
        64,
        between=(1, 1000),
        unit="requests",
        what="Most webhooks in flight at once.",
    )
    per_endpoint: Whole = setting(
        "WHENFINAL_DELIVERY_PER_ENDPOINT",
        8,
        between=(1, 1000),
        unit="requests",
        what="Most webhooks in flight at once to one endpoint.",
    )
    connect_s: Decimal = setting(
        "WHENFINAL_WEBHOOK_CONNECT_S",
        5,
        between=(0.1, 60),
        unit="seconds",
        what="Longest wait for a webhook's connection.",
    )
    timeout_s: Decimal = setting(
        "WHENFINAL_WEBHOOK_TIMEOUT_S",
        15,
        between=(0.1, 600),
        unit="seconds",
        what="Longest wait for the reply to a webhook, connection included.",
        danger="An endpoint that works longer than this gets the same webhook again.",
    )
    backoff_s: Waits = setting(
        "WHENFINAL_WEBHOOK_BACKOFF_S",
        (5, 30, 120, 600, 3600, 14_400, 43_200),
        unit="seconds, comma between",
        what="Waits between the attempts of one delivery; after the last it is a dead letter.",
    )
    give_up_days: Decimal = setting(
        "WHENFINAL_GIVE_UP_DAYS",
        5,
        between=(0.01, 365),
        unit="days",
        what="A subscription that has only failed for this long is disabled.",
        danger="A disabled subscription gets no new deliveries; replay what it missed.",
    )


class ApiSettings(Section):
    group = Group.LIMITS

    keys: ApiKeys = setting(
        "WHENFINAL_API_KEYS",
        (),
        group=Group.KEYS,
        unit="name:scope+scope:key, comma between",
        what="Bearer keys of /v1 with scopes submit, read, operate. Unset: the first start makes and shows one.",
        danger="`submit` spends money at the providers, `operate` changes tasks.",
    )
    max_bytes: Whole = setting(
        "WHENFINAL_API_MAX_BYTES",
        33_554_432,
        between=(1024, 268_435_456),
        unit="bytes",
        what="Largest request to /v1; pictures may come as data URIs.",
        danger="A request is in memory while it is read.",
    )
    bodies_max_bytes: Whole = setting(
        "WHENFINAL_BODIES_MAX_BYTES",
        268_435_456,
        between=(1024, 17_179_869_184),
        unit="bytes",
        what="Most bytes of requests to /v1 that one process reads at once; the next one gets 503. Callbacks with a "
        "token may take a quarter of it beside, those with only a signature a sixteenth.",
        danger="The process needs several times as much memory in the worst case.",
    )
    wait_max_s: Whole = setting(
        "WHENFINAL_WAIT_MAX_S",
        45,
        between=(1, 3600),
        unit="seconds",
        what="Longest `?wait=` of one request. nginx ends a request after 60 s and HAProxy after 50 s by default.",
        danger="If it is longer than a proxy waits, the proxy answers 504 in place of the task.",
    )


class LogSettings(Section):
    group = Group.LOGS

    level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = setting(
        "WHENFINAL_LOG_LEVEL", "info", what="Minimum log level."
    )
    format: Annotated[Literal["console", "json"], AnyCase] = setting(
        "WHENFINAL_LOG_FORMAT", "console", what="Lines for people, or one JSON object a line."
    )


class Settings(Section):
    """All settings of a process: what concerns everything, and a section for each part."""

    public_url: HttpUrl | None = setting(
        "WHENFINAL_PUBLIC_URL",
        group=Group.REACH,
        unit="URL",
        what="Where providers reach this service; callbacks go to {this}/callbacks/…. Unset: every task is polled.",
        danger="Whoever answers at this URL sees the callbacks. It must be https, except with simulated providers.",
    )
    lease_s: Decimal = setting(
        "WHENFINAL_LEASE_S",
        60,
        between=(1, 3600),
        group=Group.POLLS,
        unit="seconds",
        what="How long a process leases a task or delivery that it works on; after a crash others wait that long.",
        danger="If it is shorter than the provider and webhook timeouts, two processes do the same work.",
    )
    database: DatabaseSettings = DatabaseSettings()
    providers: ProvidersSettings = ProvidersSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    callbacks: CallbacksSettings = CallbacksSettings()
    delivery: DeliverySettings = DeliverySettings()
    streams: StreamsSettings = StreamsSettings()
    retention: RetentionSettings = RetentionSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, str]) -> "Settings":
        """Read environment variables; unset and blank are the same. Raise ConfigError that names every problem."""
        read = read_settings(mapping)
        if isinstance(read, Settings):
            return read
        raise config_error(read)

    @model_validator(mode="after")
    def _check_contradictions(self) -> "Settings":
        problems = tuple(self._contradictions())
        if problems:
            raise Contradictions(problems)
        return self

    def _contradictions(self) -> Iterator[SettingProblem]:
        accounts = self.providers.accounts
        yield from check_public_url(self.public_url, [a for a in accounts if ADAPTERS[a.adapter].CAPABILITIES.callback])
        yield from check_listen_url(self.database.url, self.database.listen_url)
        yield from check_speed(self.providers.speed, accounts)
        delivery = self.delivery
        bodies = ("WHENFINAL_BODIES_MAX_BYTES", self.api.bodies_max_bytes)
        yield from check_order(
            ("WHENFINAL_API_MAX_BYTES", self.api.max_bytes, *bodies),
            ("WHENFINAL_PROVIDER_TIMEOUT_S", self.providers.timeout_s, "WHENFINAL_LEASE_S", self.lease_s),
            ("WHENFINAL_WEBHOOK_TIMEOUT_S", delivery.timeout_s, "WHENFINAL_LEASE_S", self.lease_s),
            ("WHENFINAL_WEBHOOK_CONNECT_S", delivery.connect_s, "WHENFINAL_WEBHOOK_TIMEOUT_S", delivery.timeout_s),
            (
                "WHENFINAL_DELIVERY_PER_ENDPOINT",
                delivery.per_endpoint,
                "WHENFINAL_DELIVERY_CONCURRENCY",
                delivery.concurrency,
            ),
        )


def config_error(problems: Sequence[SettingProblem]) -> ConfigError:
    """The error that names one or more problems."""
    if len(problems) == 1:
        return ConfigError(f"{problems[0].variable}: {problems[0].rule}", hint=problems[0].hint)
    lines = "".join(f"\n  {problem}" for problem in problems)
    return ConfigError(f"{len(problems)} settings are wrong:{lines}\n", hint="correct them all, then start again")


def read_settings(mapping: Mapping[str, str]) -> Settings | tuple[SettingProblem, ...]:
    """The settings, or every problem found. Contradictions are looked for once every text can be read."""
    known = list_settings(Settings)
    given, quoted = take_quotes_away({name: text.strip() for name, text in mapping.items() if text.strip()})
    accounts, problems = read_accounts(given)
    values = nest_values({name: text for name, text in given.items() if name != PROVIDERS}, known)
    values["providers"] = {**values.get("providers", {}), "accounts": accounts}
    found = [*quoted, *find_unknown_names(given, known)]
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        return (*found, *find_problems(error, known), *problems)
    return (*found, *problems) or settings
