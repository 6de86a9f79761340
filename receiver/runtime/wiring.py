"""From settings to running services: what each is made of.

This is the one place that hands real clocks, random numbers and sockets to the rest. `receiver.web.app` and the worker
command call it; `receiver.web.server` serves HTTP.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import NamedTuple

from receiver.callbacks.intake import Intake
from receiver.callbacks.model import make_callback_url
from receiver.callbacks.provider_keys import ProviderKeys
from receiver.config.settings import Settings
from receiver.events.feed import Feed
from receiver.metrics.spans import Spans
from receiver.reconcile.learned import LearnedDurations
from receiver.reconcile.manual import ManualReconcile
from receiver.reconcile.poller import Poller
from receiver.reconcile.reconciler import Reconciler
from receiver.runtime.clock import now_ms
from receiver.runtime.keyring import Keyring
from receiver.runtime.keys import make_first_key, settings_keys, signing_keys
from receiver.runtime.measuring import make_metrics, make_snapshots, open_spans
from receiver.runtime.readiness import Readiness
from receiver.runtime.services import CommitNotifier, Services
from receiver.runtime.store import Store, open_store
from receiver.runtime.transports import Transports, open_transports
from receiver.store.ids import id_maker
from receiver.store.leap import LeapGuard
from receiver.store.retention import Pruner
from receiver.tasks.drafting import TaskDrafter
from receiver.tasks.group_commit import GroupCommit
from receiver.tasks.lost_submits import LostSubmits
from receiver.tasks.operator import TaskOperator
from receiver.tasks.queue import QueueSender
from receiver.tasks.reporter import TaskReporter
from receiver.tasks.submission import Submission
from receiver.webhooks.deliverer import Deliverer
from receiver.webhooks.endpoints import EndpointService
from receiver.webhooks.replay import ReplayService
from receiver.webhooks.reporter import DeliveryReporter
from receiver.webhooks.subscriptions import SubscriptionService
from submitter.http.address_guard import AddressGuard
from submitter.http.transport import Transport
from submitter.providers.contract import ConfiguredProvider
from submitter.providers.registry import ADAPTERS

DAY_S = 86_400

MARK_EVERY_S = 5.0  # how much of the newest part of a ledger may be lost unnoticed


class _Told(NamedTuple):
    """Whom services tell of what they did."""

    notifier: CommitNotifier
    reporter: TaskReporter


class _Keys(NamedTuple):
    """Our own: those that sign, and those that open the API."""

    signing: tuple[str, ...]
    keyring: Keyring


class _Opened(NamedTuple):
    """What is closed when the process stops."""

    store: Store
    transports: Transports
    spans: Spans


def random() -> float:
    """A number in [0, 1)."""
    return secrets.SystemRandom().random()


def open_store_from(settings: Settings, *, migrating: bool) -> AbstractAsyncContextManager[Store]:
    """The ledger as set; see `open_store`."""
    return open_store(settings.database.url, clock=now_ms, migrating=migrating, pool_size=settings.database.pool)


@asynccontextmanager
async def open_services(
    settings: Settings, *, migrating: bool = True, show_key: Callable[[str], None] | None = None
) -> AsyncIterator[Services]:
    """Open the ledger and both transports, and put all services together.

    On leaving, submits and callbacks in flight come to their end before anything closes. `show_key` gets the first API
    key, if no other one may operate without limits; without it none is made.
    Raise ConfigError, SchemaBehind (unless `migrating`) or StoreUnavailable.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store_from(settings, migrating=migrating))
        await stack.enter_async_context(_marking(store))
        keys = await _open_keys(settings, store, show_key)
        guard = AddressGuard(allow=settings.delivery.allow_private)
        transports = await stack.enter_async_context(open_transports(settings, guard))
        spans = await stack.enter_async_context(open_spans(settings))
        opened = _Opened(store, transports, spans)
        services = _build_services(settings, opened, keys, guard)
        stack.push_async_callback(services.snapshots.flush)  # last, after what is in flight was counted
        stack.callback(services.reporter.flush)
        stack.callback(services.deliverer.reporter.flush)
        stack.callback(services.feed.close)
        stack.push_async_callback(services.commits.drained)
        stack.push_async_callback(services.submission.drained)
        yield services


