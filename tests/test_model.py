"""Our client against a dict: any sequence of operations leaves the store as the dict, on the mock, the embedded S3 and MinIO.

Metamorphic as well: each operation is done by one of several clients whose part sizes differ, which must make no difference to
the bytes, and none but the expected one to the chunks. Owns: the model. Refuses to know: Amazon's client (test_upstream.py),
texts of errors beyond whether something is missing.
"""

from __future__ import annotations

import gc
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import hypothesis
import pytest
from helpers import MIB, eventually, pattern
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from s3torchconnectorclient import S3Exception
from s3torchconnectorclient._mountpoint_s3_client import MockMountpointS3Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

BUCKET = "bucket"
PLAIN = ["a", "b", "c/1", "c/2", "c/d/1", "c/d/2", "e f", "é", "~"]  # names that MinIO takes, none of them another's folder
MISSING = r"^Service error: The (key does not exist|object was not found)$"


class World:
    """Where the model is tried: clients that see one store, their part sizes, the keys it takes."""

    def __init__(self, bucket: str, clients: list[Any], keys: list[str], sizes: list[int]) -> None:
        self.bucket, self.clients, self.keys, self.sizes = bucket, clients, keys, sizes
        self.strict = False  # the mock: no range past the end, no start without an end

    def fresh(self) -> str:
        """A prefix that nobody has used: each run of the model begins with nothing."""
        return f"{secrets.token_hex(4)}/"


class Mocks(World):
    """The mock: its parts may be one byte, so small objects show every boundary. One engine store, three clients' part sizes."""

    def __init__(self) -> None:
        super().__init__(BUCKET, [], [*PLAIN, "\x00", "\n", "c", "c/", "//", "a%20b", "😀"], [0, 1, 2, 3, 5, 8, 21])
        self.strict = True
        self.fresh()

    def fresh(self) -> str:
        """A new mock."""
        mock = MockMountpointS3Client("us-east-1", BUCKET, part_size=4)
        self.clients = [mock.create_mocked_client()]
        for part_size in (1, 3):
            other = MockMountpointS3Client("us-east-1", BUCKET, part_size=part_size)
            other._store = mock._store  # the same memory under another part size
            self.clients.append(other.create_mocked_client())
        return ""


def chunks_of(data: bytes, start: int, end: int, part_size: int) -> list[bytes]:
    """Cut data[start:end] into parts counted from start."""
    return [data[at : min(at + part_size, end)] for at in range(start, end, part_size)]


