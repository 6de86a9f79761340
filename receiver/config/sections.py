"""The settings of each part of the service, a field for each variable. Pure."""

from typing import Annotated, Literal

from pydantic import InstanceOf

from receiver.config.api_keys import ApiKeys
from receiver.config.origins import Origins
from receiver.config.types import (
    AnyCase,
    DatabaseUrl,
    Decimal,
    Group,
    HeaderText,
    Host,
    HttpUrl,
    Networks,
    SecretKeys,
    Section,
    Waits,
    Whole,
    setting,
)
from receiver.store.url import DEFAULT_URL
from submitter.providers.contract import Account


class DatabaseSettings(Section):
    """Both URLs may hold a password."""

    group = Group.REACH

    url: DatabaseUrl = setting(
        "WHENFINAL_DATABASE_URL",
        DEFAULT_URL,
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


class StreamsSettings(Section):
    group = Group.STREAMS

    keepalive_s: Decimal = setting(
        "WHENFINAL_STREAM_KEEPALIVE_S",
        15,
        between=(0.1, 600),
        unit="seconds",
        what="An idle stream sends a comment this often.",
        danger="If it is longer than a proxy's idle timeout, the proxy ends the streams.",
    )
    max_streams: Whole = setting(
        "WHENFINAL_STREAMS_MAX",
        12_000,
        between=(1, 1_000_000),
        unit="requests",
        what="Most streams and waits open at once in one process; the next one gets 503.",
        danger="Each takes a file descriptor and some 30 KB; the process needs as many (`ulimit -n`).",
    )


class RetentionSettings(Section):
    group = Group.RETENTION

    events_days: Decimal = setting(
        "WHENFINAL_KEEP_EVENTS_DAYS",
        30,
        between=(0.01, 3650),
        unit="days",
        what="How long events and their finished deliveries are stored; for as long they can be read and replayed.",
        danger="Older cursors get 410 or a `reset` event. Events with pending deliveries are never deleted.",
    )
    attempts_days: Decimal = setting(
        "WHENFINAL_KEEP_ATTEMPTS_DAYS",
        30,
        between=(0.01, 3650),
        unit="days",
        what="How long the attempts of finished deliveries are stored.",
    )
    observations_days: Decimal = setting(
        "WHENFINAL_KEEP_OBSERVATIONS_DAYS",
        30,
        between=(0.01, 3650),
        unit="days",
        what="How long the timeline of a task that has ended is stored.",
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
    cors_origins: Origins = setting(
        "WHENFINAL_CORS_ORIGINS",
        (),
        group=Group.REACH,
        unit="origins, comma between",
        what="Origins of web pages that may read /v1 from a browser, such as https://app.example.com. Unset: none.",
        danger="Whoever can change such a page can use every key and stream token that it sends.",
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


class DashboardSettings(Section):
    group = Group.DASHBOARD

    wanted: Annotated[Literal["on", "off"], AnyCase] = setting(
        "WHENFINAL_DASHBOARD",
        "on",
        what="Whether `serve` and `web` have the dashboard at /ops. People sign in with an API key: `read` looks, "
        "`operate` acts. They need https, or an address of this machine.",
    )
    url: HttpUrl | None = setting(
        "WHENFINAL_DASHBOARD_URL",
        unit="URL",
        what="The https address at which people open the dashboard, without /ops, where it is another one than "
        "WHENFINAL_PUBLIC_URL, such as that of an internal proxy. Keys are taken there and at an address of this "
        "machine, nowhere else.",
    )

    @property
    def is_on(self) -> bool:
        return self.wanted == "on"


class MetricsSettings(Section):
    group = Group.METRICS

    access: Annotated[Literal["key", "open"], AnyCase] = setting(
        "WHENFINAL_METRICS",
        "key",
        what="Who may read /metrics: holders of an API key with the scope `read`, or everyone.",
        danger="`open` shows names of providers and how busy they are to whoever reaches the port.",
    )
    port: Whole | None = setting(
        "WHENFINAL_METRICS_PORT",
        between=(0, 65_535),
        unit="port",
        what="Where `whenfinal worker` answers /metrics; 0 takes a free port. Unset: nowhere. `serve` and `web` answer "
        "it on their own port.",
    )
    host: Host = setting(
        "WHENFINAL_METRICS_HOST",
        "127.0.0.1",
        unit="host",
        what="The address that this port is on.",
        danger="Keys cross the network unencrypted where it is not this machine or a private network.",
    )


class TraceSettings(Section):
    group = Group.METRICS

    otel: Annotated[Literal["off", "on"], AnyCase] = setting(
        "WHENFINAL_OTEL",
        "off",
        what="Send spans of submits, callbacks, polls and webhooks by OpenTelemetry, to where its own variables say "
        "(`OTEL_EXPORTER_OTLP_ENDPOINT`). It needs the extra `otel`.",
        danger="Each callback that is sampled costs about as much again.",
    )


class LogSettings(Section):
    group = Group.LOGS

    level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = setting(
        "WHENFINAL_LOG_LEVEL", "info", what="Minimum log level."
    )
    format: Annotated[Literal["console", "json"], AnyCase] = setting(
        "WHENFINAL_LOG_FORMAT", "console", what="Lines for people, or one JSON object a line."
    )


class ShellSettings(Section):
    """Where the commands work, apart from those that run a process of the service. Both are of no use to a server."""

    group = Group.SHELL

    url: HttpUrl | None = setting(
        "WHENFINAL_URL",
        unit="URL",
        what="The running service that commands such as `whenfinal tasks list` work at; `--url` wins. Unset: the "
        "ledger of these settings.",
        danger="The key goes there; to a URL of `.env`, one of `.env` alone. By plain http it can be read on the way.",
    )
    api_key: HeaderText | None = setting(
        "WHENFINAL_API_KEY",
        what="The API key for it.",
        danger="It allows what its scopes say.",
        secret=True,
    )
