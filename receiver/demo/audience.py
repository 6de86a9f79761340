"""All who are told of ends: two subscriptions, the address in some tasks' own `notify`, a follower of the stream."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from receiver.demo.checking import Credentials
from receiver.demo.following import Follower
from receiver.demo.service import Service
from receiver.demo.showing import Shown
from receiver.demo.subscriber import RETRY_AFTER_S, Subscriber, open_subscribers
from receiver.demo.tally import Told, Way

#: What is asked for in POST /v1/subscriptions, beside the address.
WISHES: Mapping[Way, Mapping[str, Any]] = {
    Way.EVERYTHING: {"description": "everything", "asymmetric": True, "cloudevents": True},
    Way.FAILURES: {"description": "failures", "types": ["task.failed"]},
}


@dataclass(slots=True, kw_only=True, eq=False)
class Audience:
    """Open it with `open_audience`. `ids` are those of the subscriptions, once they are made."""

    subscribers: Mapping[Way, Subscriber]
    follower: Follower
    rotate_at: int
    ids: dict[Way, str] = field(default_factory=dict)

    @property
    def told(self) -> list[Told]:
        """What came by any way."""
        return [*self.follower.told, *(told for each in self.subscribers.values() for told in each.told)]

    @property
    def everything(self) -> Subscriber:
        return self.subscribers[Way.EVERYTHING]

    async def subscribe(self, service: Service) -> None:
        """The secrets come with the answers."""
        for way, wish in WISHES.items():
            made = await service.subscribe({"url": self.subscribers[way].url, **wish})
            self.ids[way] = made["id"]
            self.subscribers[way].held.append(_credentials(made))

    async def rotate(self, service: Service) -> None:
        """Both the secret before and the new one are right from now on."""
        self.everything.held.append(_credentials(await service.rotate_secret(self.ids[Way.EVERYTHING])))

    async def until_told(self, count: int) -> None:
        """Of so many ends, by the webhooks for everything."""
        while len(self.everything.event_ids) < count:
            self.everything.heard.clear()
            await self.everything.heard.wait()

    def shown(self) -> Shown:
        faults = {
            f"to {each.way.name.lower()} {fault}": count
            for each in self.subscribers.values()
            for fault, count in each.faults.items()
        }
        return Shown(
            retried_s=self.everything.waited_s,
            waited_s=self.subscribers[Way.FAILURES].waited_s,
            retry_after_s=RETRY_AFTER_S,
            asymmetric=len(self.everything.told),
            overlapping=self.everything.overlapping,
            resumed_at=self.follower.resumed_at,
            notified=len(self.subscribers[Way.NOTIFY].event_ids),
            faults=faults,
        )


@asynccontextmanager
async def open_audience(*, events: int, notify_secret: str) -> AsyncIterator[Audience]:
    """`events` are expected. The stream is dropped after a third of them, the secret rotated after a half."""
    async with open_subscribers() as subscribers:
        subscribers[Way.NOTIFY].held.append(Credentials(secret=notify_secret))
        yield Audience(subscribers=subscribers, follower=Follower(drop_at=events // 3), rotate_at=events // 2)


def _credentials(said: Mapping[str, Any]) -> Credentials:
    return Credentials(secret=said["secret"], public_key=said["public_key"])
