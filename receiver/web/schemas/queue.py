"""Query parameters of the queue."""

from typing import Annotated

from pydantic import Field

from receiver.runtime.example import PROVIDER
from receiver.web.schemas.tasks import DIGITS, Label, Name, Query


class QueueQuery(Query):
    provider: Name | None = Field(default=None, description="only the queue of this provider", examples=[PROVIDER])
    label: Label | None = Field(
        default=None, description="only tasks with this label, as name=value", examples=["film=1"]
    )
    limit: Annotated[int, Field(ge=1, le=1000), DIGITS] = Field(default=50, description="tasks at most", examples=[50])
