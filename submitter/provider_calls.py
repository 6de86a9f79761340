"""Send the calls of an adapter: each signed where the provider needs that, and a status query with its second call."""

from collections.abc import Callable

from submitter.http.messages import HttpCall, HttpReply, is_success
from submitter.http.transport import Transport
from submitter.model import ProviderTaskId, StatusOutcome
from submitter.providers.contract import Account, ConfiguredProvider
from submitter.providers.registry import FETCHES_RESULTS, SIGNS_REQUESTS

LEAST_S = 2.0  # for a second call, also where the first took all of the time


async def send_call(
    transport: Transport,
    call: HttpCall,
    account: Account,
    *,
    clock: Callable[[], int],
    timeout_s: float | None = None,
) -> HttpReply:
    """Send a call of the account's adapter. `clock` gives unix milliseconds. Raise a kind of TransportError."""
    signing = SIGNS_REQUESTS.get(account.adapter)
    ready = call if signing is None else signing.sign_request(call, account, clock())
    return await transport.send(ready, timeout_s=timeout_s)


async def query_status(
    transport: Transport,
    configured: ConfiguredProvider,
    provider_task_id: ProviderTaskId,
    *,
    clock: Callable[[], int],
    timeout_s: float | None = None,
) -> tuple[StatusOutcome, HttpReply]:
    """Query one task. Return what the provider says of it, and the last reply.

    Where the result needs a second call, that follows at once and outside the rate budget, because a provider keeps
    some results for an hour or less. Both calls share `timeout_s`, but the second has at least LEAST_S. Raise a kind of
    TransportError.
    """
    began_ms = clock()
    adapter, account = configured.adapter, configured.account
    call = adapter.build_status(provider_task_id, account)
    status = await send_call(transport, call, account, clock=clock, timeout_s=timeout_s)
    fetching = FETCHES_RESULTS.get(account.adapter)
    second = None
    if fetching is not None and is_success(status.status):
        second = fetching.build_result(provider_task_id, status, account)
    if fetching is None or second is None:
        return adapter.parse_status(provider_task_id, status, account), status
    left_s = None if timeout_s is None else max(LEAST_S, timeout_s - (clock() - began_ms) / 1000)
    result = await send_call(transport, second, account, clock=clock, timeout_s=left_s)
    return fetching.parse_result(provider_task_id, status, result, account), result
