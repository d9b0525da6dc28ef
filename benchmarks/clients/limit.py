"""What this machine's kernel and Python allow at best: bare sockets, unsigned requests, no error handling.

Owns: the least that a client must do. Refuses to know: S3 beyond a status line and a length.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import THREADS, Client, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from . import Take

PIECE = 256 << 10  # 64 KiB to 4 MiB cost the same here
RECORD = 16 << 10  # what one read of TLS gives at most; a larger buffer would be made, shrunk and thrown away each time
HEADER = 1 << 16


class Sockets(Client):
    """One connection a thread, kept open."""

    DISTRIBUTION = "limit"
    DOCS = "https://docs.python.org/3/library/socket.html"
    SIGNS = False
    SETTINGS = "one connection; recv of 256 KiB, of 16 KiB over https; unsigned"

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        url = urlsplit(endpoint.url)
        self.host, self.port = str(url.hostname), int(url.port or 80)
        self.tls = ssl.create_default_context(cafile=endpoint.ca) if url.scheme == "https" else None
        self.piece = PIECE if self.tls is None else RECORD
        self.local = threading.local()
        self.pool = ThreadPoolExecutor(THREADS)

    def connection(self) -> socket.socket:
        """This thread's."""
        found: socket.socket | None = getattr(self.local, "connection", None)
        if found is None:
            found = socket.create_connection((self.host, self.port))
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                found = self.tls.wrap_socket(found, server_hostname=self.host)
            self.local.connection = found
        return found

    def ask(self, verb: str, key: str, length: int = 0) -> tuple[socket.socket, int, bytes]:
        """Send a request; returns the connection, the answer's length, and the part of its body that came with the header."""
        connection = self.connection()
        fields = f"Host: {self.host}:{self.port}\r\n" + (f"Content-Length: {length}\r\n" if verb == "PUT" else "")
        connection.sendall(f"{verb} /{self.endpoint.bucket}/{key} HTTP/1.1\r\n{fields}\r\n".encode())
        if verb == "PUT":
            return connection, 0, b""
        return connection, *self.header(connection)

    def header(self, connection: socket.socket) -> tuple[int, bytes]:
        """Read as far as the empty line."""
        came = b""
        while b"\r\n\r\n" not in came:
            came += connection.recv(HEADER)
        head, _, body = came.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 20"):
            raise OSError(head.decode())
        found = re.search(rb"(?i)content-length: (\d+)", head)
        return int(found[1]) if found else 0, body

    def get_iter(self, key: str, take: Take) -> None:
        """recv."""
        connection, left, body = self.ask("GET", key)
        try:
            if body:
                take(body)
            left -= len(body)
            while left:
                piece = connection.recv(min(left, self.piece))
                left -= len(piece)
                take(piece)
        except BaseException:
            self.local.connection = None  # the rest of the body is still to come on this one
            connection.close()
            raise

    def get_into(self, key: str, buffer: memoryview, take: Take) -> None:
        """recv_into the beginning of the buffer."""
        connection, left, body = self.ask("GET", key)
        take(body)
        left -= len(body)
        while left:
            n = connection.recv_into(buffer[: min(left, self.piece)])
            left -= n
            take(buffer[:n])

    def get_small(self, key: str) -> bytes:
        """A bytearray of the right size, filled in place."""
        connection, length, body = self.ask("GET", key)
        whole = bytearray(length)
        whole[: len(body)] = body
        view, filled = memoryview(whole), len(body)
        while filled < length:
            filled += connection.recv_into(view[filled:])
        return whole  # type: ignore[return-value]

    def get_small_many(self, keys: Sequence[str], take: Take) -> None:
        """Threads that keep their connections from one call to the next."""
        for body in self.pool.map(self.get_small, keys):
            take(body)

    def head(self, key: str) -> int:
        """Content-Length."""
        return self.ask("HEAD", key)[1]

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Pages taken apart by a regular expression."""
        token = ""
        while True:
            body = self.get_small(f"?list-type=2&prefix={prefix}&continuation-token={token}").decode()
            for key, size in re.findall(r"<Key>([^<]*)</Key>.*?<Size>(\d+)</Size>", body):
                yield key, int(size)
            found = re.search(r"<NextContinuationToken>([^<]*)<", body)
            if found is None:
                return
            token = found[1]

    def put(self, key: str, pieces: Iterable[bytes]) -> None:
        """One request. The length is known after all pieces are: it stands in the key."""
        length = int(key.partition("/")[0])
        connection, _, _ = self.ask("PUT", key, length)
        for piece in pieces:
            connection.sendall(piece)
        self.header(connection)
