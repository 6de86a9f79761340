"""Python client of a running receiver.

    async with Client("http://127.0.0.1:8000", key) as client:
        task = await client.submit(provider="hiapi", video=Video(model="…", prompt="…"))
        task = await client.wait(task.id, timeout_s=900)

Every submit carries an idempotency key, so a request whose answer was lost is sent again and never paid for twice.

Events by cursor, each once, through restarts of either side if you store the cursor:

        async for event in client.events(after=cursor):
            cursor = event.seq  # store it together with what you did about the event

Webhooks, in any framework, from the headers and the unchanged bytes of the body:

    message = client.verify_webhook(request.headers, await request.body())  # Starlette, FastAPI
    message = client.verify_webhook(request.headers, request.get_data())  # Flask
    message = client.verify_webhook(request.headers, request.body)  # Django
    if isinstance(message, Event):
        ...
"""

from asyncio import to_thread
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, overload
from urllib.parse import quote

import httpx

from submitter.api import AnyEvent, Event, TaskEventType
from submitter.client.async_shell import Answer, Items, Resource, Shell
from submitter.client.calls import deliveries, events, keys, operations, results, runs, subscriptions, tasks
from submitter.client.exchange import base_of
from submitter.client.part_file import OnBytes, PartFile
from submitter.client.requests import checked_key
from submitter.client.webhooks import Webhooks


class Tasks(Resource):
    """Submit tasks, wait for them, find them and repair them."""

    submit = Answer(tasks.submit)
    wait = Answer(tasks.wait)
    get = Answer(tasks.get_task)
    list = Answer(tasks.list_tasks)
    all = Items(tasks.all_tasks)
    timeline = Answer(tasks.timeline)
    reconcile = Answer(tasks.reconcile_task)
    settle = Answer(tasks.settle)
    submit_many = Answer(tasks.submit_many)
    find = Answer(tasks.find)
    explain = Answer(tasks.explain)
    cancel = Answer(tasks.cancel)
    look = Answer(tasks.look)
    identify = Answer(tasks.identify)
    queue = Answer(tasks.queue)


