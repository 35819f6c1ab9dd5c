"""Takes mail by SMTP and keeps nothing but who it was for. Run as `python -m service.lab.smtp_sink`; prints its port, and to XCOUNT says
how many mails it took, for how many readers, and how many bytes. Standard library only."""

import asyncio
from functools import partial

_PLAIN = b"250 ok\r\n"


class Taken:
    """What came in since it was last asked for."""

    def __init__(self) -> None:
        self.mails = 0
        self.bytes = 0
        self.readers: set[bytes] = set()

    def told(self) -> bytes:
        """The counts, which begin anew."""
        line = f"250 {self.mails} {len(self.readers)} {self.bytes}\r\n".encode()
        self.mails = self.bytes = 0
        self.readers.clear()
        return line


async def answer(taken: Taken, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, for as long as the client keeps it."""
    writer.write(b"220 localhost ESMTP\r\n")
    meant: set[bytes] = set()
    try:
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                body = await reader.readuntil(b"\r\n.\r\n")
                taken.mails += 1
                taken.bytes += len(body)
                taken.readers |= meant
                meant = set()
            elif word == b"RCPT":
                meant.add(line.split(b":", 1)[-1].strip().lower())
            writer.write(taken.told() if word == b"XCOU" else b"221 bye\r\n" if word == b"QUIT" else _PLAIN)
            await writer.drain()
            if word == b"QUIT":
                break
    except (asyncio.IncompleteReadError, OSError):
        pass
    writer.close()


async def serve() -> None:
    """Until the process is ended."""
    server = await asyncio.start_server(partial(answer, Taken()), "127.0.0.1", 0, limit=2**25, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
