"""A callback arrives: check whose it is, read it, and record it.

The checks run in this order so that an unauthenticated caller learns nothing about our tasks: nothing of a body is
believed before the token in the path or the provider's own signature was verified. HTTP statuses are decided in
`receiver.web.callbacks`; the provider is polled by `receiver.reconcile`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from receiver.callbacks.model import (
    Accepted,
    Admitted,
    CallbackToken,
    Challenged,
    IntakeOutcome,
    KeysUnavailable,
    Malformed,
    TokenError,
    Unauthenticated,
    UnknownProvider,
    read_callback_token,
)
from receiver.callbacks.provider_keys import KeysNotFetched, ProviderKeys
from receiver.tasks.group_commit import GroupCommit
from receiver.tasks.ledger import Ledger
from receiver.tasks.model.redaction import redact_observation
from receiver.tasks.model.task import IncomingObservation, Recorded, Task, TaskMismatch, UnknownTask, Verdict
from receiver.tasks.repository import TaskRepository
from submitter.errors import CallbackError, StaleCallback, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import ENDED, Observation, TaskState
from submitter.providers.contract import ConfiguredProvider
from submitter.providers.registry import ANSWERS_CHALLENGES, VERIFIES_BY_KEYS

#: States in which a poll is all that is needed; a submit in flight must not be taken for a lost one.
_POLLED = frozenset({TaskState.SUBMITTED, TaskState.RUNNING})

_UNPROVED = "neither a token of ours nor a provider signature"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intake:
    """One for a process."""

    providers: Mapping[str, ConfiguredProvider]
    #: Sign callback tokens; oldest to newest.
    keys: Sequence[str] = field(repr=False)
    provider_keys: ProviderKeys
    #: How old a callback token may be.
    max_age_s: int
    commits: GroupCommit
    ledger: Ledger
    tasks: TaskRepository
    clock: Callable[[], int]
    #: When a task that has not ended is polled after a callback, in unix milliseconds. It may never have been polled
    #: until now (uncertain, adopted).
    next_poll_of: Callable[[Task], int]
    #: Awaited before that is called, and raises nothing.
    refresh: Callable[[], Awaitable[None]]

    async def receive(self, provider: str, token: str | None, callback: Callback) -> IntakeOutcome:
        """Verify, read and record a callback.

        Return Accepted once it is durable, with what the ledger made of it. The other outcomes believed nothing:
        Challenged for a test of the address, KeysUnavailable where a repeat may be verified, UnknownProvider,
        Unauthenticated (also for a task that is not ours), Malformed, and TaskMismatch for a token of another task. A
        callback with a token of a task makes that task due when it is stale, unreadable or without keys.
        Raise StoreUnavailable when the callback could not be made durable.
        """
        admitted = self.admit(provider, token)
        return await self.take(admitted, callback) if isinstance(admitted, Admitted) else admitted

    def admit(self, provider: str, token: str | None) -> Admitted | Unauthenticated | UnknownProvider:
        """Decide by the address alone, before a byte of the body is read.

        Without a token only a signature over the body can prove a callback, so an account without a secret has no use
        for the body.
        """
        configured = self.providers.get(provider)
        if configured is None:
            return UnknownProvider()
        if token is None and configured.account.webhook_secret is None:
            return Unauthenticated(reason=_UNPROVED)
        read = self._read_token(provider, token, self.clock())
        return read if isinstance(read, Unauthenticated) else Admitted(configured=configured, token=read)

    async def take(self, admitted: Admitted, callback: Callback) -> IntakeOutcome:
        """Read and record a callback that was admitted; see `receive`."""
        configured, read = admitted.configured, admitted.token
        challenged = _challenge(configured, read, callback)
        if challenged is not None:
            return challenged
        try:
            is_verified = await self._is_verified_by_keys(configured, callback)
            observation = configured.adapter.parse_callback(callback, configured.account, self.clock())
        except UnreadableCallback as error:
            await self._make_due(configured, read)
            return Malformed(reason=str(error))
        except StaleCallback as error:
            await self._make_due(configured, read)
            return Unauthenticated(reason=str(error))
        except KeysNotFetched as error:
            await self._make_due(configured, read)
            return KeysUnavailable(reason=str(error))
        except CallbackError as error:
            return Unauthenticated(reason=str(error))
        if is_verified:
            observation = replace(observation, signature_verified=True)
        return await self._accept(configured, read, observation)

    async def _is_verified_by_keys(self, configured: ConfiguredProvider, callback: Callback) -> bool:
        """Whether the provider's public keys verify the callback. Raise CallbackError or KeysNotFetched."""
        adapter = VERIFIES_BY_KEYS.get(configured.account.adapter)
        return adapter is not None and await self.provider_keys.verify(adapter, callback, configured.account)

    async def leave_unread(self, admitted: Admitted, reason: str) -> Malformed:
        """Take a body that would cost too much to read as one that cannot be read."""
        await self._make_due(admitted.configured, admitted.token)
        return Malformed(reason=reason)

    async def _make_due(self, configured: ConfiguredProvider, token: CallbackToken | None) -> None:
        """Let the task of a verified token be polled at once.

        Its callback cannot be believed, because it is stale or cannot be read, but whoever sent it knows the task's
        address and, where a secret is configured, has signed it. Nothing of the body is used.
        """
        if token is None or token.task_id is None:
            return
        known = await self.tasks.task(token.task_id)
        if known is not None and known.provider == configured.account.name and known.state in _POLLED:
            await self.ledger.make_due([known.id], self.clock())

    def _read_token(self, provider: str, token: str | None, now_ms: int) -> CallbackToken | Unauthenticated | None:
        if token is None:
            return None
        try:
            read = read_callback_token(self.keys, token, now_s=now_ms // 1000, max_age_s=self.max_age_s)
        except TokenError:
            return Unauthenticated(reason="the token in the path is not ours or too old")
        if read.provider != provider:
            return Unauthenticated(reason="the token in the path was made for another provider")
        return read

    async def _accept(
        self, configured: ConfiguredProvider, token: CallbackToken | None, observation: Observation
    ) -> IntakeOutcome:
        if token is None and not observation.signature_verified:
            return Unauthenticated(reason=_UNPROVED)
        is_account_wide = token is not None and token.task_id is None
        if is_account_wide and not observation.signature_verified and not observation.without_result:
            return Unauthenticated(reason="an account-wide token counts only for messages without a result")
        if observation.state not in ENDED:
            await self.refresh()
        incoming = IncomingObservation(
            observation=redact_observation(observation, configured.account.secrets),
            expected_task_id=None if token is None else token.task_id,
            allow_adoption=observation.signature_verified and not configured.adapter.CAPABILITIES.account_callback,
            next_poll_of=None if observation.state in ENDED else self.next_poll_of,
        )
        if observation.without_result:
            return await self._accept_without_result(incoming)
        return await self._record(incoming)

    async def _record(self, incoming: IncomingObservation) -> IntakeOutcome:
        outcome = await self.commits.record(incoming)
        match outcome:
            case Recorded():
                return Accepted(verdict=outcome.verdict)
            case TaskMismatch():
                return outcome
            case UnknownTask():
                return Unauthenticated(reason="no such task")
            case _:
                assert_never(outcome)

    async def _accept_without_result(self, incoming: IncomingObservation) -> IntakeOutcome:
        """An end without its result does not end the task: the task becomes due, and a poll brings the result."""
        key, expected = incoming.observation.key, incoming.expected_task_id
        known = await self.tasks.task_by_key(key.provider, key.provider_task_id)
        if known is None:
            return await self._record(_as_running(incoming, self.clock()))
        if expected is not None and expected != known.id:
            reason = "the token was made for another task than the one reported"
            return TaskMismatch(expected_task_id=expected, reason=reason)
        if known.state in ENDED - {TaskState.EXPIRED}:
            return Accepted(verdict=Verdict.DUPLICATE, is_thin=True)
        await self.ledger.make_due([known.id], self.clock())
        return Accepted(verdict=Verdict.APPLIED, is_thin=True)


def _challenge(configured: ConfiguredProvider, token: CallbackToken | None, callback: Callback) -> Challenged | None:
    """The answer to a test of an address; only a verified token shows that the address is one of ours."""
    adapter = ANSWERS_CHALLENGES.get(configured.account.adapter)
    answer = None if adapter is None or token is None else adapter.challenge_answer(callback)
    return None if answer is None else Challenged(answer=answer)


def _as_running(incoming: IncomingObservation, now_ms: int) -> IncomingObservation:
    """What a message without a result proves: the task exists under this id. The poll at `now_ms` finds its end.

    For a task whose receipt was lost this is how its id becomes known. The provider's own word for the state stays.
    """
    running = replace(incoming.observation, state=TaskState.RUNNING, without_result=False)
    return replace(incoming, observation=running, next_poll_ms=now_ms, next_poll_of=None)
