"""Pure modules are handed the time, random numbers and the environment; two modules read it and its file `.env`."""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.architecture.syntax import ENVIRONMENT, IMPURE, ROOT, file_methods, modules, read, uses


def _pure_modules() -> list[Path]:
    """The list that the import contract holds, so that the two checks can never differ."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    names = next(contract["source_modules"] for contract in contracts if contract["id"] == "pure")
    places = [name.replace(".", "/") for name in names]  # `*` stands for the name of one folder
    return [
        path
        for path in modules("receiver", "submitter")
        if any(each.match(place) for place in places for each in (path.with_suffix(""), *path.parents))
    ]


@pytest.mark.parametrize("path", _pure_modules(), ids=str)
def test_a_pure_module_reads_no_clock_random_numbers_environment_or_file(path: Path) -> None:
    tree = read(path)
    assert uses(tree, IMPURE) + file_methods(tree) == []


def test_every_pure_module_of_the_contract_is_looked_at() -> None:
    found = {str(path) for path in _pure_modules()}
    assert {"submitter/model.py", "submitter/http/messages.py", "submitter/errors.py", "submitter/request.py"} <= found
    assert {"receiver/tasks/model/lifecycle.py", "submitter/providers/schedule.py"} <= found
    assert {"receiver/webhooks/model/retry.py", "receiver/callbacks/model.py", "receiver/config/settings.py"} <= found
    assert any(name.startswith("submitter/providers/") for name in found)


@pytest.mark.parametrize("path", modules("receiver", "submitter"), ids=str)
def test_two_modules_read_the_environment_and_its_file(path: Path) -> None:
    found = uses(read(path), ENVIRONMENT)
    assert found == [] or path in {Path("receiver/runtime/environment.py"), Path("receiver/runtime/env_file.py")}


@pytest.mark.parametrize(
    "sample",
    [
        "import time\nnow = time.time()",
        "from time import monotonic",
        "import time as t\nfield(default_factory=t.time)",
        "from datetime import datetime as d\nd.now()",
        "import datetime\ndatetime.datetime.utcnow()",
        "from datetime import date\ndate.today()",
        "import random\nrandom.random()",
        "def f():\n    from secrets import token_hex",
        "import uuid\nuuid.uuid4()",
        "import os\nos.path.join('a', 'b')",
        "print('here')",
        "open('file')",
        "from itsdangerous import URLSafeTimedSerializer",
    ],
)
def test_the_check_sees_each_impurity(sample: str) -> None:
    assert uses(ast.parse(sample), IMPURE) != []


@pytest.mark.parametrize(
    "sample",
    [
        "from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)",
        "from uuid import UUID, uuid5",
        "def poll(*, time, random):\n    return time + random",
        "import hmac, hashlib\nhmac.new(b'', b'', hashlib.sha256)",
        "reply.time.open = 1",
    ],
)
def test_the_check_lets_pure_code_pass(sample: str) -> None:
    assert uses(ast.parse(sample), IMPURE) == []


@pytest.mark.parametrize("sample", ["import os\nos.environ['A']", "from os import getenv as g", "import dotenv"])
def test_the_check_sees_each_look_at_the_environment(sample: str) -> None:
    assert uses(ast.parse(sample), ENVIRONMENT) != []


def test_the_check_sees_a_file_read_through_a_path() -> None:
    assert file_methods(ast.parse("path.read_text()")) == ["1: .read_text"]
