"""The one exception of this package.

Owns: S3Exception, what it carries, how it pickles. Refuses to know: which failure has which text (go/engine/errors.go).

Every failure of an operation is an S3Exception, as upstream's is, with upstream's texts. What went wrong is also there as data,
so that nobody needs to parse a text:

    try:
        client.head_object(bucket, key)
    except S3Exception as error:
        if error.kind == "not_found": ...
"""

from __future__ import annotations

from typing import Any

__all__ = ["S3Exception", "again", "failed", "reduce"]


class S3Exception(Exception):  # noqa: N818 - upstream's name
    """An operation on S3 failed.

    kind is what to do about it: "invalid" (a bad request), "not_found", "denied", "precondition" (the object changed),
    "throttled", "network", "integrity", "service", "canceled", "bad_handle" or "internal" (our bug); "" where none is known.
    http_status is 0 where no answer came; code is S3's error code and request_id the request's, "" where there is none.
    """

    # On the class, so that an exception made by hand has them too and the instance's __dict__ stays empty (see reduce).
    kind: str = ""
    http_status: int = 0
    code: str = ""
    request_id: str = ""


def failed(text: str, kind: str = "", http_status: int = 0, code: str = "", request_id: str = "") -> S3Exception:
    """Make the exception for a failure of the engine."""
    error = S3Exception(text)
    error.kind, error.http_status, error.code, error.request_id = kind, http_status, code, request_id
    return error


def again(error: S3Exception) -> S3Exception:
    """Make the same exception anew: raising one object twice would let its traceback grow, and show the first place."""
    copy = S3Exception(*error.args)
    copy.__dict__.update(error.__dict__)
    return copy


def reduce(error: S3Exception) -> tuple[Any, ...] | str:
    """Reduce for copyreg: (S3Exception, args) as upstream, and the attributes as a state where there are any."""
    state: dict[str, object] | None = error.__dict__ or None
    return (S3Exception, error.args) if state is None else (S3Exception, error.args, state)
