"""The name of a provider stands in its own modules and in the registry; no other code knows which providers exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.runtime import example
from submitter.providers.registry import ADAPTERS
from tests.architecture.syntax import modules, read

#: Where names of providers belong beside the modules of the providers: the registry, the one example that help texts
#: and descriptions of the API show, the demo's requests, and the simulator, which has platforms of its own.
NAMES_BELONG = (
    Path("submitter/providers/registry.py"),
    Path("receiver/runtime/example.py"),
    Path("receiver/cli/demo/examples.py"),
    Path("receiver/cli/demo/scenario.py"),
    Path("submitter/simulator"),
)
_NAME = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(sorted(map(re.escape, ADAPTERS), key=len, reverse=True))})(?![a-z0-9])")
_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def named_providers(tree: ast.Module) -> list[str]:
    """Where the name of an adapter stands as a word of a text or of an identifier, as `line: name`."""
    return sorted({f"{line}: {found}" for line, text in _texts(tree) for found in _NAME.findall(text)})


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    docstrings = {id(found) for node in ast.walk(tree) if (found := _docstring(node)) is not None}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield line, node.value.lower()
        for name in _identifiers(node):
            yield line, name.lower().replace("_", "-")
            yield line, _CAPITALS.sub("-", name).lower().replace("_", "-")


def _docstring(node: ast.AST) -> ast.expr | None:
    if not isinstance(node, _DOCUMENTED) or not node.body:
        return None
    first = node.body[0]
    return first.value if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else None


def _identifiers(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
            yield name
        case ast.alias(name=name, asname=other):
            yield from (*name.split("."), other or "")
        case ast.ImportFrom(module=str(module)):
            yield from module.split(".")


def _is_of_a_provider(path: Path) -> bool:
    """Whether a module is an adapter or a part of one: `x.py`, `x_statuses.py`."""
    own = tuple(name.replace("-", "_") for name in ADAPTERS)
    is_own = path.stem in own or path.stem.startswith(tuple(f"{name}_" for name in own))
    return path.parent == Path("submitter/providers") and is_own


def _belongs(path: Path) -> bool:
    return _is_of_a_provider(path) or any(path.is_relative_to(place) for place in NAMES_BELONG)


@pytest.mark.parametrize("path", [path for path in modules("receiver", "submitter") if not _belongs(path)], ids=str)
def test_a_module_that_is_not_a_providers_own_names_no_provider(path: Path) -> None:
    assert named_providers(read(path)) == [], "a difference between providers is a table or a function of the adapter"


def test_the_place_of_each_exception_exists() -> None:
    found = modules("receiver", "submitter")
    assert [place for place in NAMES_BELONG if not any(path.is_relative_to(place) for path in found)] == []


def test_the_example_is_a_provider_of_the_registry() -> None:
    capabilities = ADAPTERS[example.PROVIDER].CAPABILITIES
    assert capabilities.default_base_url == f"https://{example.HOST}"
    assert example.MODEL in {model for family in capabilities.families for model in family.models}


@pytest.mark.parametrize(
    "sample",
    [
        "x = 'dashscope'",
        "x = 'the DashScope account'",
        "x = f'{x} at hiapi'",
        "x = {'newapi': 1}",
        "from submitter.providers import hiapi",
        "import submitter.providers.hiapi_signature",
        "from submitter.providers.dashscope import STATES",
        "def of_hiapi(): ...",
        "class NewapiThing: ...",
        "f(tokenbay=1)",
        "a.modellix",
        "def f(hiapi_key): ...",
        "HIAPI = 1",
        "class A:\n    x = 1\n    'hiapi'",
    ],
)
def test_the_check_sees_the_name_of_a_provider(sample: str) -> None:
    assert named_providers(ast.parse(sample)) != []


@pytest.mark.parametrize(
    "sample",
    [
        "'''Such as hiapi.'''",
        "def f():\n    '''Such as hiapi.'''",
        "class A:\n    '''Such as hiapi.'''",
        "x = 1  # hiapi",
        "x = 'thiapix'",
        "falls = 1",
    ],
)
def test_the_check_lets_docstrings_comments_and_other_words_pass(sample: str) -> None:
    assert named_providers(ast.parse(sample)) == []
