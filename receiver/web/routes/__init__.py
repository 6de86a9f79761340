"""Every endpoint in literal tables, one module for each tag. A handler names the models of the query and the body."""

from receiver.web.endpoint import Endpoint
from receiver.web.routes.callbacks import CALLBACK_ROUTES
from receiver.web.routes.deliveries import DELIVERY_ROUTES
from receiver.web.routes.events import EVENT_ROUTES
from receiver.web.routes.keys import KEY_ROUTES
from receiver.web.routes.operations import OPERATION_ROUTES
from receiver.web.routes.queue import QUEUE_ROUTES
from receiver.web.routes.runs import RUN_ROUTES
from receiver.web.routes.service import SERVICE_ROUTES
from receiver.web.routes.subscriptions import SUBSCRIPTION_ROUTES
from receiver.web.routes.tasks import TASK_ROUTES

#: The tags of the description, in its order.
TAGS = {
    "tasks": "Submit tasks, wait for them, and see what happened to them.",
    "events": "Read events by cursor, in pages or as a stream.",
    "subscriptions": "Send events to addresses as signed webhooks.",
    "deliveries": "See each webhook and its attempts, and send it again.",
    "operations": "Poll providers now, cancel tasks, end the doubt about a submit, end pauses, and see what is open.",
    "runs": "Do the same to all tasks or deliveries that a filter finds.",
    "keys": "Say who may do what.",
    "callbacks": "What providers post to us.",
    "service": "Probes and this description.",
}

ROUTES: tuple[Endpoint, ...] = (
    *TASK_ROUTES,
    *QUEUE_ROUTES,
    *EVENT_ROUTES,
    *SUBSCRIPTION_ROUTES,
    *DELIVERY_ROUTES,
    *OPERATION_ROUTES,
    *RUN_ROUTES,
    *KEY_ROUTES,
    *CALLBACK_ROUTES,
    *SERVICE_ROUTES,
)
