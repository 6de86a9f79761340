"""What is learned of how long tasks take: read it, and learn from tasks that have ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from receiver.reconcile.model.duration_rows import (
    begun_ms,
    finish_of,
    histogram_of,
    json_object_of,
    key_of,
    row_of,
    task_key,
)
from receiver.reconcile.model.durations import DurationKey, Finish, Histogram, learned
from receiver.store.engine import Row, Tx
from receiver.store.repository import Repository
from submitter.providers.contract import ConfiguredProvider

CURSOR = "durations"  # the counter that holds the number of the last event that was learned from

LEARN_AT_ONCE = 200  # events in one transaction; where more came, the newest are enough

OPEN_LOOKED_AT = 100  # open tasks of each provider

MOST_KEYS = 500  # that are stored; the models come from requests, so that there is no end to them

FORGOTTEN_AFTER_MS = 30 * 86_400_000  # without an end, a key makes room for another


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What one transaction learned."""

    ends: int = 0
    #: Ends whose times are impossible, because a clock was set.
    impossible: int = 0


class DurationRepository(Repository):
    """Each method is one transaction, or one read, and raises StoreUnavailable as a whole."""

    async def rows(self) -> dict[DurationKey, Row]:
        """What is stored, by key; `receiver.reconcile.model.duration_rows.histogram_of` reads a row."""
        return _by_key(await self._engine.read(lambda reader: reader.fetch_all("all_durations", limit=MOST_KEYS)))

    async def has_ends(self) -> bool:
        """Whether events came since the last call of `learn` in any process."""
        return await self._one("unlearned_events", dict) is not None

    async def learn(
        self, providers: Mapping[str, ConfiguredProvider], *, speed: float, now_ms: int, since_ms: int = 0
    ) -> Learned:
        """Learn from the tasks of these providers that are open, and from those that have ended since the last call.

        How long tasks took that began before `since_ms` is not known; see `finish_of`.
        """

        async def work(tx: Tx) -> Learned:
            # The row is locked until the commit, so that no two workers learn from the same end.
            cursor = await tx.fetch_one("lock_counter", name=CURSOR)
            newest = await tx.fetch_one("last_seq")
            if cursor is None or newest is None:
                return Learned()
            found = await _ends(
                tx, providers, after=cursor["value"], until=newest["value"], speed=speed, since_ms=since_ms
            )
            told = [each for each in found if each is not None]
            finishes = [each for each in told if each.is_plausible]
            await _save(
                tx, finishes, await _open_ages(tx, providers, speed=speed, now_ms=now_ms, since_ms=since_ms), now_ms
            )
            await tx.execute("set_counter", name=CURSOR, value=newest["value"])
            return Learned(ends=len(finishes), impossible=len(told) - len(finishes))

        return await self._engine.write(work)


async def _ends(
    tx: Tx, providers: Mapping[str, ConfiguredProvider], *, after: int, until: int, speed: float, since_ms: int
) -> list[Finish | None]:
    ended = await tx.fetch_all("ended_tasks", after=max(after, until - LEARN_AT_ONCE), until=until)
    tasks = [task for task in ended if task["provider"] in providers]
    if not tasks:
        return []
    reports = await tx.fetch_all("reported_ends", tasks=[task["id"] for task in tasks])
    by_task = {name: list(rows) for name, rows in groupby(reports, key=lambda row: row["task"])}
    return [
        finish_of(
            task,
            by_task.get(task["id"], ()),
            has_finish_times=providers[task["provider"]].adapter.CAPABILITIES.poll.has_finish_times,
            speed=speed,
            since_ms=since_ms,
        )
        for task in tasks
    ]


async def _open_ages(
    tx: Tx, providers: Mapping[str, ConfiguredProvider], *, speed: float, now_ms: int, since_ms: int
) -> dict[DurationKey, list[float]]:
    ages: dict[DurationKey, list[float]] = {}
    for provider in providers:
        ages[DurationKey(provider)] = []
        for row in await tx.fetch_all("open_tasks", provider=provider, now_ms=now_ms, limit=OPEN_LOOKED_AT):
            start_ms = begun_ms(row)
            if start_ms is not None and start_ms >= since_ms:
                key = task_key(row["provider"], row["model"], json_object_of(row["request"]))
                ages.setdefault(key, []).append((now_ms - start_ms) / 1000 * speed)
    return ages


async def _save(
    tx: Tx, finishes: Sequence[Finish], open_ages: Mapping[DurationKey, Sequence[float]], now_ms: int
) -> None:
    rows = _by_key(await tx.fetch_all("all_durations", limit=MOST_KEYS))
    if len(rows) >= MOST_KEYS:
        await tx.execute("forget_durations", before_ms=now_ms - FORGOTTEN_AFTER_MS)
    touched = [*open_ages, *(finish.key for finish in finishes)]
    providers = {key.provider for key in touched}
    levels = {level for level in rows if level.provider in providers}
    known: dict[DurationKey, Histogram] = {}
    for level in levels:
        histogram = histogram_of(rows[level])
        if histogram is not None:
            known[level] = histogram
    room = MOST_KEYS - len(rows)
    changed = []
    for key, histogram in sorted(learned(known, finishes, open_ages, now_ms).items()):
        if key not in rows:
            room -= 1
            if room < 0:
                continue
        changed.append(row_of(key, histogram))
    await tx.execute_many("set_durations", changed)


def _by_key(rows: Sequence[Row]) -> dict[DurationKey, Row]:
    return {key_of(row): row for row in rows}
