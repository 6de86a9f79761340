"""Who follows the stream of events: the Python client, its connection dropped once, and the cursor that it kept."""

from contextlib import aclosing
from dataclasses import dataclass, field

from receiver.demo.tally import Told, Way
from submitter import Client, Event


@dataclass(slots=True, kw_only=True)
class Follower:
    """`seqs` is every number in the order of its coming. `resumed_at`: the cursor kept over the dropped connection."""

    drop_at: int
    seqs: list[int] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    resumed_at: int | None = None

    @property
    def cursor(self) -> int:
        return self.seqs[-1] if self.seqs else 0

    async def follow(self, client: Client) -> None:
        """From the first event on, for ever. The connection is dropped once `drop_at` events have come."""
        while True:
            async with aclosing(client.events(after=self.cursor, follow=True)) as events:
                async for event in events:
                    self._book(event)
                    if self.resumed_at is None and len(self.seqs) >= self.drop_at:
                        self.resumed_at = self.cursor
                        break

    def _book(self, event: Event) -> None:
        self.seqs.append(event.seq)
        task = event.task
        if task.final_at is None:  # task.overdue
            return
        told = Told(
            way=Way.STREAM,
            seq=event.seq,
            event_id=event.event_id,
            task=task.id,
            provider=task.provider,
            task_id=task.task_id,
            state=task.state.value,
        )
        self.told.append(told)
