"""`whenfinal keys`: who may use the API, and with what limits."""

from collections.abc import Awaitable, Sequence
from typing import Annotated, get_args

import typer

from receiver.cli.command_list import ROWS_SHOWN
from receiver.cli.console import USAGE, CommandFailed, confirm, emit, show
from receiver.cli.display.key_tables import key_sheet, keys_table
from receiver.cli.each import do_each
from receiver.cli.ids import existing, read_ids
from receiver.cli.options import Json, Limit, Pair, Yes, enum_option, parse_pair, parsed_option
from receiver.cli.pages import Listed, listed, note_left_out
from receiver.cli.remote import with_client
from receiver.config.api_keys import Scope
from receiver.runtime.clock import now_ms
from submitter.api_keys import CreatedKey, Key, KeyScope, KeysPage
from submitter.client.client import Client

KeyName = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, dots, dashes and underscores.")]

KeyNames = Annotated[
    list[str],
    typer.Argument(metavar="KEY...", help="Names or ids of keys, key_…; - reads them from stdin, one a line."),
]

Scopes = Annotated[list[Scope] | None, enum_option(Scope, "--scope", "What it allows; may be repeated")]

Providers = Annotated[
    list[str] | None,
    typer.Option("--provider", metavar="NAME", help="Limit it to tasks of this provider; may be repeated."),
]

KeyLabel = Annotated[
    Pair | None,
    parsed_option("--label", "NAME=VALUE", parse_pair, "Limit it to tasks with this label, which its submits get."),
]

LONGEST_NAME = 64  # characters

MISSING = "there is no key {} that works; see `whenfinal keys list`"


def create(
    name: KeyName, *, scopes: Scopes = None, providers: Providers = None, label: KeyLabel = None, as_json: Json = False
) -> None:
    if not scopes:
        raise CommandFailed(f"--scope: is missing; give one or more of {', '.join(Scope)}", status=USAGE)
    words = [word for word in get_args(KeyScope) if word in scopes]
    limit = None if label is None else {label.name: label.value}

    async def work(client: Client) -> CreatedKey:
        return await client.keys.create(name, scopes=words, providers=providers, label=limit)

    made = with_client(work, creating=True)
    if as_json:
        emit(made.json_values())
    else:
        show(key_sheet(made, now_ms()), f"key, shown only now: {made.key}")


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
        show(keys_table(found.rows, now_ms()) if found.rows else "there is no key")
    note_left_out(found)


def revoke(key_names: KeyNames, *, yes: Yes = False, as_json: Json = False) -> None:
    names = read_ids(key_names)
    what = names[0] if len(names) == 1 else f"{len(names)} keys"
    confirm(f"Revoke {what}? Whatever uses it is refused within seconds.", yes=yes)

    async def work(client: Client, name: str) -> Key:
        named = (await client.keys.list(name=name)).keys if len(name) <= LONGEST_NAME else ()
        return await existing(client.keys.revoke, named[0].id if named else name, missing=MISSING)

    def printed(revoked: Sequence[Key]) -> None:
        for each in revoked:
            if as_json:
                emit(each.json_values())
            else:
                show(f"{each.name} ({each.id}) is revoked")

    do_each(names, work, printed)
