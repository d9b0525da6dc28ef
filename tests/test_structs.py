"""Records: what they hold, and that they print, pickle, copy and compare as upstream's do.

Owns: contract §1 "class mechanics" and §4 as far as records go. Refuses to know: streams and clients.
"""

# ruff: noqa: S301 - the pickles are our own

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3torchconnectorclient._mountpoint_s3_client import (
    GetObjectStream,
    HeadObjectResult,
    ListObjectResult,
    ObjectInfo,
    PutObjectStream,
    RestoreStatus,
)

RESTORES = st.builds(RestoreStatus, st.booleans(), st.none() | st.integers(0, 2**128 - 1))
REST = st.tuples(st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1), st.none() | st.text(), st.none() | RESTORES)


def fields(record: ObjectInfo | HeadObjectResult) -> tuple[object, ...]:
    restore = record.restore_status
    pair = None if restore is None else (restore.in_progress, restore.expiry)
    key = (record.key,) if isinstance(record, ObjectInfo) else ()
    return (*key, record.etag, record.size, record.last_modified, record.storage_class, pair)


@given(st.text(), st.text(), REST)
@example("", "", (2**64 - 1, -(2**63), None, None))
@example("\0\n\U0001f600", "", (0, 2**63 - 1, "", RestoreStatus(in_progress=False, expiry=2**128 - 1)))
def test_object_info_survives_pickle_and_copies(key: str, etag: str, rest: tuple[Any, ...]) -> None:
    """Every text and every number within upstream's bounds comes back from pickle, copy and deepcopy (§1, §4)."""
    original = ObjectInfo(key, etag, *rest)
    expected = (key, etag, *rest[:3], rest[3] and (rest[3].in_progress, rest[3].expiry))
    for twin in (original, pickle.loads(pickle.dumps(original)), copy.copy(original), copy.deepcopy(original)):
        assert type(twin) is ObjectInfo
        assert fields(twin) == expected


@given(st.text(), REST)
def test_head_object_result_survives_pickle(etag: str, rest: tuple[Any, ...]) -> None:
    """HeadObjectResult pickles like ObjectInfo (§4)."""
    original = HeadObjectResult(etag, *rest)
    assert fields(pickle.loads(pickle.dumps(original, 2))) == fields(original)


def test_restore_status_is_a_fresh_copy_each_time() -> None:
    """No two accesses of restore_status give the same object, nor the one that was passed (§4)."""
    status = RestoreStatus(in_progress=True)
    info = ObjectInfo("k", "e", 1, 2, None, status)
    assert info.restore_status is not status
    assert info.restore_status is not info.restore_status
    assert info.restore_status is not None
    assert info.restore_status.in_progress is True


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            ObjectInfo("k", "e", 1, 2, "STANDARD", RestoreStatus(in_progress=False, expiry=5)),
            (
                'PyObjectInfo { key: "k", etag: "e", size: 1, last_modified: 2, storage_class: Some("STANDARD"), '
                "restore_status: Some(PyRestoreStatus { in_progress: false, expiry: Some(5) }) }"
            ),
        ),
        (
            HeadObjectResult('"e"', 1, -2),
            'PyHeadObjectResult { etag: "\\"e\\"", size: 1, last_modified: -2, storage_class: None, restore_status: None }',
        ),
        (RestoreStatus(in_progress=True), "PyRestoreStatus { in_progress: true, expiry: None }"),
        (
            ObjectInfo("a'\n\x7f\x00é\u200b\U0001f600\\\t\r\u0301", "", 0, 0),
            (
                'PyObjectInfo { key: "a\'\\n\\u{7f}\\0é\\u{200b}\U0001f600\\\\\\t\\r\\u{301}", etag: "", size: 0, '
                "last_modified: 0, storage_class: None, restore_status: None }"
            ),
        ),
    ],
)
def test_records_print_as_rust_does(record: object, expected: str) -> None:
    """Both repr and str are Rust's Debug format, escapes included (§4)."""
    assert repr(record) == expected
    assert str(record) == expected


def test_records_compare_by_identity() -> None:
    """Two equal-looking records are different, and both can be dict keys (§1)."""
    one, other = ObjectInfo("k", "e", 1, 2), ObjectInfo("k", "e", 1, 2)
    assert one != other
    assert len({one, other}) == 2


@pytest.mark.parametrize("protocol", [0, 1])
def test_old_pickle_protocols_are_refused(protocol: int) -> None:
    """__getnewargs__ exists since protocol 2, so 0 and 1 are a TypeError (§1)."""
    with pytest.raises(TypeError, match="cannot pickle 'ObjectInfo' object"):
        pickle.dumps(ObjectInfo("k", "e", 1, 2), protocol)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: ObjectInfo(None, "e", 1, 2), TypeError),
        (lambda: ObjectInfo("k", "e", 1.0, 2), TypeError),
        (lambda: ObjectInfo("k", "e", -1, 2), OverflowError),
        (lambda: ObjectInfo("k", "e", 2**64, 2), OverflowError),
        (lambda: ObjectInfo("k", "e", 1, 2**63), OverflowError),
        (lambda: ObjectInfo("\ud800", "e", 1, 2), UnicodeEncodeError),
        (lambda: ObjectInfo("k", "e", 1, 2, 5), TypeError),
        (lambda: ObjectInfo("k", "e", 1, 2, None, (True, None)), TypeError),
        (lambda: RestoreStatus(1), TypeError),
        (lambda: RestoreStatus(in_progress=True, expiry=2**128), OverflowError),
        (lambda: RestoreStatus(in_progress=True, expiry=-1), OverflowError),
    ],
)
def test_arguments_are_checked(make: Any, error: type[Exception]) -> None:
    """Wrong types, numbers out of range and lone surrogates are refused with upstream's exception types (§1)."""
    with pytest.raises(error):
        make()


@pytest.mark.parametrize("cls", [ObjectInfo, HeadObjectResult, RestoreStatus, ListObjectResult, GetObjectStream])
def test_classes_cannot_be_subclassed(cls: type) -> None:
    """Subclassing is refused, with upstream's text (§1)."""
    name = f"s3torchconnectorclient._mountpoint_s3_client.{cls.__name__}"
    with pytest.raises(TypeError, match=rf"type '{name}' is not an acceptable base type"):
        type("Derived", (cls,), {})


@pytest.mark.parametrize("name", ["size", "unheard_of"])
def test_attributes_cannot_be_set(name: str) -> None:
    """Records are immutable and have no __dict__ (§1)."""
    info = ObjectInfo("k", "e", 1, 2)
    with pytest.raises(AttributeError):
        setattr(info, name, 5)
    assert not hasattr(info, "__dict__")
    with pytest.raises(TypeError, match="cannot create weak reference"):
        weakref.ref(info)


def test_classes_serve_as_specs_of_mocks() -> None:
    """Mock(cls) knows the attributes and passes isinstance: s3torchconnector's tests do that (§1)."""
    info, stream, writer = Mock(ObjectInfo), Mock(GetObjectStream), Mock(PutObjectStream)
    info.size = 10
    stream.tell.return_value = 3
    writer.close()
    assert isinstance(writer, PutObjectStream)
    assert (info.size, stream.tell()) == (10, 3)
    with pytest.raises(AttributeError):
        _ = info.unheard_of


def test_list_results_are_made_by_listings_alone() -> None:
    """ListObjectResult() is a TypeError with upstream's text (§1)."""
    with pytest.raises(
        TypeError, match=r"cannot create 's3torchconnectorclient._mountpoint_s3_client.ListObjectResult' instances"
    ):
        ListObjectResult()
