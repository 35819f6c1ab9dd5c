"""Starts the sandbox: flags first, then the environment. Refuses to listen anywhere but on 127.0.0.1."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.sandbox import server
from service.sandbox.app import create_app
from service.sandbox.database import HomeInUse
from service.sandbox.parts import Parts, Settings


def settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    parser = argparse.ArgumentParser(prog="python -m service.sandbox", description="A local SendGrid. Nothing is sent.")
    parser.add_argument("--host", default=server.HOST, help="only 127.0.0.1 is allowed")
    parser.add_argument("--port", default=environment.get("SANDBOX_PORT") or "8025", type=int)
    parser.add_argument("--home", default=environment.get("SANDBOX_HOME") or None, type=Path)
    parser.add_argument("--webhook-key", default=environment.get("SANDBOX_WEBHOOK_KEY") or None, type=Path)
    parser.add_argument("--webhook-url", default=environment.get("SANDBOX_WEBHOOK_URL", ""))
    given = parser.parse_args(arguments)
    if given.host != server.HOST:
        parser.error(f"--host {given.host}: the sandbox listens on {server.HOST} only")
    if given.home is None:
        parser.error("say where the mails are kept: --home DIR or SANDBOX_HOME")
    if not 0 < given.port < 65536:
        parser.error(f"--port {given.port}: a port is a number from 1 to 65535")
    # The key has no flag: a flag can be read in the list of processes.
    key = environment.get("SANDBOX_API_KEY", "")
    return Settings(given.home, given.port, key, given.webhook_key, given.webhook_url)


def main() -> int:
    chosen = settings(sys.argv[1:], os.environ)
    try:
        parts = Parts(chosen)
        listening = server.make(create_app(parts), chosen.port)
    except (HomeInUse, ValueError, OSError) as fault:
        sys.stderr.write(f"sandbox: {fault}\n")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not from the handler's own thread: shutdown waits for the loop that the handler interrupts.
        signal.signal(number, lambda *_: threading.Thread(target=listening.shutdown).start())
    parts.webhook.start()
    sys.stdout.write(f"The sandbox takes mail at http://{server.HOST}:{chosen.port} and sends nothing.\n")
    sys.stdout.flush()
    listening.serve_forever()
    parts.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
