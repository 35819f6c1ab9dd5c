"""Takes requests as SendGrid would and keeps nothing but whose copies they were: answers each with 202 after a while. Run as `python -m
service.lab.sink MILLISECONDS`; prints its port, and on a GET how many it took, and how many twice. Standard library only."""

import asyncio
import sys
import uuid
from functools import partial

_MARK = b'"bs_delivery": "'


class Taken:
    """What came in so far."""

    def __init__(self) -> None:
        self.requests = 0
        self.readers = 0
        self.bytes = 0
        self.twice = 0
        # A bit for each delivery: ten million take a megabyte.
        self._known = bytearray()

    def take(self, body: bytes) -> None:
        """Count the readers of a request, and those of them whose copy was taken before."""
        self.requests += 1
        self.bytes += len(body)
        for part in body.split(_MARK)[1:]:
            self.readers += 1
            place, bit = divmod(int(part[: part.index(b'"')]), 8)
            if place >= len(self._known):
                self._known.extend(bytes(place - len(self._known) + 4096))
            self.twice += self._known[place] >> bit & 1
            self._known[place] |= 1 << bit


async def answer(latency: float, taken: Taken, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, for as long as the client keeps it."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if head.startswith("get "):
                writer.write(
                    _response("200 OK", f"{taken.requests} {taken.readers} {taken.bytes} {taken.twice}".encode())
                )
            else:
                length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
                body = await reader.readexactly(length)
                await asyncio.sleep(latency)
                taken.take(body)
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
