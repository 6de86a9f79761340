"""API keys: create, list, show and revoke them. Those of the settings are shown, and changed in the settings alone."""

from collections.abc import Iterator
from contextlib import suppress

from receiver.config.api_keys import ApiKeyDigest, Limits
from receiver.runtime.key_repository import KeyRefused, StoredKey
from receiver.runtime.keys import digest_of, new_api_key
from receiver.store.errors import StoreError
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.problems import Kind, Problem, invalid, not_found
from receiver.web.schemas.keys import CreateKeyRequest, KeysQuery
from receiver.web.schemas.tasks import NoBody, NoQuery
from receiver.webhooks.model.endpoint import label_violations
from submitter.api_keys import CreatedKey, Key, KeysPage
from submitter.errors import Violation

#: Before the name of a key of the settings, which has no other id.
SETTING = "setting_"


async def create_key(context: RequestContext[NoQuery, CreateKeyRequest]) -> JsonAnswer:
    services, wanted = context.services, context.body
    violations = tuple(_violations(wanted, tuple(services.providers)))
    if violations:
        raise invalid(Kind.INVALID, *violations)
    missing = sorted(set(wanted.scopes) - context.caller.scopes)
    if missing:
        detail = f"A key cannot give more than it has: {context.caller.name} has not the scope {' and '.join(missing)}."
        raise Problem(Kind.FORBIDDEN, detail)
    if any(each.name == wanted.name for each in services.keyring.settings_keys):
        raise Problem(Kind.CONFLICT, f"There is a key {wanted.name} in the settings. Take another name.")
    now_ms, key = services.clock(), new_api_key()
    stored = StoredKey(
        id=services.store.keys.new_key_id(now_ms),
        name=wanted.name,
        scopes=frozenset(wanted.scopes),
        limits=Limits(
            providers=None if wanted.providers is None else frozenset(wanted.providers),
            label=None if wanted.label is None else _pair(wanted.label),
        ),
        sha256=digest_of(key),
        created_ms=now_ms,
        created_by=context.actor,
    )
    refused = await services.store.keys.add(stored, now_ms=now_ms)
    if refused is not None:
        raise Problem(Kind.CONFLICT, refused.reason)
    with suppress(StoreError):  # the key is stored, and is looked up where it is not known yet
        await services.keyring.refresh()
    headers = {"Location": f"/v1/keys/{stored.id}"}
    return JsonAnswer(body=CreatedKey(**dict(_view(stored)), key=key), status=201, headers=headers)


async def list_keys(context: RequestContext[KeysQuery, NoBody]) -> JsonAnswer:
    query, keys = context.query, context.services.store.keys
    settings_keys = [_view(key) for key in context.services.keyring.settings_keys]
    if query.name is not None:
        living = await keys.living(query.name)
        named = [each for each in settings_keys if each.name == query.name]
        return JsonAnswer(body=KeysPage(keys=(*named, *([] if living is None else [_view(living)])), next_cursor=None))
    page = await keys.page(limit=query.limit, cursor=query.cursor)
    first = settings_keys if query.cursor is None else []
    return JsonAnswer(body=KeysPage(keys=(*first, *map(_view, page.items)), next_cursor=page.next_cursor))


async def show_key(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    found = _of_settings(context) or await context.services.store.keys.find(context.path_param("id"))
    if found is None:
        raise not_found("key")
    return JsonAnswer(body=_view(found))


async def revoke_key(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    """Answer with the key as it is then; one that was revoked before is answered in the same way."""
    services = context.services
    of_settings = _of_settings(context)
    if of_settings is not None:
        detail = f"{of_settings.name} stands in WHENFINAL_API_KEYS: take it out there, and start the service again."
        raise Problem(Kind.CONFLICT, detail)
    revoked = await services.store.keys.revoke(
        context.path_param("id"),
        settings_keys=services.keyring.settings_keys,
        actor=context.actor,
        now_ms=services.clock(),
    )
    if isinstance(revoked, KeyRefused):
        raise Problem(Kind.CONFLICT, revoked.reason)
    if revoked is None:
        raise not_found("key")
    await services.keyring.refresh()
    return JsonAnswer(body=_view(revoked))


def _of_settings(context: RequestContext[NoQuery, NoBody]) -> ApiKeyDigest | None:
    wanted = context.path_param("id")
    return next((key for key in context.services.keyring.settings_keys if f"{SETTING}{key.name}" == wanted), None)


def _violations(wanted: CreateKeyRequest, known: tuple[str, ...]) -> Iterator[Violation]:
    for place, name in enumerate(wanted.providers or ()):
        if name not in known:
            accepted = ", ".join(known) or "none: no provider is configured"
            yield Violation(field=f"providers.{place}", rule="is not configured", accepted=accepted)
    if wanted.label is not None:
        for each in label_violations(dict([_pair(wanted.label)])):
            yield Violation(field="label", rule=each.rule, accepted=each.accepted)


def _pair(label: str) -> tuple[str, str]:
    name, _, value = label.partition("=")
    return name, value


def _view(key: ApiKeyDigest) -> Key:
    stored = key if isinstance(key, StoredKey) else None
    providers, label = key.limits.providers, key.limits.label
    return Key.model_validate(
        {
            "id": f"{SETTING}{key.name}" if key.id is None else key.id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "providers": None if providers is None else sorted(providers),
            "label": None if label is None else "=".join(label),
            "created_at": None if stored is None else stored.created_ms,
            "created_by": None if stored is None else stored.created_by,
            "last_used_at": None if stored is None else stored.last_used_ms,
            "revoked_at": None if stored is None else stored.revoked_ms,
            "is_setting": stored is None,
        }
    )