def machine(world: World) -> type[RuleBasedStateMachine]:  # noqa: C901 - a rule each
    """The model of a world."""
    clients = st.integers(0, 2).map(lambda number: world.clients[number])
    keys, payloads = st.sampled_from(world.keys), st.builds(pattern, st.sampled_from(world.sizes), st.integers(0, 5))

    class Model(RuleBasedStateMachine):
        gets, puts = Bundle("gets"), Bundle("puts")

        def __init__(self) -> None:
            super().__init__()
            self.prefix, self.objects = world.fresh(), {}  # type: str, dict[str, bytes]

        def teardown(self) -> None:
            for key in self.objects:
                world.clients[0].delete_object(world.bucket, self.prefix + key)

        def missing(self, call: Any, *arguments: Any) -> None:
            """Something that is not there is told so."""
            with pytest.raises(S3Exception, match=MISSING):
                call(world.bucket, *arguments)

        @rule(client=clients, key=keys, data=payloads, cuts=st.lists(st.floats(0, 1), max_size=3))
        def put(self, client: Any, key: str, data: bytes, cuts: list[float]) -> None:
            stream = client.put_object(world.bucket, self.prefix + key)
            edges = [0, *sorted(int(cut * len(data)) for cut in cuts), len(data)]
            for start, end in zip(edges, edges[1:]):
                stream.write(data[start:end])
            stream.close()
            self.objects[key] = data

        @rule(target=puts, client=clients, key=keys)
        def begin_put(self, client: Any, key: str) -> tuple[str, Any, list[bytes]]:
            return key, client.put_object(world.bucket, self.prefix + key), []

        @rule(put=puts, data=payloads)
        def write(self, put: tuple[str, Any, list[bytes]], data: bytes) -> None:
            put[1].write(data)
            put[2].append(data)

        @rule(put=consumes(puts))
        def close(self, put: tuple[str, Any, list[bytes]]) -> None:
            put[1].close()
            self.objects[put[0]] = b"".join(put[2])

        @rule(put=consumes(puts))
        def drop_put(self, put: tuple[str, Any, list[bytes]]) -> None:
            """It leaves no trace, which the invariant sees."""
            del put
            gc.collect()

        @rule(client=clients, key=keys, where=st.tuples(st.floats(0, 1), st.floats(0, 1)) | st.none())
        def get(self, client: Any, key: str, where: tuple[float, float] | None) -> None:
            if key not in self.objects:
                self.missing(client.get_object, self.prefix + key)
                return
            data, start, end = self.objects[key], 0, len(self.objects[key])
            span: tuple[int, ...] = ()
            if where is not None:
                start, end = span = tuple(sorted(int(edge * len(data)) for edge in where))
                if start >= len(data) and world.strict:
                    with pytest.raises(S3Exception, match="invalid range"):
                        client.get_object(world.bucket, self.prefix + key, *span)
                    return
            stream = client.get_object(world.bucket, self.prefix + key, *span)
            assert stream.tell() == start
            assert list(stream) == chunks_of(data, start, end, client.part_size)
            assert stream.tell() == end

        @rule(target=gets, client=clients, key=keys)
        def begin_get(self, client: Any, key: str) -> tuple[Any, list[bytes]]:
            if key not in self.objects:
                self.missing(client.get_object, self.prefix + key)
                return iter(()), []
            expected = chunks_of(self.objects[key], 0, len(self.objects[key]), client.part_size)
            return client.get_object(world.bucket, self.prefix + key), expected

        @rule(get=gets, count=st.integers(1, 3))
        def go_on(self, get: tuple[Any, list[bytes]], count: int) -> None:
            """Old bytes to the end, or an error where the object has changed; never new ones between them."""
            stream, left = get
            for _ in range(count):
                try:
                    chunk = next(stream, None)
                except S3Exception as error:
                    changed = error.kind in {"precondition", "not_found"}
                    with pytest.raises(S3Exception):
                        next(stream)
                    assert changed, repr(error)  # noqa: PT017 - an error is one of two good outcomes
                    return
                assert chunk == (left.pop(0) if left else None)

        @rule(get=consumes(gets))
        def drop_get(self, get: tuple[Any, list[bytes]]) -> None:
            del get

        @rule(client=clients, key=keys)
        def head(self, client: Any, key: str) -> None:
            if key in self.objects:
                assert client.head_object(world.bucket, self.prefix + key).size == len(self.objects[key])
            else:
                self.missing(client.head_object, self.prefix + key)

        @rule(client=clients, key=keys)
        def delete(self, client: Any, key: str) -> None:
            client.delete_object(world.bucket, self.prefix + key)
            self.objects.pop(key, None)

        @rule(client=clients, old=keys, new=keys)
        def copy(self, client: Any, old: str, new: str) -> None:
            if old == new:
                return  # S3 refuses it, the mock does not
            source = self.prefix + old if world.strict else quote(self.prefix + old)
            if old in self.objects:
                client.copy_object(world.bucket, source, world.bucket, self.prefix + new)
                self.objects[new] = self.objects[old]
            else:
                self.missing(client.copy_object, source, world.bucket, self.prefix + new)

        @rule(client=clients, prefix=st.sampled_from(["", "c", "c/", "c/d/", "e"]), max_keys=st.integers(1, 4))
        def list_level(self, client: Any, prefix: str, max_keys: int) -> None:
            inside = [key[len(prefix) :] for key in self.objects if key.startswith(prefix)]
            folders = {key.partition("/")[0] + "/" for key in inside if "/" in key}
            infos, prefixes = self.listed(client, prefix, "/", max_keys)
            assert [key for key, _ in infos] == sorted((prefix + key for key in inside if "/" not in key), key=str.encode)
            assert prefixes == sorted((prefix + folder for folder in folders), key=str.encode)

        def listed(self, client: Any, prefix: str, delimiter: str, most: int) -> tuple[list[tuple[str, int]], list[str]]:
            """All pages of a listing: names below our prefix and sizes, common prefixes."""
            infos, prefixes, cut = [], [], len(self.prefix)
            for page in client.list_objects(world.bucket, self.prefix + prefix, delimiter, most):
                assert len(page.object_info) + len(page.common_prefixes) <= most
                infos += [(info.key[cut:], info.size) for info in page.object_info]
                prefixes += [each[cut:] for each in page.common_prefixes]
            return infos, prefixes

        @invariant()
        def the_store_is_the_dict(self) -> None:
            expected = sorted(((key, len(data)) for key, data in self.objects.items()), key=lambda item: item[0].encode())
            assert self.listed(world.clients[0], "", "", 3)[0] == expected

    return Model


def explore(world: World, examples: int, steps: int) -> None:
    """Run the model so often."""
    settings = hypothesis.settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    run_state_machine_as_test(machine(world), settings=settings)


def real(store: Store, bucket: str) -> World:
    """A world on a real store: objects around the boundaries of the smallest parts, and of the default ones."""
    clients = [store.client(part_size=size) for size in (5 * MIB, 5 * MIB + 3, 8 * MIB)]
    return World(bucket, clients, PLAIN, [0, 1, 7, 7, 7, 5 * MIB, 5 * MIB + 1, 11 * MIB])


@pytest.fixture
def scale(full: bool) -> Iterator[int]:  # noqa: FBT001 - the fixture's value
    """How much more to try with --full."""
    return 20 if full else 1


@pytest.mark.timeout(1200)
def test_the_mock_is_a_dict(scale: int) -> None:
    """Whatever is done to it, under any part size (§4 to §7)."""
    explore(Mocks(), 100 * scale, 40)


@pytest.mark.timeout(1200)
def test_the_embedded_s3_is_a_dict(embedded_store: Store, bucket: str, scale: int) -> None:
    """Whatever is done to it, under any part size (§4 to §6)."""
    explore(real(embedded_store, bucket), 40 * scale, 30)


@pytest.mark.timeout(1200)
def test_minio_is_a_dict(minio: Store, scale: int) -> None:
    """Whatever is done to it, under any part size (§4 to §6)."""
    bucket = f"model-{secrets.token_hex(4)}"
    minio.raw.create_bucket(bucket)
    explore(real(minio, bucket), 15 * scale, 30)
    gc.collect()
    eventually(lambda: not minio.raw.open_uploads(bucket), lambda: f"aborted: {minio.raw.open_uploads(bucket)}")
