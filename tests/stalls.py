"""A store behind a proxy that goes silent when told to, and remembers what it was asked.

Owns: forwarding HTTP/1.1 requests one by one, holding up the ones named, the record of requests. Refuses to know: S3 beyond
which request is which; whose tests these are.

    with StallProxy(endpoint) as proxy:
        stall = proxy.stall("part", nth=2)   # the second part's request reaches the store only once the stall is lifted
        ...                                   # the client under test uses proxy.endpoint
        stall.reached.wait(10)
        stall.lift()

WHERE a request is held up: "request" (it is not passed on), "upload" (its body is not even read), "answer" (the store has done
it and the client is not told), "body" (in the middle of the answer's body). A client that hangs up meanwhile ends its request:
one not passed on yet never is.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from types import TracebackType

PIECE = 64 * 1024
BACKEND_SECONDS = 60


class Request(NamedTuple):
    """One request as it came."""

    verb: str  # get head put part create complete abort list delete copy, or the HTTP method
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


@dataclass
class Stall:
    """One rule: which requests are held up, and where."""

    verb: str
    where: str = "request"
    nth: int = 1  # the first one held up; those after it are, too
    key: str = ""  # what the path ends with
    at: int | None = None  # the first byte of the range asked for
    seen: int = 0
    reached: threading.Event = field(default_factory=threading.Event)  # some request is held up
    over: threading.Event = field(default_factory=threading.Event)

    def lift(self) -> None:
        """Let go what is held up, and hold up nothing more."""
        self.over.set()


class StallProxy:
    """The proxy; `endpoint` is what the client under test gets."""

    def __init__(self, backend: str) -> None:
        where = urlsplit(backend)
        self._backend = (str(where.hostname), int(where.port or 80))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._stalls: list[Stall] = []
        self._open: set[socket.socket] = set()
        self._held = 0
        self.requests: list[Request] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self, verb: str, where: str = "request", nth: int = 1, key: str = "", at: int | None = None) -> Stall:
        """Hold up from now on requests of this kind."""
        rule = Stall(verb, where, nth, key, at)
        with self._lock:
            self._stalls.append(rule)
        return rule

    def count(self, *verbs: str) -> int:
        """Tell how many requests of these kinds came."""
        with self._lock:
            return sum(request.verb in verbs for request in self.requests)

    @property
    def held(self) -> int:
        """Tell how many requests are held up."""
        with self._lock:
            return self._held

    def __enter__(self) -> StallProxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else accept goes on
        self._listener.close()
        with self._lock:
            for rule in self._stalls:
                rule.over.set()
            for client in self._open:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        try:
            with client, socket.create_connection(self._backend, BACKEND_SECONDS) as backend:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while self._exchange(client, backend):
                    pass
        except (OSError, EOFError):
            pass  # either side has hung up
        finally:
            with self._lock:
                self._open.discard(client)

    def _exchange(self, client: socket.socket, backend: socket.socket) -> bool:
        """Pass on one request and its answer; False when the connection ends with it."""
        head, rest = _read_head(client)
        if not head:
            return False
        request = _parse(head)
        with self._lock:
            self.requests.append(request)
        rule = self._rule_for(request)
        if rule and rule.where in ("request", "upload"):
            length = int(request.headers.get("content-length", 0)) - len(rest)
            if rule.where == "request":  # so that the client is done sending
                while length > 0:
                    rest += _some(client, length)
                    length = int(request.headers.get("content-length", 0)) - len(rest)
            self._hold(rule, client)
        backend.sendall(head)
        _pass_on(client, backend, int(request.headers.get("content-length", 0)), rest)
        head, rest = _read_head(backend)
        if rule and rule.where == "answer":
            self._hold(rule, client)
        client.sendall(head)
        answer = _headers(head)
        bodiless = request.verb in ("head", "HEAD") or head.split(b" ", 2)[1] in (b"204", b"304")
        length = 0 if bodiless else int(answer.get("content-length", 0))
        if rule and rule.where == "body":
            _pass_on(backend, client, length // 2, rest[: length // 2])
            rest = rest[length // 2 :]
            length -= length // 2
            self._hold(rule, client)
        _pass_on(backend, client, length, rest)
        return "close" not in (answer.get("connection", ""), request.headers.get("connection", ""))

    def _hold(self, rule: Stall, client: socket.socket) -> None:
        """Wait until the stall is lifted; EOFError if the client hangs up first."""
        with self._lock:
            self._held += 1
        try:
            rule.reached.set()
            while not rule.over.wait(0.01):
                if select.select([client], [], [], 0)[0] and not client.recv(1, socket.MSG_PEEK):
                    raise EOFError
        finally:
            with self._lock:
                self._held -= 1

    def _rule_for(self, request: Request) -> Stall | None:
        with self._lock:
            for rule in self._stalls:
                begins = request.headers.get("range", "").startswith(f"bytes={rule.at}-") or rule.at is None
                if rule.verb == request.verb and request.path.endswith(rule.key) and begins and not rule.over.is_set():
                    rule.seen += 1
                    if rule.seen >= rule.nth:
                        return rule
        return None


def _read_head(sock: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(PIECE)
        if not piece:
            return b"", b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _some(sock: socket.socket, most: int) -> bytes:
    piece = sock.recv(min(PIECE, most))
    if not piece:
        raise EOFError
    return piece


def _pass_on(source: socket.socket, target: socket.socket, length: int, first: bytes) -> None:
    if first:
        target.sendall(first)
    left = length - len(first)
    while left > 0:
        piece = _some(source, left)
        target.sendall(piece)
        left -= len(piece)


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


def _parse(head: bytes) -> Request:
    method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    where, headers = urlsplit(target), _headers(head)
    query = parse_qs(where.query, keep_blank_values=True)
    path = unquote(where.path)
    on_key = path.count("/") > 1 and not path.endswith("/")
    upload, source = "uploadId" in query, "x-amz-copy-source" in headers
    rows = [
        ("GET", on_key and not upload, "get"),
        ("GET", "list-type" in query, "list"),
        ("HEAD", on_key, "head"),
        ("PUT", source, "copy"),
        ("PUT", upload, "part"),
        ("PUT", on_key, "put"),
        ("POST", "uploads" in query, "create"),
        ("POST", upload, "complete"),
        ("DELETE", upload, "abort"),
        ("DELETE", on_key, "delete"),
    ]
    verb = next((verb for of, applies, verb in rows if of == method and applies), method)
    return Request(verb, path, query, headers)
