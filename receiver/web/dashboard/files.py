"""Serve the files of the package: styles, scripts and the icon. Their addresses hold a hash, so browsers keep them."""

from starlette.requests import Request
from starlette.responses import Response

from receiver.web.dashboard.guard import FILE_HEADERS
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.rendering import FILE_TYPES, file_bytes, file_hash
from receiver.web.middleware import trace_of
from receiver.web.problems import Kind, Problem

PATH = f"{ROOT}/static/{{hash}}/{{name}}"


async def serve_file(request: Request) -> Response:
    """Raise a 404 problem for any other file, and for another version of one."""
    trace_of(request.scope).route = PATH
    name = request.path_params["name"]
    if name not in FILE_TYPES or request.path_params["hash"] != file_hash(name):
        raise Problem(Kind.NOT_FOUND, "There is no such file, or it is of another version: load the page again.")
    return Response(file_bytes(name), media_type=FILE_TYPES[name], headers=dict(FILE_HEADERS))
