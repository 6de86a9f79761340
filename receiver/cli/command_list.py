"""The list of the commands, with their help: literals, which typer reads and the help of the top level prints."""

HELP = "One service that turns any asynchronous video provider into one reliable completion event."

ROWS_SHOWN = 50  # of a listing, without --limit

_MIGRATE_HELP = """Create the ledger, bring it up to date, or copy it to another database.

Stop serve, web and worker first.
Without --from and --to it updates the schema. A process of an older version may fail until it is restarted.
A copy needs both ledgers to itself. The old ledger is not changed.
"""

_BACKUP_HELP = """Copy a SQLite ledger to a new file while it is in use, and check the copy.

The time and the place are noted in the ledger, and the dashboard shows them.
With --made only the note is made, for a copy that another program has made, such as pg_dump.
"""

_DEMO_HELP = """Run the whole service against simulated providers with faults.

At the end it counts what came out. Exit 1 if a task was lost, doubled or paid twice; each is named.
"""

_SETTLE_HELP = """Settle an uncertain submit without paying again, or end an unfinished task.

Say what you found at the provider: the id of the task, that it was never created, or how it ended.
With --look the provider's list is searched for it; without ID, for every uncertain submit.
--refused and --look also take filters in place of ids: the tasks are counted first, and you confirm.
"""

_CANCEL_HELP = """Take tasks out of the queue, or ask their providers to cancel them. Each end is reported as any other.

Name the tasks by their ids, or choose them by filters: they are counted first, and you confirm.
"""

_RECONCILE_HELP = """Poll the providers about unfinished tasks, due or not. Exit 1 when one gave no usable answer.

Name the tasks by their ids, or choose them by filters; without both, every unfinished task is polled.
"""

_LISTEN_HELP = """Get webhooks on this machine while it runs, and show each with its signature checked.

It makes a subscription of its own, and removes it when it ends.
With --forward-to your program gets each webhook as it came, and the service gets its answer.
"""

_REDELIVER_HELP = """Make deliveries due again, with all their attempts. A running worker sends them.

Name them, or give a filter: without --state it finds dead letters.
"""

