"""What the repositories of a command that only reads are made of."""

import secrets

from receiver.runtime.clock import now_ms
from receiver.store.engine import Engine
from receiver.store.ids import id_maker
from receiver.webhooks.fan_out import FanOut


def fan_out_on(engine: Engine) -> FanOut:
    """What the repositories of tasks and deliveries need, because a view of deliveries first makes those that lack.

    Where that is not possible now, what is stored is shown.
    """
    return FanOut(engine, id_maker(secrets.token_bytes), now_ms, on_failure=lambda _: None)
