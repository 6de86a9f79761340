"""The ledger, the processes on it, the keys of the API and the settings in force."""

import platform
from importlib.metadata import version

from receiver.config.in_force import settings_in_force
from receiver.runtime.key_repository import FIRST_ID
from receiver.store.migrate import applied_migrations
from receiver.store.open import ledger_at
from receiver.web.dashboard.model import ledger_sheet
from receiver.web.dashboard.page import Page, View

KEYS_MOST = 100  # on the page; `GET /v1/keys` has all of them


async def show_ledger(view: View) -> Page:
    services, now_ms = view.services, view.now_ms
    store, settings = services.store, services.settings
    place = ledger_at(settings.database.url)
    facts = await store.engine.facts()
    processes, backup = await store.processes.all(), await store.backups.last()
    in_force = settings_in_force(settings)
    migrations = await applied_migrations(store.engine)
    values = {
        "place": str(place),
        "facts": facts,
        "size": ledger_sheet.size,
        "schema": migrations[-1],
        "retention": settings.retention,
        "pruned_ms": ledger_sheet.last_pruned_ms(processes),
        "backup": backup,
        "how_to_back_up": ledger_sheet.how_to_back_up(place),
        "stepped_back": store.stepped_back,
        "remarks": list(ledger_sheet.remarks(processes, backup, place, now_ms, facts.wal_bytes)),
        "processes": [(each, ledger_sheet.is_gone(each, now_ms), each.id == services.owner) for each in processes],
        "version": version("whenfinal"),
        "python": platform.python_version(),
        "set_keys": sorted(services.keyring.settings_keys, key=lambda key: key.name),
        "made_keys": await store.keys.page(limit=KEYS_MOST),
        "first_key": FIRST_ID,
        "given": [each for each in in_force if not each.is_default],
        "default": [each for each in in_force if each.is_default],
    }
    return Page(template="ledger.html", title="Ledger and keys", values=values)
