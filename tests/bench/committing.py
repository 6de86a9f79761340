"""What a service costs that inserts each body and commits it before it answers.

`python -m tests.bench.committing PORT FILE`: uvicorn with our settings, Starlette, aiosqlite, WAL, `synchronous=FULL`,
one statement and one commit a request. Serves until it is stopped.
"""

import asyncio
import sys

import aiosqlite
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.web.server import bind, server_config


async def serve(port: int, file: str) -> None:
    """Each statement is its own transaction, which is the least that one insert and one commit can cost."""
    async with aiosqlite.connect(file, isolation_level=None) as ledger:
        for setting in ("journal_mode = WAL", "synchronous = FULL"):
            await ledger.execute(f"PRAGMA {setting}")
        await ledger.execute("CREATE TABLE callbacks (id INTEGER PRIMARY KEY, token TEXT NOT NULL, body BLOB NOT NULL)")

        async def take(request: Request) -> Response:
            row = (request.path_params["token"], await request.body())
            await ledger.execute_insert("INSERT INTO callbacks (token, body) VALUES (?, ?)", row)
            return Response(status_code=204)

        app = Starlette(routes=[Route("/callbacks/{provider}/{token}", take, methods=["POST"])])
        with bind("127.0.0.1", port) as listener:
            await uvicorn.Server(server_config(app)).serve(sockets=[listener])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=server_config(Starlette()).get_loop_factory()) as runner:
        runner.run(serve(int(sys.argv[1]), sys.argv[2]))
