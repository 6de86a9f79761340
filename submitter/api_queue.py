"""The bodies of the HTTP API about the queue, as models. Pure. See `submitter.api`."""

from submitter.api import ApiModel, QueuePlace, Task, Time


class QueuedTask(Task):
    """A task that waits for room at its account, since `waits_since`, and its place."""

    waits_since: Time
    queue: QueuePlace


class QueueLength(ApiModel):
    """How many tasks of an account are queued, and since when the first of them.

    Until `held_until` no task of the account is sent, because of `held_reason`; null: they are sent as there is room.
    """

    provider: str
    depth: int
    oldest_at: Time
    held_until: Time | None
    held_reason: str | None


class QueueAnswer(ApiModel):
    """`tasks` are queued, account by account, in the order in which they are sent; with `has_more` there are more.

    `queues` has a line for each account that queued tasks wait for.
    """

    tasks: tuple[QueuedTask, ...]
    has_more: bool
    queues: tuple[QueueLength, ...]
