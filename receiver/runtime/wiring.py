"""Wiring: from the environment to settings, from settings to running services, from services to the application.

The only reader of the environment, and the one place that hands real clocks, dice and sockets to the rest.
"""

import asyncio
import hashlib
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dotenv import dotenv_values

from receiver.callbacks.intake import Intake
from receiver.callbacks.model import make_callback_url
from receiver.config.api_keys import SCOPES, ApiKeyDigest
from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.events.feed import Feed
from receiver.reconcile.manual import ManualReconcile
from receiver.reconcile.poller import Poller
from receiver.reconcile.reconciler import Reconciler
from receiver.runtime import log
from receiver.runtime.readiness import Readiness
from receiver.runtime.services import CommitNotifier, Services, Store, open_store
from receiver.runtime.worker import Worker
from receiver.store.errors import StoreError
from receiver.store.ids import id_maker
from receiver.store.open import ledger_at
from receiver.store.retention import Pruner
from receiver.store.url import LedgerServer
from receiver.tasks.group_commit import GroupCommit
from receiver.tasks.submission import Submission
from receiver.webhooks.deliverer import DEFAULT_SOURCE, Deliverer, DeliveryManners
from receiver.webhooks.model.cloudevents import origin_of
from receiver.webhooks.model.endpoint import NotifyRules, decode_webhook_secret
from receiver.webhooks.model.request import SubscriptionRules
from receiver.webhooks.replay import Replaying
from receiver.webhooks.sender import RESPONSE_CAP_BYTES
from receiver.webhooks.subscriptions import POSTS_AT_ONCE, Subscribing, SubscribingEdges
from submitter.http.address_guard import AddressGuard, check_endpoint
from submitter.http.transport import Transport, TransportLimits, open_transport
from submitter.model import TaskId
from submitter.providers.contract import ConfiguredProvider
from submitter.providers.registry import ADAPTERS

DOTENV = Path(".env")

CONNECT_S = 5.0  # to a provider; a submit that never connected is surely not paid

SUBMITS_AT_ONCE = 100  # connections to providers that are never taken by the reconciler

DAY_S = 86_400

KEY_BYTES = 32

SIGNING_KEY_NAME = "signing_key"

API_KEY_NAME = "api_key_sha256"


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV) -> Settings:
    """The environment over `.env` of the working directory; None means the real one, or no file.

    Raise ConfigError that names every problem.
    """
    real = os.environ if environ is None else environ
    written = _read_dotenv(dotenv) if dotenv is not None else {}
    return Settings.from_mapping({**written, **{name: text for name, text in real.items() if text.strip()}})


def start_logging(settings: Settings) -> None:
    """Configure the log so that no secret of the settings reaches it. Call it once, before anything is logged."""
    log.configure_logging(settings.log, secrets=_secrets_of(settings))


def _secrets_of(settings: Settings) -> Iterator[str]:
    for account in settings.providers.accounts:
        yield account.api_key
        yield account.webhook_secret or ""
    yield from settings.callbacks.secret_keys
    yield from (key.key for key in settings.api.keys)
    for url in (settings.database.url, settings.database.listen_url):
        place = None if url is None else ledger_at(url)
        if isinstance(place, LedgerServer):
            yield place.password or ""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def open_store_from(settings: Settings, *, migrating: bool) -> AbstractAsyncContextManager[Store]:
    """The ledger as set; see `open_store`."""
    return open_store(settings.database.url, clock=now_ms, migrating=migrating, pool_size=settings.database.pool)


