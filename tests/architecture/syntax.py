"""What can be read from a module's syntax tree without importing it.

Names are resolved through the module's own imports, so an alias hides nothing: after `from datetime import
datetime as d` the expression `d.now` is read as `datetime.datetime.now`. What is only handed on, as in
`default_factory=time.time`, counts as used.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

ENVIRONMENT = frozenset({"dotenv", "os.environ", "os.environb", "os.getenv", "os.putenv"})
CLOCKS = frozenset(
    {
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "itsdangerous.TimestampSigner",
        "itsdangerous.URLSafeTimedSerializer",
        "itsdangerous.timed",
        "time",
    }
)
RANDOMNESS = frozenset({"random", "secrets", "uuid.uuid1", "uuid.uuid4"})
INPUT_OUTPUT = frozenset(
    {"importlib", "input", "io.open", "open", "os", "print", "sys.stderr", "sys.stdin", "sys.stdout"}
)
FILE_METHODS = frozenset({"read_bytes", "read_text", "write_bytes", "write_text"})
IMPURE = CLOCKS | RANDOMNESS | INPUT_OUTPUT

LIVE_OBJECTS = frozenset(
    {
        "aiohttp.ClientSession",
        "aiosqlite.connect",
        "asyncio",
        "httpx.AsyncClient",
        "httpx.Client",
        "httpx_aiohttp",
        "logging.basicConfig",
        "socket",
        "sqlite3.connect",
        "starlette.applications.Starlette",
        "structlog.configure",
        "subprocess",
        "threading",
        "uvicorn",
    }
)
EFFECTS = ENVIRONMENT | IMPURE | LIVE_OBJECTS

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_DECLARES = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


def modules(*packages: str) -> list[Path]:
    """Every Python file of the packages, as paths from the repository's root."""
    return sorted(path.relative_to(ROOT) for package in packages for path in (ROOT / package).rglob("*.py"))


def read(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def uses(tree: ast.Module, forbidden: frozenset[str]) -> list[str]:
    """The forbidden names the module imports or mentions anywhere, as `line: dotted.name`."""
    imported = _imports(tree)
    mentions = [(node.lineno, _dotted(node, imported)) for node in ast.walk(tree) if isinstance(node, ast.expr)]
    names = [(line, name) for name, line in _import_lines(tree)] + [(line, name) for line, name in mentions if name]
    return sorted({f"{line}: {name}" for line, name in names if _is_within(name, forbidden)})


def file_methods(tree: ast.Module) -> list[str]:
    """Calls such as `.read_text()`, whatever they are called on."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in FILE_METHODS)
    return [f"{node.lineno}: .{node.attr}" for node in found]


def import_effects(tree: ast.Module) -> list[str]:
    """What importing the module would do besides binding names to values."""
    imported = _imports(tree)
    statements = [f"{s.lineno}: {type(s).__name__}" for s in tree.body if not _only_binds(s)]
    calls = (node for node in _run_at_import(tree) if isinstance(node, ast.Call))
    return statements + [f"{call.lineno}: {_callee(call, imported)}()" for call in calls if _acts(call, imported)]


def long_functions(tree: ast.Module, *, limit: int) -> list[str]:
    """Functions of more than `limit` lines, `def` and docstring counted, decorators not."""
    functions = (node for node in ast.walk(tree) if isinstance(node, _Function))
    lengths = ((node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in functions)
    return [f"{name}: {length}" for name, length in lengths if length > limit]


def _imports(tree: ast.Module) -> dict[str, str]:
    """Local name to what it stands for; `import a.b` binds `a`."""
    table: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            table |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            table |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return table


def _import_lines(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _dotted(node: ast.expr, imported: dict[str, str]) -> str | None:
    """The full name behind `a` or `a.b.c`: an import, or a builtin; None for a local object."""
    if isinstance(node, ast.Name):
        return imported.get(node.id, node.id if node.id in INPUT_OUTPUT and isinstance(node.ctx, ast.Load) else None)
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, imported)
        return f"{owner}.{node.attr}" if owner else None
    return None


def _is_within(name: str, forbidden: frozenset[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:end]) in forbidden for end in range(1, len(parts) + 1))


def _only_binds(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test) in {"TYPE_CHECKING", "__name__ == '__main__'"}
    return isinstance(statement, _DECLARES)


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes evaluated on import: class bodies, defaults and decorators, but no function's body."""
    if isinstance(node, _Function):
        roots: list[ast.AST] = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    elif isinstance(node, ast.Lambda) or (isinstance(node, ast.If) and _only_binds(node)):
        roots = []
    else:
        roots = list(ast.iter_child_nodes(node))
    for root in roots:
        yield root
        yield from _run_at_import(root)


def _callee(call: ast.Call, imported: dict[str, str]) -> str:
    return _dotted(call.func, imported) or ast.unparse(call.func)


def _acts(call: ast.Call, imported: dict[str, str]) -> bool:
    is_file_method = isinstance(call.func, ast.Attribute) and call.func.attr in FILE_METHODS
    return is_file_method or _is_within(_callee(call, imported), EFFECTS)
