"""Each provider's account: its rate budget, which polls and submits of all processes share, and its pauses.

Polls and submits are held back apart: a refused submit says nothing about polls. The limit of tasks in flight that the
provider has taught us is stored here too, so that all processes keep it.

The rate budget is a token bucket: one request takes one token, and tokens come back with time up to the burst.
"""

from dataclasses import dataclass, replace

from receiver.store.codec import RowCodec
from receiver.store.engine import NEVER_MS, Tx, Value
from receiver.store.repository import Repository
from submitter.providers.contract import Budget
from submitter.providers.schedule import MAX_CLOCK_SKEW_MS, latest_ms, refill, refilled_until

ALARM_CHARACTERS = 300  # of a provider's message in an alarm; longer ones are cut


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """A provider's rate budget, its pauses and what is learned from its refusals."""

    provider: str
    #: Requests left as of `refilled_ms`; below zero after requests that did not wait for the budget.
    tokens: float
    refilled_ms: int
    #: Of polls.
    paused_until_ms: int | None = None
    paused_reason: str | None = None
    #: Asks for an operator, because the provider denies polls. It ends with the pause of polls, not by time.
    alarm: str | None = None
    submits_paused_until_ms: int | None = None
    submits_paused_reason: str | None = None
    #: Asks for an operator, because the provider denies submits. It ends with a receipt or a person, not by time.
    submits_alarm: str | None = None
    #: When a submit was refused last, as far as that holds back submits; a receipt of an earlier POST changes nothing.
    submits_paused_since_ms: int | None = None
    #: Submits in a row that were refused for the moment or denied.
    submit_refusals: int = 0
    #: How many tasks in flight the provider took when it refused one more; None: it has refused none.
    learned_in_flight: int | None = None
    #: When that was learned or last raised.
    learned_ms: int | None = None
    #: When the pause was last extended; an answer to an earlier request does not end it.
    paused_since_ms: int | None = None

    @property
    def is_troubled(self) -> bool:
        """Polls have a pause or an alarm; the pause may be over."""
        return self.paused_until_ms is not None or self.alarm is not None

    @property
    def alarms(self) -> tuple[str, ...]:
        """What an operator must look into, of polls and of submits."""
        return tuple(each for each in (self.alarm, self.submits_alarm) if each is not None)

    def are_submits_held(self, now_ms: int) -> bool:
        return self.submits_paused_until_ms is not None and self.submits_paused_until_ms > now_ms


ACCOUNT_ROWS = RowCodec(AccountStatus)

account_of = ACCOUNT_ROWS.from_row


