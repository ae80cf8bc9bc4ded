"""POST /score, POST /reward: parse -> decide -> append -> reply. The scorer over HTTP.

The command line; `serving` speaks HTTP, `journal.live` decides with the same `policies`
code that was evaluated, and writes.
"""

import argparse
import asyncio
import contextlib
import gc
import ipaddress
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from journal.live import LiveJournal, Unavailable
from policies.errors import BadInput, one_line
from policies.experiment import Experiment
from policies.records import seconds
from serving.app import ENDPOINTS, ROUTES, App, warm
from serving.metrics import Metrics
from serving.served import Served, served
from serving.server import Server
from serving.workers import Place, Supervisor, place

__all__ = ["ROUTES", "main", "parser"]

TOKEN = "TIPBANDIT_TOKEN"  # the environment variable of the bearer token
TOKEN_LENGTH = range(16, 257)
WORKERS_LIMIT = 64


class Parser(argparse.ArgumentParser):
    """One line for a usage error, as for all bad input."""

    def error(self, message: str) -> NoReturn:
        """Exits with code 2."""
        raise BadInput("usage", message)


def parser() -> argparse.ArgumentParser:
    """The options of `python serve.py`."""
    out = Parser(
        prog="serve.py",
        description="Serves a policy at POST /score and POST /reward (docs/serving.md).",
        epilog="Example: python serve.py --policy linucb:alpha=1 --state state --journal live.db",
    )
    decides = out.add_mutually_exclusive_group(required=True)
    decides.add_argument("--policy", metavar="SPEC", help="the policy that decides")
    decides.add_argument(
        "--policy-file", metavar="FILE", help="the registry's champion.json, again on SIGHUP"
    )
    decides.add_argument("--experiment", metavar="FILE", help="TOML: several, each for its users")
    out.add_argument(
        "--shadow", action="append", default=[], metavar="SPEC",
        help="log what this policy would have done, never serve it; up to 8 times",
    )  # fmt: skip
    out.add_argument("--state", required=True, metavar="DIR", help="the users' states")
    out.add_argument("--journal", required=True, metavar="FILE", help="the live journal, SQLite")
    out.add_argument("--host", default="127.0.0.1", help="default: loopback only")
    out.add_argument("--port", type=int, default=8080, help="0: a free one; default 8080")
    out.add_argument("--workers", type=int, default=1, help="processes on the port; default 1")
    out.add_argument("--reward-window", default="24h", metavar="TIME", help="30s, 90m, 24h, never")
    out.add_argument(
        "--token-file", metavar="FILE", help=f"the bearer token's file; or set {TOKEN}"
    )
    out.add_argument("--log-requests", action="store_true", help="a line of JSON a request")
    out.add_argument(
        "--allow-deterministic",
        action="store_true",
        help="serve a policy whose log can evaluate no other",
    )
    return out


def serve(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT, then lets requests finish and writes checkpoints."""
    where = place()
    what = served(options, None if where is None else where.experiment)
    if not 1 <= options.workers <= WORKERS_LIMIT:
        raise BadInput("--workers", f"must be 1 to {WORKERS_LIMIT}", options.workers)
    if not 0 <= options.port <= 65535:
        raise BadInput("--port", "must be 0 to 65535", options.port)
    seconds(options.reward_window)
    token = _token(options.token_file)
    if where is not None:
        sock = socket.socket(fileno=where.listening)
        return _work(options, what, token, sock, where)
    journal = LiveJournal(Path(options.journal), Path(options.state))  # refused before it listens
    try:
        if isinstance(what.policy, Experiment):
            journal.keep(what.policy)
    finally:
        journal.close()
    sock = _listen(options.host, options.port, token)
    host, port = sock.getsockname()[:2]
    serving = f"serving {what.name} on http://{f'[{host}]' if ':' in host else host}:{port}"
    if options.workers == 1:
        return _work(options, what, token, sock, None, serving)
    memory = Metrics.bytes_needed(ENDPOINTS, what.names, options.workers)
    with sock, tempfile.TemporaryFile(prefix="tipbandit-metrics-") as shared:
        shared.truncate(memory)
        forwarded = () if what.file is None else (signal.SIGHUP,)
        workers = Supervisor(sock, shared.fileno(), options.workers, forwarded, what.text)
        return workers.run(serving)


def _work(
    options: argparse.Namespace,
    what: Served,
    token: str | None,
    sock: socket.socket,
    where: Place | None,
    serving: str = "",
) -> int:
    """One process that serves, alone or as a worker at its place."""
    share = (1, 0, -1) if where is None else (where.workers, where.worker, where.memory)
    metrics = Metrics(ENDPOINTS, what.names, *share)
    journal = LiveJournal(
        Path(options.journal),
        Path(options.state),
        seconds(options.reward_window),
        count=lambda event: metrics.add(f"{event}_total"),
        shadows=what.shadows,
    )
    warm(what.policy)
    for shadow in what.shadows:
        with contextlib.suppress(Exception, SystemExit):  # it will fail again, and be counted
            warm(shadow)
    # what was loaded stays: numba alone leaves 100,000 objects that no request should wait for
    gc.collect()
    gc.freeze()

    def ready() -> None:
        if where is None:
            print(serving, file=sys.stderr, flush=True)
        else:
            os.write(where.ready, b"1")

    app = App(what.policy, journal, metrics, token)
    server = Server(app, options.log_requests, what.file)
    try:
        if isinstance(what.policy, Experiment):
            journal.keep(what.policy)  # the priors that it names were read anew
        asyncio.run(server.run(sock, ready, -1 if where is None else where.lifeline))
    finally:
        journal.close()
    return 0


def _listen(host: str, port: int, token: str | None) -> socket.socket:
    """The socket. Raises `BadInput` for an address that cannot be had, or not without a token."""
    where = f"{host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        if (
            token is None
            and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback
        ):
            rule = f"beyond loopback a bearer token is needed: set {TOKEN} or give --token-file"
            raise BadInput(where, rule)
        return socket.create_server(address[:2], family=family, backlog=1024)
    except OSError as error:
        raise BadInput(where, f"cannot be listened on ({error.strerror or error})") from None


def _token(file: str | None) -> str | None:
    """The bearer token of the file or the environment. Raises `BadInput` for a weak one."""
    said = os.environ.get(TOKEN) if file is None else Path(file).read_text().strip()
    if said is None:
        return None
    if len(said) not in TOKEN_LENGTH or not said.isascii() or not said.isprintable() or " " in said:
        rule = "must be 16 to 256 visible ASCII characters"
        raise BadInput(TOKEN if file is None else f"--token-file {file}", f"the token {rule}")
    return said


def main() -> int:
    """Exit code 2 and one line for bad input."""
    try:
        return serve(parser().parse_args())
    except BadInput as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename or 'serve'}: {error.strerror or error}"
    except UnicodeDecodeError:
        message = "--token-file: must be text"
    except Unavailable as error:
        message = f"--journal: cannot be written ({error})"
    print(f"serve.py: {one_line(message)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
