"""`whenfinal submit`: one order or many, from a file or a pipe, with nothing else running."""

import pytest

from tests.support.cli import Cli, request_line


def test_one_order_is_submitted_and_shown(shell: Cli) -> None:
    ended = shell.run("submit", "-", stdin=request_line())
    assert (ended.status, ended.err) == (0, "")
    assert "submitted" in ended.out
    assert "tk-hiapi-" in ended.out


def test_waiting_for_lines_ends_with_every_task_succeeded_and_no_server_running(shell: Cli) -> None:
    lines = [request_line(), request_line(provider="tokenbay"), "", request_line("another")]
    (shell.folder / "orders.jsonl").write_text("\n".join(lines))
    ended = shell.run("submit", "orders.jsonl", "--wait", "--timeout", "50s", "--json")
    assert (ended.status, ended.err) == (0, "")
    assert {value["line"]: value["state"] for value in ended.values} == dict.fromkeys((1, 2, 4), "succeeded")


def test_a_pretty_printed_object_is_one_order(shell: Cli) -> None:
    text = request_line().replace("{", "{\n", 1).replace(', "video"', ',\n "video"')
    assert shell.run("submit", "-", "--json", stdin=text).values[0]["state"] == "submitted"


def test_a_key_prefix_makes_a_second_run_pay_nothing(shell: Cli) -> None:
    first = shell.run(
        "submit", "-", "--key-prefix", "monday", "--json", stdin=request_line() + "\n" + request_line("more")
    )
    again = shell.run(
        "submit", "-", "--key-prefix", "monday", "--json", stdin=request_line() + "\n" + request_line("more")
    )
    assert {value["id"] for value in first.values} == {value["id"] for value in again.values}
    assert all(value["replayed"] for value in again.values)


def test_a_key_that_was_used_for_another_order_is_refused(shell: Cli) -> None:
    shell.run("submit", "-", "--idempotency-key", "one", stdin=request_line())
    ended = shell.run("submit", "-", stdin=request_line("another", idempotency_key="one"))
    assert ended.status == 1
    assert "another request" in ended.err


def test_a_made_webhook_secret_is_shown_again_to_the_same_request_under_its_key(shell: Cli) -> None:
    wanted = request_line(notify={"url": "https://subscriber.example/hook"}, idempotency_key="k")
    first, again = [shell.run("submit", "-", "--json", stdin=wanted).values[0]["notify"] for _ in range(2)]
    assert first["secret"].startswith("whsec_")
    assert again == first


def test_a_failing_task_is_waited_for_and_ends_with_status_1(shell: Cli) -> None:
    ended = shell.run("submit", "-", "--wait", "--json", stdin=request_line("x #simulate:fail"))
    assert (ended.status, ended.values[0]["state"]) == (1, "failed")
    assert "ended failed" in ended.err


def test_a_wait_ends_with_its_time_and_says_that_the_task_goes_on(shell: Cli) -> None:
    ended = shell.run("submit", "-", "--wait", "--timeout", "1s", stdin=request_line("x #simulate:stuck"))
    assert ended.status == 1
    assert "still running" in ended.err or "still submitted" in ended.err


def test_a_lost_reply_is_not_waited_for_and_names_the_way_out(shell: Cli) -> None:
    ended = shell.run("submit", "-", "--wait", stdin=request_line("x #simulate:reply_lost", provider="tokenbay"))
    assert ended.status == 1
    assert "whenfinal tasks explain tsk_" in ended.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (request_line() + '\n{"provider":\n', "-:2: it is not JSON"),
        (request_line() + '\n{"provider": "hiapi", "vide": {}}', "-:2: vide: is not a known name"),
        (request_line() + "\n" + request_line().replace('"prompt"', '"duration": 99, "prompt"'), "-:2: video.duration"),
        (request_line(idempotency_key=""), "-:1: idempotency_key"),
    ],
    ids=["not JSON", "unknown field", "against the provider's limits", "an empty key"],
)
def test_a_bad_line_is_named_and_nothing_is_submitted(shell: Cli, content: str, words: str) -> None:
    ended = shell.run("submit", "-", stdin=content)
    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err
    assert ended.err.endswith("nothing was submitted\n")
    assert shell.run("tasks", "list", "--json").out == ""


def test_a_file_that_is_not_there_is_named(cli: Cli) -> None:
    ended = cli.run("submit", "nowhere.json")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "whenfinal: nowhere.json can not be read: No such file or directory\n"


def test_without_any_provider_the_request_is_refused_with_a_hint(cli: Cli) -> None:
    ended = cli.run("submit", "-", stdin=request_line())
    assert ended.status == 2
    assert "no provider is configured, see whenfinal doctor" in ended.err