@asynccontextmanager
async def open_services(
    settings: Settings, *, migrating: bool = True, show_key: Callable[[str], None] | None = None
) -> AsyncIterator[Services]:
    """All that a process needs; on leaving, what is in flight comes to its end before anything closes.

    `show_key` is handed the first API key, when none is set and none was ever made; without it none is made.
    Raise ConfigError, SchemaBehind (unless `migrating`) or StoreUnavailable.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store_from(settings, migrating=migrating))
        secret_keys = settings.callbacks.secret_keys or (
            await store.metadata.get_or_create(SIGNING_KEY_NAME, secrets.token_urlsafe(KEY_BYTES)),
        )
        api_keys = await _api_keys(settings, store, show_key)
        guard = AddressGuard(allow=settings.delivery.allow_private)
        wiring = _Wiring(
            settings=settings,
            store=store,
            transport=await stack.enter_async_context(open_transport(_provider_limits(settings))),
            webhook_transport=await stack.enter_async_context(open_transport(_webhook_limits(settings), guard)),
            guard=guard,
            secret_keys=secret_keys,
        )
        services = wiring.services(api_keys)
        stack.callback(services.feed.close)
        stack.push_async_callback(services.commits.drained)
        stack.push_async_callback(services.submission.drained)
        yield services


@asynccontextmanager
async def working(services: Services) -> AsyncIterator[Worker]:
    """The ticks of reconciling and delivery; on leaving, the turns in flight come to their end."""
    worker = Worker(
        reconciler=services.reconciler,
        deliverer=services.deliverer,
        pruner=services.pruner,
        ledger=services.store.ledger,
        clock=services.clock,
        on_events=services.commit_notifier.notify,
    )
    services.commit_notifier.subscribe(worker.wake_deliverer)
    services.deliverer.on_room = worker.wake_deliverer
    worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


@asynccontextmanager
async def commit_listener(services: Services) -> AsyncIterator[None]:
    """What other processes commit rings this one's bell too, where the ledger can tell. Raise ConfigError."""
    try:
        listener = services.store.engine.listener(
            services.settings.database.listen_url, services.commit_notifier.notify
        )
    except StoreError as error:
        hint = "set it in the form postgresql://user:password@host:5432/database"
        raise ConfigError(f"WHENFINAL_DATABASE_LISTEN_URL: {error}", hint=hint) from error
    if listener is None:
        yield
        return
    services.feed.hears_others = lambda: listener.is_live
    listening = asyncio.create_task(listener.run())
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.wait([listening])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Wiring:
    """What is open, put together; nothing here waits or fails."""

    settings: Settings
    store: Store
    transport: Transport
    webhook_transport: Transport
    guard: AddressGuard
    secret_keys: tuple[str, ...]
    commit_notifier: CommitNotifier = field(default_factory=CommitNotifier)
    owner: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}")
    random: Callable[[], float] = field(default_factory=lambda: secrets.SystemRandom().random)

    def services(self, api_keys: tuple[ApiKeyDigest, ...]) -> Services:
        feed = Feed(
            event_log=self.store.events, task_states=self.store.tasks.states, seats=self.settings.streams.max_streams
        )
        self.commit_notifier.subscribe(feed.wake)
        commits = GroupCommit(self.store.ledger, clock=now_ms, on_events=self.commit_notifier.notify)
        providers = {
            account.name: ConfiguredProvider(adapter=ADAPTERS[account.adapter], account=account)
            for account in self.settings.providers.accounts
        }
        submission = self._submission(providers)
        poller = self._poller(providers, submission)
        return Services(
            settings=self.settings,
            store=self.store,
            providers=providers,
            transport=self.transport,
            webhook_transport=self.webhook_transport,
            commits=commits,
            submission=submission,
            subscribing=self._subscribing(),
            intake=self._intake(providers, commits),
            reconciler=self._reconciler(poller),
            manual_reconcile=self._manual_reconcile(poller),
            deliverer=self._deliverer(),
            replaying=Replaying(replays=self.store.replays, clock=now_ms, on_due=self.commit_notifier.notify),
            pruner=self._pruner(),
            feed=feed,
            readiness=Readiness(probe=self.store.check, clock=now_ms),
            commit_notifier=self.commit_notifier,
            clock=now_ms,
            secret_keys=self.secret_keys,
            api_keys=api_keys,
        )

    def _notify_rules(self) -> NotifyRules:
        return NotifyRules(refuse_url=lambda url: check_endpoint(url, self.guard), read_secret=decode_webhook_secret)

    def _origin(self) -> str | None:
        return None if self.settings.public_url is None else origin_of(self.settings.public_url)

    def _subscribing(self) -> Subscribing:
        return Subscribing(
            room=self.store.subscriptions,
            transport=self.webhook_transport,
            rules=SubscriptionRules(
                notify=self._notify_rules(),
                providers=tuple(account.name for account in self.settings.providers.accounts),
                most_in_flight=self.settings.delivery.concurrency,
                origin=self._origin(),
            ),
            source=self.settings.public_url or DEFAULT_SOURCE,
            edges=SubscribingEdges(
                clock=now_ms, random_bytes=secrets.token_bytes, new_id=id_maker(secrets.token_bytes)
            ),
        )

    def _callback_url(self) -> Callable[[str, TaskId, int], str] | None:
        url = self.settings.public_url
        return None if url is None else partial(make_callback_url, url, self.secret_keys)

    def _submission(self, providers: Mapping[str, ConfiguredProvider]) -> Submission:
        return Submission(
            submissions=self.store.submissions,
            accounts=self.store.accounts,
            providers=providers,
            transport=self.transport,
            settings=self.settings.providers,
            guard=self.guard,
            callback_url=self._callback_url(),
            clock=now_ms,
            random=self.random,
            random_bytes=secrets.token_bytes,
            sleep=asyncio.sleep,
            new_id=id_maker(secrets.token_bytes),
        )

    def _intake(self, providers: Mapping[str, ConfiguredProvider], commits: GroupCommit) -> Intake:
        return Intake(
            providers=providers,
            keys=self.secret_keys,
            max_age_s=self.settings.callbacks.token_days * DAY_S,
            commits=commits,
            ledger=self.store.ledger,
            tasks=self.store.tasks,
            clock=now_ms,
            random=self.random,
            speed=self.settings.providers.speed,
        )

    def _poller(self, providers: Mapping[str, ConfiguredProvider], submission: Submission) -> Poller:
        return Poller(
            providers=providers,
            settings=self.settings.providers,
            transport=self.transport,
            submission=submission,
            ledger=self.store.ledger,
            submissions=self.store.submissions,
            polls=self.store.polls,
            accounts=self.store.accounts,
            lease_ms=round(self.settings.lease_s * 1000),
            clock=now_ms,
            random=self.random,
            on_events=self.commit_notifier.notify,
        )

    def _reconciler(self, poller: Poller) -> Reconciler:
        return Reconciler(
            poller=poller, polls=self.store.polls, settings=self.settings.reconcile, owner=self.owner, clock=now_ms
        )

    def _manual_reconcile(self, poller: Poller) -> ManualReconcile:
        return ManualReconcile(
            poller=poller,
            polls=self.store.polls,
            accounts=self.store.accounts,
            audit=self.store.audit,
            settings=self.settings.reconcile,
            owner=self.owner,
            clock=now_ms,
        )

    def _pruner(self) -> Pruner:
        days = self.settings.retention
        return Pruner(
            repository=self.store.retention,
            events_days=days.events_days,
            attempts_days=days.attempts_days,
            observations_days=days.observations_days,
            clock=now_ms,
        )

    def _deliverer(self) -> Deliverer:
        return Deliverer(
            outbox=self.store.outbox,
            transport=self.webhook_transport,
            clock=now_ms,
            random=self.random,
            on_events=self.commit_notifier.notify,
            manners=DeliveryManners(
                owner=self.owner,
                backoff_s=self.settings.delivery.backoff_s,
                lease_ms=round(self.settings.lease_s * 1000),
                concurrency=self.settings.delivery.concurrency,
                per_lane=self.settings.delivery.per_endpoint,
                give_up_ms=round(self.settings.delivery.give_up_days * DAY_S * 1000),
                source=self.settings.public_url or DEFAULT_SOURCE,
                origin=self._origin(),
            ),
        )


