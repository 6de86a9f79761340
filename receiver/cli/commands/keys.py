"""`whenfinal keys`: who may use the API, with which scopes and limits."""

from collections.abc import Awaitable, Sequence
from typing import Annotated, Any

import typer

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import USAGE, CommandFailed, emit, show
from receiver.cli.display.key_tables import key_sheet, keys_table
from receiver.cli.each import do_each
from receiver.cli.ids import existing, read_ids
from receiver.cli.options import Json, Limit, Pair, enum_option, parse_pair, parsed_option
from receiver.cli.pages import Listed, listed, note_left_out
from receiver.cli.remote import with_client
from receiver.config.api_keys import Scope
from receiver.runtime.clock import now_ms
from submitter.api_keys import Key, KeysPage
from submitter.client.client import Client

KeyIds = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids of keys, key_…, or their names; - reads them from stdin.")
]

MISSING = "there is no key {} that works; see `whenfinal keys list`"

_PREFIX = "key_"


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who uses it; acts are noted under this name.")],
    *,
    scopes: Annotated[list[Scope] | None, enum_option(Scope, "--scope", "What it may do; may be repeated")] = None,
    providers: Annotated[
        list[str] | None,
        typer.Option("--provider", metavar="NAME", help="Only tasks of this provider; may be repeated."),
    ] = None,
    label: Annotated[
        Pair | None, parsed_option("--label", "NAME=VALUE", parse_pair, "Only tasks with this label.")
    ] = None,
    as_json: Json = False,
) -> None:
    if not scopes:
        raise CommandFailed(f"give --scope, at least one of {', '.join(Scope)}", status=USAGE)
    given: dict[str, Any] = {
        "scopes": [scope.value for scope in dict.fromkeys(scopes)],
        "providers": providers,
        "label": None if label is None else {label.name: label.value},
    }

    created = with_client(lambda client: client.keys.create(name, **given), creating=True)
    if as_json:
        emit(created.json_values())
    else:
        show(key_sheet(created, now_ms()), f"key, shown only now: {created.key}")


def list_keys(*, limit: Limit = ROWS_SHOWN, as_json: Json = False) -> None:
    async def work(client: Client) -> Listed[Key]:
        def page_after(most: int, cursor: str | None) -> Awaitable[KeysPage]:
            return client.keys.list(limit=most, cursor=cursor)

        return await listed(page_after, lambda page: page.keys, limit)

    found = with_client(work)
    if as_json:
        for each in found.rows:
            emit(each.json_values())
    else:
        show(keys_table(found.rows, now_ms()) if found.rows else "there is no key; the first start of serve makes one")
    note_left_out(found)


def revoke(key_ids: KeyIds, *, as_json: Json = False) -> None:
    async def work(client: Client, given: str) -> Key:
        found = given if given.startswith(_PREFIX) else await _id_of(client, given)
        return await existing(client.keys.revoke, found, missing=MISSING)

    def printed(revoked: Sequence[Key]) -> None:
        for each in revoked:
            emit(each.json_values()) if as_json else show(f"{each.id} ({each.name}) is revoked")

    do_each(read_ids(key_ids), work, printed)


async def _id_of(client: Client, name: str) -> str:
    """The id of the key of this name that works. Raise CommandFailed without one."""
    found = (await client.keys.list(name=name)).keys
    if not found:
        raise CommandFailed(MISSING.format(name))
    return found[0].id
