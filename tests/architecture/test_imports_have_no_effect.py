"""Importing a module binds names to values and does nothing else: no connection, no clock, no app object."""

import ast
from pathlib import Path

import pytest

from tests.architecture.syntax import import_effects, modules, read


@pytest.mark.parametrize("path", modules("receiver", "submitter"), ids=str)
def test_importing_a_module_has_no_effect(path: Path) -> None:
    assert import_effects(read(path)) == []


@pytest.mark.parametrize(
    "sample",
    [
        "from starlette.applications import Starlette\napp = Starlette()",
        "import httpx\nCLIENT = httpx.AsyncClient()",
        "import os\nKEY = os.getenv('KEY')",
        "import time\nclass Turn:\n    started = time.time()",
        "import uuid\ndef f(key=uuid.uuid4()): ...",
        "import asyncio\nLOCK = asyncio.Lock()",
        "SQL = HERE.joinpath('queries.sql').read_text()",
        "register('hiapi')",
        "for name in NAMES: pass",
        "if DEBUG:\n    x = 1",
    ],
)
def test_the_check_sees_each_effect(sample: str) -> None:
    assert import_effects(ast.parse(sample)) != []


@pytest.mark.parametrize(
    "sample",
    [
        '"""What belongs here."""\nLIMIT_BYTES = 1 << 20',
        "import re\nMARKER = re.compile('x')",
        "import time\ndef turn():\n    return time.time()",
        "import time\nnow = lambda: time.time()",
        "if TYPE_CHECKING:\n    import httpx",
        "if __name__ == '__main__':\n    main()",
    ],
)
def test_the_check_lets_declarations_pass(sample: str) -> None:
    assert import_effects(ast.parse(sample)) == []