class ProviderAccountRepository(Repository):
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    async def consume(self, provider: str, *, budget: Budget, count: int, now_ms: int) -> AccountStatus:
        """Take `count` tokens, also when there are fewer; never below minus the burst. Return what is left.

        For what a person asks for, and for repeats of a POST. Polls and queued submits wait for the budget.
        """

        async def work(tx: Tx) -> AccountStatus:
            account = await refill_tokens(tx, provider, budget, now_ms)
            return await set_tokens(tx, account, max(account.tokens - count, -float(budget.burst)))

        return await self._engine.write(work)

    async def pause(self, provider: str, *, until_ms: int, reason: str, alarm: str | None, now_ms: int) -> None:
        """Send no polls to a provider until a time. A longer pause stays, and an alarm too."""
        pause = PollPause(until_ms=until_ms, reason=reason, alarm=alarm)
        await self._engine.write(lambda tx: pause_polls(tx, provider, pause, now_ms))

    async def submit_accepted(self, provider: str, *, sent_ms: int, now_ms: int, waited_s: float = 0.0) -> bool:
        """A receipt proves that the account takes submits: let them go again, and end their alarm.

        Return whether they were held back or had an alarm.

        `sent_ms`: when its POST was sent. A refusal since then says more than the receipt. `waited_s`: as in
        `Engine.write`.
        """
        found = await self._one("account_unlocked", account_of, provider=provider)
        if found is None or not (found.submit_refusals or found.submits_paused_until_ms or found.submits_alarm):
            return False
        before_ms = ends_before_ms(found.submits_paused_since_ms, sent_ms=sent_ms, now_ms=now_ms)

        async def work(tx: Tx) -> int:
            return await tx.execute_and_count("resume_submits", provider=provider, before_ms=before_ms)

        is_ended = bool(await self._engine.write(work, waited_s=waited_s))
        return is_ended and bool(found.submits_paused_until_ms or found.submits_alarm)

    async def pull_back(self, *, now_ms: int, longest_pause_ms: int, longest_hold_ms: int) -> int:
        """End pauses of polls and holds of submits that a clock set which was ahead; return of how many accounts.

        They lie further ahead than the longest one, or began later than now. A limit that was learned then counts
        from now. Alarms stay.
        """

        async def work(tx: Tx) -> int:
            return await tx.execute_and_count(
                "pull_back_account",
                now_ms=now_ms,
                latest_ms=latest_ms(now_ms, longest_pause_ms),
                latest_hold_ms=latest_ms(now_ms, longest_hold_ms),
                ahead_ms=latest_ms(now_ms, 0),
            )

        return await self._engine.write(work)

    async def all(self) -> list[AccountStatus]:
        """Every account that was used or paused so far, by name."""
        return await self._all("all_accounts", account_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPause:
    """No polls until a time; with an alarm where an operator must act."""

    until_ms: int
    reason: str
    alarm: str | None


async def pause_polls(tx: Tx, provider: str, pause: PollPause, now_ms: int) -> tuple[AccountStatus, AccountStatus]:
    """Send no polls to a provider. Return the account before and after; its row is locked."""
    await tx.execute("open_account", provider=provider, tokens=0.0, now_ms=now_ms)
    before = account_of(await tx.fetch_one("account", provider=provider) or {})
    params: dict[str, Value] = {"until_ms": pause.until_ms, "reason": pause.reason, "alarm": pause.alarm}
    await tx.execute("pause_account", provider=provider, now_ms=now_ms, **params)
    return before, account_of(await tx.fetch_one("account", provider=provider) or {})


def ends_before_ms(since_ms: int | None, *, sent_ms: int, now_ms: int) -> int:
    """A good answer to a request sent at `sent_ms` ends the hold or pause that began, `since_ms`, before this time.

    One that began later stays: the answer says nothing about it. One that lies ahead was stored before the clock was
    set back, and ends.
    """
    is_ahead = since_ms is not None and since_ms > now_ms + MAX_CLOCK_SKEW_MS
    return NEVER_MS if is_ahead else sent_ms


async def refill_tokens(tx: Tx, provider: str, budget: Budget, now_ms: int) -> AccountStatus:
    """The account with its tokens as of now, its row locked until the transaction ends; new accounts start full.

    The tokens that came back are not stored: `set_tokens` stores what is left of them.
    """
    row = await tx.fetch_one("account", provider=provider)
    if row is None:
        await tx.execute("open_account", provider=provider, tokens=float(budget.burst), now_ms=now_ms)
        row = await tx.fetch_one("account", provider=provider)
    account = account_of(row or {})
    refilled_ms = refilled_until(account.refilled_ms, now_ms)
    if refilled_ms < account.refilled_ms:
        # Stored at once, because the clock was set back: an empty budget would stay empty until it has caught up.
        await set_tokens(tx, replace(account, refilled_ms=refilled_ms), account.tokens)
    tokens = refill(account.tokens, account.refilled_ms, now_ms, budget)
    return replace(account, tokens=tokens, refilled_ms=refilled_ms)


async def set_tokens(tx: Tx, account: AccountStatus, tokens: float) -> AccountStatus:
    """Store what is left of an account's tokens."""
    await tx.execute("set_tokens", provider=account.provider, tokens=tokens, refilled_ms=account.refilled_ms)
    return replace(account, tokens=tokens)


async def store_account(tx: Tx, account: AccountStatus) -> None:
    """Store an account that `refill_tokens` returned, as a whole."""
    await tx.execute("update_account", **ACCOUNT_ROWS.to_row(account))