async def _open_keys(settings: Settings, store: Store, show_key: Callable[[str], None] | None) -> _Keys:
    if show_key is not None:
        await make_first_key(store.keys, settings, show_key, now_ms())
    keyring = Keyring(settings_keys=settings_keys(settings), repository=store.keys, clock=now_ms)
    await keyring.refresh()
    return _Keys(signing=await signing_keys(settings, store.metadata), keyring=keyring)


def _build_services(settings: Settings, opened: _Opened, keys: _Keys, guard: AddressGuard) -> Services:
    """Give each service what it needs; nothing here waits or fails."""
    store, transports, spans = opened
    transport, webhook_transport = transports.providers, transports.webhooks
    notifier = CommitNotifier()
    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"  # of leases: this process and no other
    feed = _feed(settings, store, notifier)
    providers = _providers(settings)
    told = _Told(notifier, TaskReporter(make_metrics(settings, providers), spans))
    commits = GroupCommit(store.ledger, clock=now_ms, on_events=notifier.notify, reporter=told.reporter)
    durations = _durations(settings, store, providers)
    drafts = _drafts(settings, keys, guard, providers)
    submission = _submission(settings, store, transport, drafts, told, durations)
    poller = _poller(settings, store, transport, submission, notifier, durations)
    provider_keys = ProviderKeys(own=transports.own_keys, guarded=transports.guarded_keys, clock=now_ms)
    endpoints = EndpointService(endpoints=store.endpoints, clock=now_ms, on_due=notifier.notify)
    return Services(
        settings=settings,
        store=store,
        providers=providers,
        transport=transport,
        webhook_transport=webhook_transport,
        commits=commits,
        submission=submission,
        queue=QueueSender(submission=submission, queue=store.queue, clock=now_ms, on_events=notifier.notify),
        operator=_operator(settings, store, transport, told),
        lost_submits=_lost_submits(settings, store, transport),
        subscriptions=_subscriptions(settings, store, endpoints, webhook_transport),
        endpoints=endpoints,
        intake=_intake(settings, store, keys, commits, durations, provider_keys),
        reconciler=Reconciler(poller=poller, polls=store.polls, settings=settings.reconcile, owner=owner, clock=now_ms),
        manual_reconcile=_manual_reconcile(settings, store, poller, owner),
        durations=durations,
        deliverer=_deliverer(settings, store, webhook_transport, told, owner),
        replay=ReplayService(replays=store.replays, clock=now_ms, on_due=notifier.notify),
        pruner=_pruner(settings, store),
        feed=feed,
        readiness=Readiness(probe=store.check, clock=now_ms),
        metrics=told.reporter.metrics,
        reporter=told.reporter,
        snapshots=make_snapshots(settings, store, told.reporter.metrics, durations),
        commit_notifier=notifier,
        clock=now_ms,
        owner=owner,
        secret_keys=keys.signing,
        keyring=keys.keyring,
    )


def _feed(settings: Settings, store: Store, notifier: CommitNotifier) -> Feed:
    feed = Feed(event_log=store.events, task_states=store.tasks.states, max_streams=settings.streams.max_streams)
    notifier.subscribe(feed.wake)
    return feed


def _providers(settings: Settings) -> Mapping[str, ConfiguredProvider]:
    return {
        account.name: ConfiguredProvider(adapter=ADAPTERS[account.adapter], account=account)
        for account in settings.providers.accounts
    }


def _durations(settings: Settings, store: Store, providers: Mapping[str, ConfiguredProvider]) -> LearnedDurations:
    return LearnedDurations(
        repository=store.durations, providers=providers, speed=settings.providers.speed, clock=now_ms
    )


def _drafts(
    settings: Settings, keys: _Keys, guard: AddressGuard, providers: Mapping[str, ConfiguredProvider]
) -> TaskDrafter:
    url = settings.public_url
    return TaskDrafter(
        providers=providers,
        settings=settings.providers,
        guard=guard,
        callback_url=None if url is None else partial(make_callback_url, url, keys.signing),
        clock=now_ms,
        random_bytes=secrets.token_bytes,
        new_id=id_maker(secrets.token_bytes),
    )


