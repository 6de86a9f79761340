"""API keys: who may do what."""

from receiver.config.api_keys import Scope
from receiver.web.api import keys
from receiver.web.endpoint import Endpoint
from submitter import api_keys

KEY_ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/v1/keys",
        handle=keys.create_key,
        name="createKey",
        tag="keys",
        summary="Create an API key",
        description="The key is in this answer and in no later one, because only its digest is kept. It works at once, "
        "and can have no scope that the key of the request has not.",
        scope=Scope.OPERATE,
        answers={201: api_keys.CreatedKey},
        problems=(409,),
    ),
    Endpoint(
        method="GET",
        path="/v1/keys",
        handle=keys.list_keys,
        name="listKeys",
        tag="keys",
        summary="List the API keys",
        description="Those of the settings, then those that were created, the newest first. Keys that were revoked are "
        "listed for 90 days.",
        scope=Scope.OPERATE,
        answers={200: api_keys.KeysPage},
    ),
    Endpoint(
        method="GET",
        path="/v1/keys/{id}",
        handle=keys.show_key,
        name="getKey",
        tag="keys",
        summary="Get an API key",
        description="What it may do and when it was used last; never the key.",
        scope=Scope.OPERATE,
        answers={200: api_keys.Key},
    ),
    Endpoint(
        method="DELETE",
        path="/v1/keys/{id}",
        handle=keys.revoke_key,
        name="revokeKey",
        tag="keys",
        summary="Revoke an API key",
        description="It stops working in this process at once, and in every other one within a few seconds, and so do "
        "its sessions, streams and stream tokens. A key of the settings is not revoked here, and neither is the last "
        "one that may create another.",
        scope=Scope.OPERATE,
        answers={200: api_keys.Key},
        problems=(409,),
    ),
)
