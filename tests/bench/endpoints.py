"""Endpoints in a process of their own: `/good/…` answers 200 at once, `/hung/…` holds the connection and says nothing.

Prints its port, and serves until its standard input ends.
"""

import asyncio
import sys
from contextlib import suppress

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
            if b" /hung/" in head.split(b"\r\n", 1)[0]:
                await reader.read()
                break
            writer.write(GOOD)
            await writer.drain()
    writer.close()


async def serve() -> None:
    server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
