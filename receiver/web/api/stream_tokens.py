"""Stream tokens, with which a browser follows events."""

import secrets
from collections.abc import Iterator

from receiver.events.model.query import EventFilter
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.limits import NOTHING, kept_filter
from receiver.web.problems import Kind, Problem, invalid
from receiver.web.schemas.keys import StreamConditions, StreamTokenRequest
from receiver.web.schemas.tasks import NoQuery
from receiver.web.stream_tokens import TOKEN_CAP, StreamToken, sign_token
from receiver.webhooks.model.endpoint import label_violations
from submitter import api_keys
from submitter.errors import Violation

NONCE_BYTES = 16


async def create_stream_token(context: RequestContext[NoQuery, StreamTokenRequest]) -> JsonAnswer:
    services, wanted, caller = context.services, context.body, context.caller
    if caller.key is None:
        raise Problem(Kind.CONFLICT, "A stream token belongs to an API key, and this request was sent without one.")
    violations = tuple(_violations(wanted.conditions, tuple(services.providers)))
    if violations:
        raise invalid(Kind.INVALID, *violations)
    conditions = kept_filter(_filter(wanted.conditions), caller.limits)
    if conditions == NOTHING:
        raise Problem(Kind.OUTSIDE_LIMITS, "Nothing that these conditions let through is within the limits of the key.")
    until_ms = services.clock() + wanted.ttl_s * 1000
    token = StreamToken(key=caller.key, conditions=conditions, until_ms=until_ms)
    text = sign_token(services.secret_keys, token, nonce=secrets.token_urlsafe(NONCE_BYTES))
    if len(text) > TOKEN_CAP:
        rule, accepted = "makes the token too long for an address", f"less, so that it has up to {TOKEN_CAP} characters"
        raise invalid(Kind.INVALID, Violation(field="conditions", rule=rule, accepted=accepted))
    return JsonAnswer(body=api_keys.StreamToken.model_validate({"token": text, "expires_at": until_ms}), status=201)


def _filter(wanted: StreamConditions) -> EventFilter:
    return EventFilter(
        types=frozenset(each.value for each in wanted.types),
        providers=frozenset(wanted.providers),
        models=frozenset(wanted.models),
        labels=wanted.labels,
    )


def _violations(wanted: StreamConditions, known: tuple[str, ...]) -> Iterator[Violation]:
    for place, name in enumerate(wanted.providers):
        if name not in known:
            accepted = ", ".join(known) or "none: no provider is configured"
            yield Violation(field=f"conditions.providers.{place}", rule="is not configured", accepted=accepted)
    for each in label_violations(wanted.labels):
        yield Violation(field=f"conditions.{each.field}", rule=each.rule, accepted=each.accepted)
