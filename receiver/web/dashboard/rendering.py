"""Templates and the files beside them: jinja2 with escaping everywhere, and an address with a hash for each file."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from receiver.runtime.durations import format_duration, format_offset
from receiver.web.dashboard.model import sparkline, states, text, times
from receiver.web.dashboard.model.addresses import ROOT

_PACKAGE = "receiver.web.dashboard"

#: What the browser may be served, and its type.
FILE_TYPES: Mapping[str, str] = {
    "htmx.min.js": "text/javascript; charset=utf-8",
    "ops.css": "text/css; charset=utf-8",
    "ops.js": "text/javascript; charset=utf-8",
    "pico.min.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

#: The block that a template fills, and that a live page asks for again by itself.
LIVE_BLOCK = "live"


def render(template: str, values: Mapping[str, Any], *, is_fragment: bool = False) -> bytes:
    """The whole page; for a fragment its block `live` alone, if it has one. Raise UndefinedError for a missing name."""
    found = find_template(template)
    if not is_fragment or LIVE_BLOCK not in found.blocks:
        return found.render(values).encode("utf-8", "backslashreplace")
    context = found.new_context(dict(values))
    return "".join(found.blocks[LIVE_BLOCK](context)).encode("utf-8", "backslashreplace")


def find_template(name: str) -> Template:
    """Raise TemplateError for one that does not compile."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "age": times.age,
        "block": text.block,
        "clock": times.clock,
        "duration": format_duration,
        "kind": states.kind,
        "link": text.link,
        "machine": times.machine,
        "offset": format_offset,
        "one_line": text.one_line,
        "points": sparkline.points,
    }
    environment.globals["file"] = file_address
    environment.globals["root"] = ROOT
    # As a global, because a block that is rendered alone sees no import of its template.
    environment.globals["parts"] = environment.get_template("parts.html").module
    return environment


@cache
def file_bytes(name: str) -> bytes:
    """Raise KeyError for a file that is none of `FILE_TYPES`."""
    FILE_TYPES[name]
    return files(_PACKAGE).joinpath("static", name).read_bytes()


@cache
def file_hash(name: str) -> str:
    return hashlib.sha256(file_bytes(name)).hexdigest()[:16]


def file_address(name: str) -> str:
    return f"{ROOT}/static/{file_hash(name)}/{name}"
