"""`whenfinal events`: list the events of the log from a cursor on, or follow them."""

from typing import Annotated

import typer

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.lists.events import list_events
from receiver.cli.options import FilterOptions, Json, Limit, filter_of, options_from

After = Annotated[
    int | None,
    typer.Option("--after", min=0, metavar="SEQ", help="Events after this number. Without it, the last ones."),
]


@options_from(FilterOptions)
def events(
    *,
    given: FilterOptions,
    after: After = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new events until Ctrl-C.")] = False,
    limit: Limit = ROWS_SHOWN,
    as_json: Json = False,
) -> None:
    list_events(filter_of(given), after=after, follow=follow, limit=limit, as_json=as_json)
