"""Receive callbacks. Nobody needs a key; a token or a signature proves the provider."""

from receiver.web import callbacks
from receiver.web.endpoint import Endpoint
from submitter import api_service

CALLBACK = Endpoint(
    method="POST",
    path="/callbacks/{provider}/{token}",
    handle=callbacks.receive_callback,
    name="receiveCallback",
    tag="callbacks",
    summary="Receive a provider's callback",
    description="The address that the provider was given with the submit. It answers 2xx only after the "
    "observation is committed: 204 when the task changed, 200 when it did not.",
    body_types=callbacks.CALLBACK_TYPES,
    answers={200: api_service.CallbackVerdict, 204: None},
    problems=(401, 404, 409, 413, 503),
)

SIGNED_CALLBACK = Endpoint(
    method="POST",
    path="/callbacks/{provider}",
    handle=callbacks.receive_callback,
    name="receiveSignedCallback",
    tag="callbacks",
    summary="Receive a provider's signed callback",
    description="For providers that sign: without a token, the callback must carry a valid signature of the "
    "provider. Answers are those of `receiveCallback`.",
    body_types=callbacks.CALLBACK_TYPES,
    answers={200: api_service.CallbackVerdict, 204: None},
    problems=(401, 404, 409, 413, 503),
)

CALLBACK_ROUTES: tuple[Endpoint, ...] = (CALLBACK, SIGNED_CALLBACK)
