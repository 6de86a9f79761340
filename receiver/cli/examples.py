"""Examples of every command, which its help ends with. A test reads each as the command line does."""

from receiver.runtime.example import PROVIDER, PROVIDER_TASK_ID

#: By the words of the command; each line goes on after `whenfinal `.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "serve": ("serve", "serve --simulate", "serve --host 0.0.0.0 --port 8080"),
    "web": ("web --port 8001",),
    "worker": ("worker",),
    "migrate": ("migrate", "migrate --from sqlite:///whenfinal.db --to postgresql://user@db/whenfinal"),
    "backup": ("backup /backups/whenfinal.db",),
    "submit": ("submit request.json", "submit films.jsonl --wait --timeout 1h", "submit - --key-prefix monday --json"),
    "reconcile": (
        "reconcile --older-than 10m",
        f"reconcile --provider {PROVIDER} --dry-run --ask",
        "reconcile --overdue",
        "reconcile tsk_01m7yrqm47904bn5a9g1vxy29m",
    ),
    "events": ("events --after 17", "events --follow --type task.failed --json"),
    "listen": (
        "listen --forward-to http://127.0.0.1:3000/hooks",
        "listen --url https://whenfinal.example.com --address https://your-tunnel.example --port 8001",
    ),
    "replay": (
        "replay sub_01m7yrqm47904bn5a9g1vxy29m --since 2h --only missing",
        "replay sub_01m7yrqm47904bn5a9g1vxy29m --since 2026-11-25T10:00:00Z --dry-run",
    ),
    "doctor": (
        "doctor",
        "doctor --offline --json",
        "doctor --fail-on warn",
        "doctor --url https://whenfinal.example.com",
    ),
    "simulate": ("simulate > .env", "simulate --speed 10 --fault stuck=0.1"),
    "counts": ("counts", "counts --json"),
    "alerts": ("alerts > whenfinal.rules.yml",),
    "grafana": ("grafana > whenfinal.json",),
    "demo": ("demo",),
    "version": ("version",),
    "tasks list": (
        "tasks list --state uncertain",
        f"tasks list --provider {PROVIDER} --label film=1 --older-than 1h",
        "tasks list --state failed --since 2h -o wide",
    ),
    "tasks show": (
        "tasks show tsk_01m7yrqm47904bn5a9g1vxy29m",
        f"tasks show {PROVIDER}/{PROVIDER_TASK_ID} --json",
        "tasks show - < ids.txt",
    ),
    "tasks find": (f"tasks find {PROVIDER_TASK_ID}", "tasks find film=1"),
    "tasks explain": ("tasks explain tsk_01m7yrqm47904bn5a9g1vxy29m",),
    "tasks settle": (
        f"tasks settle tsk_01m7yrqm47904bn5a9g1vxy29m --task-id {PROVIDER_TASK_ID}",
        "tasks settle tsk_01m7yrqm47904bn5a9g1vxy29m --refused",
        "tasks settle --look",
        f"tasks settle --refused --provider {PROVIDER} --older-than 1d --dry-run",
    ),
    "tasks cancel": (
        "tasks cancel tsk_01m7yrqm47904bn5a9g1vxy29m",
        f"tasks cancel --provider {PROVIDER} --label film=1 --dry-run",
    ),
    "tasks download": ("tasks download tsk_01m7yrqm47904bn5a9g1vxy29m --to films",),
    "providers list": ("providers list",),
    "providers show": (f"providers show {PROVIDER}",),
    "providers resume": (f"providers resume {PROVIDER}",),
    "providers models": ("providers models", f"providers models {PROVIDER} -o wide"),
    "callbacks address": (f"callbacks address {PROVIDER}",),
    "subscriptions create": (
        "subscriptions create https://hooks.example.com/videos",
        f"subscriptions create https://hooks.example.com/failed --type task.failed --provider {PROVIDER} --rate 5",
    ),
    "subscriptions list": ("subscriptions list --state disabled",),
    "subscriptions show": ("subscriptions show sub_01m7yrqm47904bn5a9g1vxy29m", "subscriptions show - --json < ids"),
    "subscriptions change": ("subscriptions change sub_01m7yrqm47904bn5a9g1vxy29m --type task.failed --clear rate",),
    "subscriptions disable": ("subscriptions disable sub_01m7yrqm47904bn5a9g1vxy29m",),
    "subscriptions enable": ("subscriptions enable sub_01m7yrqm47904bn5a9g1vxy29m",),
    "subscriptions delete": ("subscriptions delete sub_01m7yrqm47904bn5a9g1vxy29m --yes",),
    "subscriptions rotate-secret": ("subscriptions rotate-secret sub_01m7yrqm47904bn5a9g1vxy29m --overlap 1h",),
    "subscriptions test": ("subscriptions test sub_01m7yrqm47904bn5a9g1vxy29m",),
    "subscriptions resume": ("subscriptions resume sub_01m7yrqm47904bn5a9g1vxy29m",),
    "endpoints list": ("endpoints list --failing",),
    "endpoints resume": ("endpoints resume https://hooks.example.com --dead-letters",),
    "deliveries list": (
        "deliveries list --state dead --since 2h",
        "deliveries list --task tsk_01m7yrqm47904bn5a9g1vxy29m",
        "deliveries list --error 5xx --error none --json",
    ),
    "deliveries show": ("deliveries show dlv_01m7yrqm47904bn5a9g1vxy29m",),
    "deliveries redeliver": (
        "deliveries redeliver dlv_01m7yrqm47904bn5a9g1vxy29m",
        "deliveries redeliver --subscription sub_01m7yrqm47904bn5a9g1vxy29m --dry-run",
        "deliveries redeliver --all --yes",
    ),
    "keys create": (
        "keys create ops --scope read --scope operate",
        f"keys create render-farm --scope submit --scope read --provider {PROVIDER} --label team=films",
    ),
    "keys list": ("keys list",),
    "keys revoke": ("keys revoke render-farm", "keys revoke key_01m7yrqm47904bn5a9g1vxy29m --yes"),
    "runs list": ("runs list",),
    "runs show": ("runs show run_01m7yrqm47904bn5a9g1vxy29m",),
    "runs stop": ("runs stop run_01m7yrqm47904bn5a9g1vxy29m",),
}

