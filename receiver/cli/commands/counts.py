"""`whenfinal counts`: what is open, and since when."""

from receiver.cli.console import emit, show
from receiver.cli.display.count_tables import counts_parts
from receiver.cli.options import Json
from receiver.cli.remote import with_client
from receiver.runtime.clock import now_ms


def counts(*, as_json: Json = False) -> None:
    found = with_client(lambda client: client.counts())
    if as_json:
        emit(found.json_values())
    else:
        show(*counts_parts(found, now_ms()))
