"""Request bodies and query parameters about the hosts of `notify`."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from receiver.web.schemas.tasks import NEXT_CURSOR, PageLimit, Query, RequestBody
from receiver.webhooks.model.endpoint import NOTIFY_URL_CAP
from receiver.webhooks.model.endpoint_status import notify_host


class WhichEndpoints(StrEnum):
    ALL = "all"
    FAILING = "failing"


def _host(text: str) -> str:
    try:
        return notify_host(text)
    except ValueError:
        raise PydanticCustomError("host", "is not the address of a host, such as https://hooks.example.com") from None


#: Any URL on the host will do.
NotifyHost = Annotated[str, StringConstraints(max_length=NOTIFY_URL_CAP), AfterValidator(_host)]


class EndpointsQuery(Query):
    which: WhichEndpoints = Field(
        default=WhichEndpoints.ALL, description="all, or only those with trouble", examples=["failing"]
    )
    limit: PageLimit = 50
    cursor: (
        Annotated[str, StringConstraints(max_length=NOTIFY_URL_CAP, pattern=r"^https?://[^\s\x00-\x1f]+$")] | None
    ) = Field(default=None, description=NEXT_CURSOR, examples=["https://hooks.example.com"])


class ResumeEndpointRequest(RequestBody):
    """The host, or any URL on it. With `dead_letters` its dead letters are sent again as well."""

    endpoint: NotifyHost
    dead_letters: bool = False