async def _api_keys(
    settings: Settings, store: Store, show_key: Callable[[str], None] | None
) -> tuple[ApiKeyDigest, ...]:
    """The keys that are set, or the one that was made at the first start."""
    if settings.api.keys:
        return tuple(
            ApiKeyDigest(name=each.name, scopes=each.scopes, sha256=hashlib.sha256(each.key.encode()).digest())
            for each in settings.api.keys
        )
    kept = await store.metadata.find(API_KEY_NAME)
    if kept is None and show_key is not None:
        made = f"wf_{secrets.token_urlsafe(KEY_BYTES)}"
        digest = hashlib.sha256(made.encode()).hexdigest()
        kept = await store.metadata.get_or_create(API_KEY_NAME, digest)
        if kept == digest:  # else another process was faster, and shows its own
            show_key(made)
    return () if kept is None else (ApiKeyDigest(name="first", scopes=SCOPES, sha256=bytes.fromhex(kept)),)


def _provider_limits(settings: Settings) -> TransportLimits:
    """Submits come on top of what the reconciler asks at once."""
    whole_s = settings.providers.timeout_s
    connections = SUBMITS_AT_ONCE + settings.reconcile.concurrency
    return TransportLimits(connect_s=min(CONNECT_S, whole_s), whole_s=whole_s, connections=connections)


def _webhook_limits(settings: Settings) -> TransportLimits:
    return TransportLimits(
        connect_s=settings.delivery.connect_s,
        whole_s=settings.delivery.timeout_s,
        max_reply_bytes=RESPONSE_CAP_BYTES,
        connections=settings.delivery.concurrency + POSTS_AT_ONCE,
        cut_replies=True,
    )


def _read_dotenv(path: Path) -> dict[str, str]:
    try:
        written = dotenv_values(path, interpolate=False)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.absolute()} is not UTF-8", hint="save it as UTF-8, or take it away") from error
    except OSError as error:
        problem = f"{path.absolute()} can not be read: {error.strerror}"
        raise ConfigError(problem, hint="let this user read it, or take it away") from error
    return {name: text for name, text in written.items() if text is not None}