class Events(Resource):
    """Read events. The object itself can be called: `client.events(after=…)`."""

    list = Answer(events.list_events)
    stored = Items(events.stored)
    follow = Items(events.follow)
    token = Answer(events.stream_token)

    @overload
    def __call__(
        self,
        *,
        after: int | None = None,
        follow: bool = True,
        types: Sequence[TaskEventType] = (),
        providers: Sequence[str] = (),
        models: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Event]: ...

    @overload
    def __call__(
        self,
        *,
        after: int | None = None,
        follow: bool = True,
        types: Sequence[str],
        providers: Sequence[str] = (),
        models: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[AnyEvent]: ...

    def __call__(
        self,
        *,
        after: int | None = None,
        follow: bool = True,
        types: Sequence[str] = (),
        providers: Sequence[str] = (),
        models: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[AnyEvent]:
        """Yield the events after a cursor, in order, each once. Store the `seq` of the last one as the next cursor.

        With `follow` it never ends: new events come as they happen, and a lost connection is replaced at the cursor.
        Without it, it ends at the newest event. `after` None means from now on with `follow`, and from the oldest
        stored event without it.

        All conditions must hold; of the values of one, any; of labels, each. No `types` means those about tasks. With
        `subscription.disabled` among them, SubscriptionDisabled comes as well as Event.

        Raise CursorExpired when events after the cursor are no longer stored, ReceiverRefused for a key or a condition
        that the receiver does not accept, and ReceiverUnreachable when the first connection fails or an answer is not a
        receiver's. If you leave the loop early, `contextlib.aclosing` closes the connection at once; otherwise the
        garbage collector does.
        """
        source = self.follow if follow else self.stored
        return source(after=after, types=types, providers=providers, models=models, labels=labels or {})


class Subscriptions(Resource):
    """Have events sent to addresses as signed webhooks."""

    create = Answer(subscriptions.create)
    list = Answer(subscriptions.list_subscriptions)
    all = Items(subscriptions.all_subscriptions)
    get = Answer(subscriptions.get_subscription)
    change = Answer(subscriptions.change)
    enable = Answer(subscriptions.enable)
    disable = Answer(subscriptions.disable)
    delete = Answer(subscriptions.delete)
    rotate_secret = Answer(subscriptions.rotate_secret)
    test = Answer(subscriptions.probe)
    resume = Answer(subscriptions.resume)
    replay = Answer(subscriptions.replay)


class Deliveries(Resource):
    """See webhooks and their attempts, and send them again."""

    list = Answer(deliveries.list_deliveries)
    all = Items(deliveries.all_deliveries)
    get = Answer(deliveries.get_delivery)
    redeliver = Answer(deliveries.redeliver)


class Endpoints(Resource):
    """The hosts that tasks name in `notify`."""

    list = Answer(deliveries.list_endpoints)
    all = Items(deliveries.all_endpoints)
    resume = Answer(deliveries.resume_endpoint)


class Providers(Resource):
    """The configured providers."""

    list = Answer(operations.list_providers)
    get = Answer(operations.get_provider)
    resume = Answer(operations.resume_provider)
    callback_address = Answer(operations.callback_address)
    models = Answer(operations.models_of_provider)


class Results(Resource):
    """The files of finished tasks, through the service."""

    chunks = Items(results.chunks)
    pieces = Items(results.pieces)

    async def download(
        self, task_id: str, place: str | PathLike[str], /, *, number: int = 0, on_bytes: OnBytes | None = None
    ) -> Path:
        """Download a file of a task and return its path. Number 0 is the first output.

        `place` is its path, or a folder in which it gets the name that the service has for it. Until it is whole it is
        called `.part`; if it breaks off, the next download goes on there. `on_bytes` is called with the bytes that are
        there and the size of the whole file, None where that is not known.

        Raise FileExistsError for a file that is there, FileChanged for a `.part` of something else, ReceiverRefused for
        a task without that file, ReceiverUnreachable when it breaks off again and again, and OSError of the disk.
        """
        with await to_thread(PartFile, place, f"{quote(task_id, safe='')}-{number}") as part:
            async with aclosing(self.pieces(task_id, number=number, start=part.size, known=part.known)) as pieces:
                async for piece in pieces:
                    await to_thread(part.write, piece)
                    if on_bytes is not None:
                        on_bytes(piece.at + len(piece.data), piece.size)
            return await to_thread(part.finish)


class Runs(Resource):
    """Acts on all that a filter finds, and their previews."""

    cancel_tasks = Answer(runs.cancel_tasks)
    refuse_tasks = Answer(runs.refuse_tasks)
    accept_candidates = Answer(runs.accept_candidates)
    reconcile_tasks = Answer(runs.reconcile_tasks)
    look_at_tasks = Answer(runs.look_at_tasks)
    redeliver_of_tasks = Answer(runs.redeliver_of_tasks)
    redeliver = Answer(runs.redeliver)
    preview = Answer(runs.preview)
    preview_redeliver = Answer(runs.preview_redeliver)
    list = Answer(runs.list_runs)
    all = Items(runs.all_runs)
    get = Answer(runs.get_run)
    wait = Answer(runs.wait)
    stop = Answer(runs.stop)


class Keys(Resource):
    """The keys of the API."""

    create = Answer(keys.create)
    list = Answer(keys.list_keys)
    all = Items(keys.all_keys)
    get = Answer(keys.get_key)
    revoke = Answer(keys.revoke)


class Client(Resource, Webhooks):
    """The API of a receiver at `url`, with an API key.

    `timeout_s` bounds each exchange, beside the time of a wait. A submit is answered when the provider has answered, so
    it must be longer than the receiver's own timeout for a provider. `webhook_secrets` are those of `verify_webhook`:
    `whsec_…` and `whpk_…`, both the old and the new one during a rotation. `transport` replaces the network. Raise
    ValueError for a URL, a key or a secret that is none.
    """

    submit = Answer(tasks.submit)
    task = Answer(tasks.get_task)
    wait = Answer(tasks.wait)
    reconcile = Answer(tasks.reconcile)
    health = Answer(operations.health)
    readiness = Answer(operations.readiness)
    models = Answer(operations.list_models)
    counts = Answer(operations.counts)
    checks = Answer(operations.checks)
    audit = Answer(operations.list_audit)

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = 90.0,
        webhook_secrets: Sequence[str] = (),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        Webhooks.__init__(self, webhook_secrets)
        self._http = httpx.AsyncClient(
            base_url=base_of(url),
            headers={"Authorization": f"Bearer {checked_key(key)}"},
            timeout=timeout_s,
            trust_env=False,  # a proxy of the environment must not see the key
            transport=transport,
        )
        shell = Shell(http=self._http, timeout_s=timeout_s)
        Resource.__init__(self, shell)
        self.tasks = Tasks(shell)
        self.events = Events(shell)
        self.subscriptions = Subscriptions(shell)
        self.deliveries = Deliveries(shell)
        self.endpoints = Endpoints(shell)
        self.providers = Providers(shell)
        self.results = Results(shell)
        self.runs = Runs(shell)
        self.keys = Keys(shell)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)