#: Every command: its words, its function below `receiver.cli`, and its help, whose first sentence stands in the list.
#: The help stands here and not at the function, so that `whenfinal --help` imports neither a command nor typer.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("serve", "commands.serve:serve", "Run everything in one process: the API, callbacks, polling and webhooks."),
    ("web", "commands.serve:web", "Run the API and the callbacks. A worker beside it polls and delivers."),
    (
        "worker",
        "commands.serve:worker",
        "Run polling and webhooks, on the same ledger as `web`.",
    ),
    ("migrate", "commands.migrate:migrate", _MIGRATE_HELP),
    ("backup", "commands.backup:backup", _BACKUP_HELP),
    (
        "submit",
        "commands.submit:submit",
        "Submit one task or many. Exit 1 when one is refused, uncertain or, with --wait, does not succeed.",
    ),
    (
        "reconcile",
        "commands.reconcile:reconcile",
        _RECONCILE_HELP,
    ),
    (
        "events",
        "commands.events:events",
        "List events in their order. With --follow it prints new events until it is stopped.",
    ),
    ("listen", "commands.listen:listen", _LISTEN_HELP),
    (
        "replay",
        "commands.replay:replay",
        "Make a range of events due again for a subscription. A running worker sends them, each under its old id.",
    ),
    (
        "doctor",
        "commands.doctor:doctor",
        "Check settings, database, clock, provider keys and public URL. Exit 1 when something must be fixed.",
    ),
    (
        "simulate",
        "commands.simulate:simulate",
        "Serve the simulated platforms. Prints the settings for a receiver that uses them.",
    ),
    (
        "counts",
        "commands.counts:counts",
        "Count what is open, and say since when: tasks by provider and state, deliveries, subscriptions.",
    ),
    ("alerts", "commands.monitoring:alerts", "Print alert rules for Prometheus."),
    ("grafana", "commands.monitoring:grafana", "Print a dashboard that Grafana imports."),
    ("demo", "demo.command:demo", _DEMO_HELP),
    ("version", "program:version", "Print the version."),
    ("tasks list", "commands.task_list:list_tasks", "List tasks, newest first."),
    ("tasks show", "commands.tasks:show_task", "Show all of one task, or a line for each of many."),
    (
        "tasks find",
        "commands.tasks:find",
        "Find tasks by any id, an idempotency key or a label. Exit 1 when nothing is found.",
    ),
    (
        "tasks explain",
        "commands.tasks:explain",
        "Show everything that happened to a task, what happens next, and what you can do.",
    ),
    (
        "tasks settle",
        "commands.settle:settle",
        _SETTLE_HELP,
    ),
    (
        "tasks cancel",
        "commands.tasks:cancel",
        _CANCEL_HELP,
    ),
    (
        "tasks download",
        "commands.download:download",
        "Download the files of finished tasks. Run it again to resume an interrupted download.",
    ),
    (
        "providers list",
        "commands.providers:list_providers",
        "List the configured providers with their queue, tasks in flight, rate budget, pauses and alarms.",
    ),
    (
        "providers show",
        "commands.providers:show_provider",
        "Show a provider with what was learned: how long its tasks take by model, and how many callbacks do not come.",
    ),
    (
        "providers resume",
        "commands.providers:resume",
        "End the pause of polls, the hold of submits and the alarms of a provider. A running worker goes on at once.",
    ),
    (
        "providers models",
        "commands.providers:list_models",
        "List the models that `video` takes at the configured providers, each with its limits.",
    ),
    (
        "callbacks address",
        "commands.providers:callback_address",
        "Show the address for all callbacks of a provider's account, and the steps that set it up there.",
    ),
    (
        "subscriptions create",
        "commands.subscriptions:create",
        "Subscribe an address to events. Without conditions it gets every event about a task.",
    ),
    (
        "subscriptions list",
        "commands.subscriptions:list_subscriptions",
        "List subscriptions, newest first, with the problem of each.",
    ),
    (
        "subscriptions show",
        "commands.subscriptions:show_subscription",
        "Show subscriptions and their pending deliveries, without their secrets.",
    ),
    (
        "subscriptions change",
        "commands.subscriptions:change",
        "Change the given options; others stay as they are. A given condition replaces the old one.",
    ),
    (
        "subscriptions disable",
        "commands.subscriptions:disable",
        "Disable subscriptions. They get no new deliveries, and their pending deliveries wait.",
    ),
    (
        "subscriptions enable",
        "commands.subscriptions:enable",
        "Enable subscriptions and reset their failures. A running worker sends their pending deliveries.",
    ),
    (
        "subscriptions delete",
        "commands.subscriptions:delete",
        "Delete a subscription. Its pending deliveries become dead letters.",
    ),
    (
        "subscriptions rotate-secret",
        "commands.subscriptions:rotate_secret",
        "Give a subscription a new secret. Until the overlap ends, webhooks are signed with both.",
    ),
    (
        "subscriptions test",
        "commands.subscriptions:probe",
        "Send signed tests now and show the answers. A delivered one closes the breaker; else the exit status is 1.",
    ),
    (
        "subscriptions resume",
        "commands.subscriptions:resume",
        "Enable disabled subscriptions, close their breakers and make their pending deliveries due.",
    ),
    (
        "endpoints list",
        "commands.endpoints:list_endpoints",
        "List the hosts that tasks name in `notify`, with breaker, pending deliveries and dead letters.",
    ),
    (
        "endpoints resume",
        "commands.endpoints:resume",
        "Close the breaker of a host of `notify` and make its pending deliveries due.",
    ),
    ("deliveries list", "commands.deliveries:list_deliveries", "List webhook deliveries, newest first."),
    ("deliveries show", "commands.deliveries:show_delivery", "Show deliveries with every attempt."),
    (
        "deliveries redeliver",
        "commands.redeliver:redeliver",
        _REDELIVER_HELP,
    ),
    (
        "keys create",
        "commands.keys:create",
        "Create an API key and show it once. It works at once, and only its digest is kept.",
    ),
    ("keys list", "commands.keys:list_keys", "List the API keys with their scopes, limits and last use."),
    (
        "keys revoke",
        "commands.keys:revoke",
        "Revoke API keys. Every process refuses them within a few seconds, and their streams end.",
    ),
    (
        "runs list",
        "commands.runs:list_runs",
        "List acts on many tasks or deliveries, newest first.",
    ),
    ("runs show", "commands.runs:show_run", "Show how far runs are, and what became of their items."),
    ("runs stop", "commands.runs:stop_run", "Stop runs. Each ends after the items that it works on."),
)

#: Commands that run without typer where nothing stands behind their words: they only read, and all their options have
#: a default.
SHORT: dict[str, str] = {
    "tasks list": "lists.newest:list_newest_tasks",
    "events": "lists.events:list_newest_events",
    "deliveries list": "lists.deliveries:list_newest_deliveries",
}

GROUPS: dict[str, str] = {
    "tasks": "Show and find tasks, and settle, cancel or download them.",
    "providers": "Show the providers' accounts, and end a pause.",
    "callbacks": "Show where the callbacks of a provider's account come.",
    "subscriptions": "Manage which endpoint gets which events.",
    "endpoints": "Show the hosts that tasks name in `notify`, and resume one.",
    "deliveries": "Show webhook deliveries, and redeliver them.",
    "runs": "Show acts on many tasks or deliveries, and stop one.",
    "keys": "Create, list and revoke API keys.",
}


#: Commands that work on this machine and its settings. The others use the API: of a running service, or inside their
#: own process.
ON_THIS_MACHINE = frozenset(
    {"serve", "web", "worker", "migrate", "backup", "simulate", "alerts", "grafana", "demo", "version"}
)


def first_sentence(text: str) -> str:
    return text.partition("\n")[0].partition(". ")[0].removesuffix(".") + "."
