"""What the web server alone takes: the same uvicorn and Starlette, a body read and thrown away, 204.

`python -m tests.bench.noop PORT`; serves until it is stopped.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.web.server import bind, server_config


async def take(request: Request) -> Response:
    await request.body()
    return Response(status_code=204)


if __name__ == "__main__":
    app = Starlette(routes=[Route("/callbacks/{provider}/{token}", take, methods=["POST"])])
    with bind("127.0.0.1", int(sys.argv[1])) as listener:
        uvicorn.Server(server_config(app)).run(sockets=[listener])
