"""What the web server alone takes: a body read and thrown away, 204.

`python -m tests.bench.noop PORT` is uvicorn with our settings and our protocol, and Starlette with one route. With
`bare` it is uvicorn as it comes, without its access log, and a function. Serves until it is stopped.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from receiver.web.server import BACKLOG, bind, server_config


async def take(request: Request) -> Response:
    await request.body()
    return Response(status_code=204)


async def take_barely(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _config(*, is_bare: bool) -> uvicorn.Config:
    if is_bare:
        return uvicorn.Config(take_barely, log_level="error", access_log=False, lifespan="off", backlog=BACKLOG)
    return server_config(Starlette(routes=[Route("/callbacks/{provider}/{token}", take, methods=["POST"])]))


if __name__ == "__main__":
    with bind("127.0.0.1", int(sys.argv[1])) as listener:
        uvicorn.Server(_config(is_bare="bare" in sys.argv)).run(sockets=[listener])
