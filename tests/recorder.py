"""A store's answers with the requests written down: what a test looks at when it asks what goes over the wire.

    with Recorder(store.endpoint) as wire:
        client = store.client(endpoint=wire.endpoint)
        ...
        assert [r.method for r in wire.requests] == ["GET"]

Owns: recording, forwarding, answering in the store's place where `interfere` says so. Refuses to know: what should be sent;
faults of the connection itself, for which the embedded store has scripts.
"""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from types import TracebackType

HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}  # headers of one connection, not of the answer


@dataclass
class Request:
    """One request as it was sent. `headers` has lower-case names; bytes that are no ASCII are kept as they came (latin-1)."""

    method: str
    target: str  # path and query, or the whole URL where a proxy is asked
    headers: dict[str, str]
    body: bytes
    status: int = 0  # of the answer; 0 while there is none

    @property
    def path(self) -> str:
        """The path, still encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query, decoded."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))


@dataclass
class Answer:
    """What to answer in the store's place."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int = 0  # of a HEAD's answer: the Content-Length that no body follows


def s3_error(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """An error as S3 words it."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, text.encode(), {"Content-Type": "application/xml", **headers})


Interference = Callable[[Request], Optional[Answer]]


class Recorder:
    """A server on loopback that records, and forwards to `store` (None: answers 500 unless `interfere` answers).

    `interfere` sees each request before it is forwarded, and answers it or does something else first and gives None.
    """

    def __init__(self, store: str | None = None, interfere: Interference | None = None, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.interfere = interfere
        self._store = urlsplit(store).netloc if store else None
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.endpoint = f"http://{self.address}"

    def methods(self) -> list[str]:
        """The methods, in the order in which the requests came."""
        return [request.method for request in self.requests]

    def __enter__(self) -> Recorder:
        """For `with`."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: Request) -> Answer:
        """Record a request and find its answer."""
        self.requests.append(request)
        answer = self.interfere(request) if self.interfere else None
        if answer is None:
            answer = self._forward(request) if self._store else Answer(500)
        request.status = answer.status
        return answer

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(str(self._store), timeout=60)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name not in HOP - {"content-length"} and name != "expect":
                    connection.putheader(name, value.encode("latin-1"))
            connection.endheaders(request.body or None)
            got = connection.getresponse()
            body = got.read()
        finally:
            connection.close()
        headers = {name: value for name, value in got.getheaders() if name.lower() not in HOP}
        return Answer(got.status, body, headers, int(got.getheader("content-length") or 0))


def _handler(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True  # a client that dropped its stream

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def exchange(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("transfer-encoding"):
                raise AssertionError("a body of unknown length: S3 takes none")
            headers = {name.lower(): value for name, value in self.headers.items()}
            # Not self.path, which http.server changes where it begins with two slashes.
            answer = recorder.answer(Request(self.command, self.requestline.split(" ")[1], headers, body))
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if self.command == "HEAD":
                self.send_header("Content-Length", str(answer.length))
            elif answer.status != http.client.NO_CONTENT:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_CONNECT = exchange  # noqa: N815 - http.server's names

    return Handler
