"""What the web server alone takes: uvicorn with our settings, a body read and thrown away, 204.

`python -m tests.bench.noop PORT` is Starlette with one route. With `plain` there is no Starlette, only a function.
Serves until it is stopped.
"""

import sys
from typing import cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from receiver.web.server import bind, server_config


async def take(request: Request) -> Response:
    await request.body()
    return Response(status_code=204)


async def take_plainly(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def main() -> None:
    port, is_plain = int(sys.argv[1]), "plain" in sys.argv
    starlette = Starlette(routes=[Route("/callbacks/{provider}/{token}", take, methods=["POST"])])
    app = cast("Starlette", take_plainly) if is_plain else starlette  # uvicorn takes either
    with bind("127.0.0.1", port) as listener:
        uvicorn.Server(server_config(app)).run(sockets=[listener])


if __name__ == "__main__":
    main()