def _submission(
    settings: Settings,
    store: Store,
    transport: Transport,
    drafts: TaskDrafter,
    told: _Told,
    durations: LearnedDurations,
) -> Submission:
    return Submission(
        submissions=store.submissions,
        queue=store.queue,
        accounts=store.accounts,
        drafts=drafts,
        providers=drafts.providers,
        transport=transport,
        settings=settings.providers,
        clock=now_ms,
        random=random,
        sleep=asyncio.sleep,
        reporter=told.reporter,
        first_poll_ms=durations.first_poll_ms,
        on_events=told.notifier.notify,
        on_queued=told.notifier.notify_queue,
    )


def _operator(settings: Settings, store: Store, transport: Transport, told: _Told) -> TaskOperator:
    return TaskOperator(
        tasks=store.tasks,
        submissions=store.submissions,
        ledger=store.ledger,
        accounts=store.accounts,
        audit=store.audit,
        transport=transport,
        clock=now_ms,
        speed=settings.providers.speed,
        on_events=told.notifier.notify,
        reporter=told.reporter,
    )


def _lost_submits(settings: Settings, store: Store, transport: Transport) -> LostSubmits:
    return LostSubmits(
        tasks=store.tasks,
        accounts=store.accounts,
        transport=transport,
        clock=now_ms,
        sleep=asyncio.sleep,
        speed=settings.providers.speed,
    )


def _intake(
    settings: Settings,
    store: Store,
    keys: _Keys,
    commits: GroupCommit,
    durations: LearnedDurations,
    provider_keys: ProviderKeys,
) -> Intake:
    return Intake(
        providers=durations.providers,
        keys=keys.signing,
        provider_keys=provider_keys,
        max_age_s=settings.callbacks.token_days * DAY_S,
        commits=commits,
        ledger=store.ledger,
        tasks=store.tasks,
        clock=now_ms,
        next_poll_of=durations.after_callback_ms,
        refresh=durations.refresh,
    )


def _poller(
    settings: Settings,
    store: Store,
    transport: Transport,
    submission: Submission,
    notifier: CommitNotifier,
    durations: LearnedDurations,
) -> Poller:
    return Poller(
        providers=submission.providers,
        settings=settings.providers,
        transport=transport,
        submission=submission,
        submissions=store.submissions,
        polls=store.polls,
        accounts=store.accounts,
        pauses=store.providers,
        durations=durations,
        lease_ms=round(settings.lease_s * 1000),
        clock=now_ms,
        random=random,
        on_events=notifier.notify,
    )


def _manual_reconcile(settings: Settings, store: Store, poller: Poller, owner: str) -> ManualReconcile:
    return ManualReconcile(
        poller=poller,
        polls=store.polls,
        accounts=store.accounts,
        audit=store.audit,
        settings=settings.reconcile,
        owner=owner,
        clock=now_ms,
    )


def _subscriptions(
    settings: Settings, store: Store, endpoints: EndpointService, transport: Transport
) -> SubscriptionService:
    return SubscriptionService(
        subscriptions=store.subscriptions,
        endpoints=endpoints,
        audit=store.audit,
        transport=transport,
        settings=settings.delivery,
        providers=tuple(account.name for account in settings.providers.accounts),
        public_url=settings.public_url,
        clock=now_ms,
        random_bytes=secrets.token_bytes,
        new_id=id_maker(secrets.token_bytes),
    )


def _deliverer(settings: Settings, store: Store, transport: Transport, told: _Told, owner: str) -> Deliverer:
    reporter = DeliveryReporter(told.reporter.metrics, told.reporter.spans)
    transport.on_reply = reporter.replied
    return Deliverer(
        outbox=store.outbox,
        transport=transport,
        settings=settings.delivery,
        owner=owner,
        lease_ms=round(settings.lease_s * 1000),
        public_url=settings.public_url,
        clock=now_ms,
        random=random,
        reporter=reporter,
        on_events=told.notifier.notify,
    )


def _pruner(settings: Settings, store: Store) -> Pruner:
    days = settings.retention
    return Pruner(
        repository=store.retention,
        events_days=days.events_days,
        attempts_days=days.attempts_days,
        observations_days=days.observations_days,
        clock=now_ms,
        guard=LeapGuard(store.engine),
    )


@asynccontextmanager
async def _marking(store: Store) -> AsyncIterator[None]:
    """Write the ledger's mark from time to time; the store writes the last one when it closes."""
    marking = asyncio.create_task(store.marks.run(every_s=MARK_EVERY_S))
    try:
        yield
    finally:
        marking.cancel()
        await asyncio.wait([marking])
