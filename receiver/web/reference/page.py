"""Render the reference once for a process, and serve it."""

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import Response

from receiver.web.endpoint import RequestContext
from receiver.web.reference.model import KEY, URL, Values, models_of, sections_of
from receiver.web.schemas.tasks import NoBody, NoQuery

PATH = "/docs"

_PACKAGE = "receiver.web.reference"


async def show_reference(context: RequestContext[NoQuery, NoBody]) -> Response:
    state, settings = context.request.app.state, context.services.settings
    if state.reference is None:
        has_dashboard = settings.dashboard.is_on
        rendering = asyncio.to_thread(lambda: render(state.openapi(), has_dashboard=has_dashboard))
        state.reference = asyncio.create_task(rendering)
    # Shielded, because others wait for the same page.
    return Response(await asyncio.shield(state.reference), media_type="text/html", headers=_headers())


def render(document: Values, *, has_dashboard: bool) -> bytes:
    values = {
        "title": f"{document['info']['title']} {document['info']['version']}",
        "text": document["info"]["description"],
        "sections": sections_of(document),
        "models": models_of(document),
        "style": Markup(_style()),  # noqa: S704 - our own file
        "url": URL,
        "key": KEY,
        "has_dashboard": has_dashboard,
    }
    return _environment().get_template("reference.html").render(values).encode("utf-8", "backslashreplace")


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
    environment.filters["marked"] = marked
    return environment


def marked(text: str) -> Markup:
    """The text with what stands between backticks as code."""
    return Markup("").join(_pieces(text))


def _pieces(text: str) -> Iterator[Markup]:
    for place, piece in enumerate(text.split("`")):
        yield Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece)


@cache
def _style() -> str:
    return files(_PACKAGE).joinpath("templates", "reference.css").read_text(encoding="utf-8")


def _headers() -> dict[str, str]:
    """The page's own style is let in by its hash, and nothing else but the empty icon, which is in the page too."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