#: By the words of the group; "" is the whole command line.
GROUP_EXAMPLES: dict[str, tuple[str, ...]] = {
    "": ("serve --simulate", "submit request.json --wait", "tasks list --state failed --since 2h", "doctor"),
    "tasks": (
        f"tasks list --provider {PROVIDER} --older-than 1h",
        f"tasks find {PROVIDER_TASK_ID}",
        "tasks settle --look",
        "tasks download tsk_01m7yrqm47904bn5a9g1vxy29m --to films",
    ),
    "providers": ("providers list", f"providers models {PROVIDER}"),
    "callbacks": (f"callbacks address {PROVIDER}",),
    "subscriptions": (
        "subscriptions create https://hooks.example.com/videos",
        "subscriptions test sub_01m7yrqm47904bn5a9g1vxy29m",
    ),
    "endpoints": ("endpoints list --failing", "endpoints resume https://hooks.example.com --dead-letters"),
    "deliveries": ("deliveries list --state dead --since 2h", "deliveries redeliver --all --dry-run"),
    "runs": ("runs list", "runs stop run_01m7yrqm47904bn5a9g1vxy29m"),
    "keys": ("keys create ops --scope read --scope operate", "keys revoke ops"),
}


def with_examples(words: str, text: str) -> str:
    """The help of a command or a group; typer does not wrap the lines of the examples."""
    return f"{text.rstrip()}\n\n\b\n{example_lines(words)}\n"


def example_lines(words: str) -> str:
    examples = EXAMPLES.get(words) or GROUP_EXAMPLES[words]
    return "\n".join(("Examples:", *(f"  whenfinal {each}" for each in examples)))
