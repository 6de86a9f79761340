"""See the queue."""

from receiver.config.api_keys import Scope
from receiver.web.api import queue
from receiver.web.endpoint import Endpoint
from submitter import api_queue

QUEUE_ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/v1/queue",
        handle=queue.list_queue,
        name="listQueue",
        tag="tasks",
        summary="List queued tasks",
        description="In the order in which they are sent, each with its place, and how long each queue is.",
        scope=Scope.READ,
        keeps_limits=True,
        answers={200: api_queue.QueueAnswer},
    ),
)
