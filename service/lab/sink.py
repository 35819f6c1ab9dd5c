"""Takes requests as SendGrid would and keeps nothing: answers each with 202 after a while. Run as `python -m service.lab.sink
MILLISECONDS`; prints its port, and on a GET how many it took. Standard library only."""

import asyncio
import sys
import uuid
from functools import partial


class Taken:
    """What came in so far."""

    def __init__(self) -> None:
        self.requests = 0
        self.readers = 0
        self.bytes = 0


async def answer(latency: float, taken: Taken, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, for as long as the client keeps it."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if head.startswith("get "):
                writer.write(_response("200 OK", f"{taken.requests} {taken.readers} {taken.bytes}".encode()))
            else:
                length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
                body = await reader.readexactly(length)
                await asyncio.sleep(latency)
                taken.requests += 1
                taken.readers += body.count(b'"List-Unsubscribe"')
                taken.bytes += length
                writer.write(_response("202 Accepted", b""))
            await writer.drain()
            if "connection: close" in head:
                break
    except (asyncio.IncompleteReadError, OSError):
        pass
    writer.close()


def _response(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nX-Message-Id: {uuid.uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def serve(latency: float) -> None:
    """Until the process is ended."""
    server = await asyncio.start_server(partial(answer, latency, Taken()), "127.0.0.1", 0, limit=2**20, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000))
