"""Where our client differs from Amazon's on purpose: the only differences that test_upstream.py lets pass.

Each row says why (contract section 0 lists the reasons), which lines it may touch, what they do on each side, and a program whose
last line shows it, which test_upstream.py runs: a row that no longer describes anything fails. Owns: the rows, and the form
in which an error text of Amazon's is compared. Refuses to know: how programs are run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """`line`, `theirs`, `ours`: what must be found in the line and in what it did on each side (re.search)."""

    why: str
    line: str
    theirs: str
    ours: str
    on: str  # "mock" or "store": where `example` runs
    example: tuple[str, ...]
    erase: str = ""  # what ours has more: the rest must be equal

    def covers(self, line: str, theirs: str, ours: str) -> bool:
        """Is this difference the one?"""
        if self.erase and re.sub(self.erase, "", ours) != theirs:
            return False
        pairs = ((self.line, line), (self.theirs, theirs), (self.ours, ours))
        return all(re.search(pattern, text, re.DOTALL) for pattern, text in pairs)


GET = r"get_object\("
INVALID_RANGE = r"^S3Exception: Client error: Invalid range: "

DIFFERENCES = (
    Difference(
        "an end without a start is honoured: Amazon's gives the whole object",
        GET + r".*None, \d+\)",
        r"^\[0, ",
        r"^\[0(, |\])",
        "store",
        ("upload(c.put_object(B, P + 'k'), b'0123456789')", "read(c.get_object(B, P + 'k', None, 4))"),
    ),
    Difference(
        "an empty range yields nothing, of an object that is there: Amazon's refuses it without asking",
        GET + r".*, (\d+), \1\)",
        r"^S3Exception: .*AWS_ERROR_S3_INVALID_RANGE_HEADER",
        r"^\[(\d+)\]$|^S3Exception: Service error: ",
        "store",
        ("upload(c.put_object(B, P + 'k'), b'0123456789')", "read(c.get_object(B, P + 'k', 5, 5))"),
    ),
    Difference(
        "the empty range at 0 yields nothing: Amazon's yields a byte",
        GET + r".*, 0, 0\)",
        r"^\[0, b'.{1,4}', 1\]$",
        r"^\[0\]$",
        "store",
        ("upload(c.put_object(B, P + 'k'), b'0123456789')", "read(c.get_object(B, P + 'k', 0, 0))"),
    ),
    Difference(
        "an empty range of an empty object, or past the end, yields nothing: Amazon's passes the service's 416 on",
        GET + r".*, (\d+), \1\)",
        r"^S3Exception: Client error: Unknown response error: HTTP 416: InvalidRange",
        r"^\[(\d+)\]$",
        "store",
        ("upload(c.put_object(B, P + 'k'))", "read(c.get_object(B, P + 'k', 0, 0))"),
    ),
    Difference(
        "a range that ends before it starts is named: Amazon's shows a number of its C library, and its mock asks first",
        GET,
        r"^S3Exception: (.*AWS_ERROR_S3_INVALID_RANGE_HEADER|Service error: |Client error: invalid range, )",
        INVALID_RANGE,
        "store",
        ("upload(c.put_object(B, P + 'k'), b'0123456789')", "read(c.get_object(B, P + 'k', 6, 5))"),
    ),
    Difference(
        "an empty key is refused: Amazon's asks about the bucket instead, and would delete that",
        r"\(B, ''",
        r"^S3Exception: ",
        r"^S3Exception: Client error: Failed to construct request: the key is empty$",
        "store",
        ("upload(c.put_object(B, P + 'k'))", "c.delete_object(B, '')"),
    ),
    Difference(
        "the mock too: Amazon's panics",
        GET,
        r"^PanicException: ",
        r"^S3Exception: ",
        "mock",
        ("m.add_object('k', b'0123456789')", "read(c.get_object(B, 'k', 6, 5))"),
    ),
    Difference(
        "on the mock, too, an end without a start is honoured",
        GET + r".*None, \d+\)",
        r"^\[0, ",
        r"^\[0(, |\])",
        "mock",
        ("m.add_object('k', b'0123456789')", "read(c.get_object(B, 'k', None, 4))"),
    ),
    Difference(
        "the mock is read in windows, as S3 is: what is beyond can change meanwhile, and Amazon's mock keeps a snapshot",
        r"^read\(g\)$",
        r"^\[1048576, <1048576 bytes",
        r"^S3Exception: Service error: At least one of the preconditions specified did not hold$",
        "mock",
        (
            "m = MockMountpointS3Client('us-east-1', B, part_size=1 << 20)",
            "c = m.create_mocked_client()",
            "m.add_object('k', data(20 << 20))",
            "g = c.get_object(B, 'k')",
            "next(g)",
            "m.add_object('k', b'')",
            "read(g)",
        ),
    ),
    Difference(
        "a client has requester_pays, as Amazon's has in later versions",
        r"^fields\(|fields\(copy",
        r"\('region', ",
        r"\('requester_pays', False\)",
        "mock",
        ("fields(c)",),
        erase=r"\('requester_pays', False\), ",
    ),
    Difference(
        "the texts of AttributeErrors are Python's own: theirs are those of an extension module",
        r" = |^del |\.\w+$",
        r"^AttributeError: ",
        r"^AttributeError: ",
        "mock",
        ("c.part_size = 3",),
    ),
    Difference(
        "Python counts self among the positional arguments that are too many: an extension module does not",
        r"\(",
        r"^TypeError: \w+\.\w+\(\) takes .* positional arguments but \d+ were given$",
        r"^TypeError: \w+\.\w+\(\) takes .* positional arguments but \d+ were given$",
        "mock",
        ("c.get_object(B, 'k', 1, 2, 3)",),
    ),
)


def canonical(text: str) -> str:
    """An outcome of Amazon's client in the form in which ours is compared: an unforeseen answer is its status and code.

    Theirs prints its parser's insides around the service's XML, memory address included; ours "HTTP 416: InvalidRange: ...".
    """
    unforeseen = r"Unknown response error: MetaRequestResult \{ response_status: (\d+).*?<Code>(.*?)</Code>"
    found = re.search(unforeseen, text, re.DOTALL)
    if found is None:
        return text
    return text[: found.start()] + f"Unknown response error: HTTP {found[1]}: {found[2]}"


def agree(line: str, theirs: str, ours: str) -> bool:
    """Do both outcomes of a line say the same, or differ as a row says?"""
    theirs = canonical(theirs)
    if "Unknown response error: HTTP" in theirs and ours.startswith(theirs):
        return True
    return theirs == ours or any(row.covers(line, theirs, ours) for row in DIFFERENCES)
