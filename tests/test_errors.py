"""S3Exception: one type, upstream's texts, and data beside them.

Owns: contract §2 as far as one process with the in-memory wire shows it. Refuses to know: HTTP.
"""

# ruff: noqa: S301 - the pickles are our own

from __future__ import annotations

import copy
import copyreg
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import s3torchconnectorclient
from s3torchconnectorclient import S3Exception, _engine
from s3torchconnectorclient._errors import again, failed
from s3torchconnectorclient._mountpoint_s3_client import MockMountpointS3Client, MountpointS3Client
from s3torchconnectorclient._mountpoint_s3_client import S3Exception as FaceException


@given(st.lists(st.text() | st.integers()))
def test_exceptions_made_by_hand_pickle(arguments: list[object]) -> None:
    """S3Exception(*args) keeps its arguments, also through pickle (§2)."""
    error = pickle.loads(pickle.dumps(S3Exception(*arguments)))
    assert type(error) is S3Exception
    assert error.args == tuple(arguments)


def test_an_exception_made_by_hand_reduces_as_upstreams() -> None:
    """Without data of ours the reduction is (S3Exception, args), as other code may expect (§1)."""
    assert copyreg.dispatch_table[S3Exception](S3Exception("foo", 1)) == (S3Exception, ("foo", 1))


def test_there_is_one_exception_class() -> None:
    """The package, its face and pickle agree on the class and its address (§2)."""
    assert S3Exception is FaceException is s3torchconnectorclient.S3Exception
    assert S3Exception.__module__ == "s3torchconnectorclient._mountpoint_s3_client"
    assert S3Exception.__mro__[1] is Exception


def test_an_exception_made_by_hand_has_empty_data() -> None:
    """kind, http_status, code and request_id are there on every S3Exception (§0)."""
    error = S3Exception("x")
    assert (error.kind, error.http_status, error.code, error.request_id) == ("", 0, "", "")


def test_data_survives_pickle_copy_and_raising_again() -> None:
    """What went wrong is known as data in another process, too (§0)."""
    error = failed("Client error: Request throttled", "throttled", 503, "SlowDown", "R1")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), again(error)):
        assert twin is not error
        assert twin.args == error.args
        assert (twin.kind, twin.http_status, twin.code, twin.request_id) == ("throttled", 503, "SlowDown", "R1")


def test_the_engines_errors_arrive_whole() -> None:
    """Kind, HTTP status and S3's code cross the boundary with the text (§2)."""
    client = MockMountpointS3Client("r", "b").create_mocked_client()
    with pytest.raises(S3Exception, match=r"^Service error: The key does not exist$") as caught:
        client.get_object("b", "missing")
    assert (caught.value.kind, caught.value.http_status, caught.value.code) == ("not_found", 404, "NoSuchKey")


def test_an_invalid_endpoint_fails_at_the_first_operation() -> None:
    """The text is upstream's to the letter, and the constructor takes any endpoint (§2)."""
    client = MountpointS3Client("us-east-1", endpoint="INVALID", unsigned=True)
    with pytest.raises(S3Exception) as caught:
        client.head_object("b", "k")
    expected = (
        "Client error: Failed to construct request: Invalid S3 endpoint: endpoint could not be resolved: "
        "Custom endpoint `INVALID` was not a valid URI"
    )
    assert str(caught.value) == expected
    assert caught.value.kind == "invalid"


def test_every_kind_of_the_header_has_a_name() -> None:
    """An error kind added to the header gets its name in Python, or this fails."""
    assert sorted(_engine.KINDS) == list(range(1, len(_engine.KINDS) + 1))
    assert _engine.KINDS[_engine.ffi.integer_const("S3E_INTERNAL")] == "internal"


def test_an_error_of_a_stream_is_raised_again_and_again() -> None:
    """A reader that retries next() does not see a short object (§0; upstream raises once, then StopIteration)."""
    mock = MockMountpointS3Client("r", "b", part_size=2)
    mock.add_object("k", b"12345678")
    stream = mock.create_mocked_client().get_object("b", "k")
    stream._failure = failed("Client error: made up", "network", 500)
    for _ in range(3):
        with pytest.raises(S3Exception, match="made up") as caught:
            next(stream)
        assert (caught.value.kind, caught.value.http_status) == ("network", 500)
    assert stream.tell() == 0
