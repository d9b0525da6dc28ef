"""Programs for upstream_driver.py, made by hypothesis. Owns: what is tried. Refuses to know: what should come out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

PART = 5 << 20  # the smallest part_size of the real client
MANY = 12  # lines of a program, set-up aside, at most

NAMES = ("a", "b", "a/b", "a/c", "a/b/c", "a b", "a+b", "a%20b", "é", "~-._", "(x)", "a/", "Z")
FEW_NAMES = ("a", "b", "a/b", "a/c", "a%20b", "", "é\x00\n")
ANY_NAMES = st.one_of(*[st.sampled_from(FEW_NAMES)] * 5, st.sampled_from(NAMES), st.text(max_size=4))
SMALL = st.integers(0, 12)
CLASSES = st.sampled_from(("None", "None", "'STANDARD'", "'REDUCED_REDUNDANCY'", "'NONSENSE'"))


class Writer:
    """Writes one program: remembers which streams are open, so that lines use what earlier lines made."""

    def __init__(self, draw: Callable[..., str], keys: st.SearchStrategy[str], payloads: st.SearchStrategy[str]) -> None:
        self.draw, self.keys, self.payloads = draw, keys, payloads
        self.lines: list[str] = []
        self.open: dict[str, list[str]] = {"get": [], "put": [], "list": []}

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append(text)

    def key(self) -> str:
        """Draw a key, as an expression."""
        return self.draw(self.keys)

    def bucket(self) -> str:
        """Draw a bucket, as an expression: seldom one that is not there."""
        return self.draw(st.sampled_from(("B",) * 15 + ("'no-such-bucket'",)))

    def name(self, kind: str) -> str:
        """Make a name for a new stream."""
        name = f"{kind[0]}{len(self.lines)}"
        self.open[kind].append(name)
        return name

    def put(self) -> None:
        """Store an object in one line."""
        pieces = self.draw(st.lists(self.payloads, max_size=3))
        head = f"c.put_object({self.bucket()}, {self.key()}, {self.draw(CLASSES)})"
        self.line(f"upload({', '.join([head, *pieces])})")

    def get(self) -> None:
        """Read an object, or a range of it, in one line."""
        self.line(f"read(c.get_object({self.bucket()}, {self.key()}{self.range(odd=True)}))")

    def range(self, *, odd: bool) -> str:
        """Draw the range's arguments; odd ones are those of which some outcomes differ on purpose."""
        forms = ["none", "none", "both", "clipped", "start"] + ["end", "empty", "reversed"] * odd
        form = self.draw(st.sampled_from(forms))
        low, high = sorted((self.draw(SMALL), self.draw(SMALL) + 13))
        return {
            "none": "",
            "start": f", {low}",
            "both": f", {low}, {low + 1 + high % 7}",
            "clipped": f", {low}, {high + PART}",
            "end": f", None, {high}",
            "empty": f", {low}, {low}",
            "reversed": f", {high}, {low}",
        }[form]

    def look(self) -> None:
        """Ask for an object's metadata, as fields or as text."""
        call = f"c.head_object({self.bucket()}, {self.key()})"
        self.line(self.draw(st.sampled_from((call, f"repr({call})", f"fields(copy.copy({call}))"))))

    def delete(self) -> None:
        """Delete an object."""
        self.line(f"c.delete_object({self.bucket()}, {self.key()})")

    def listing(self) -> str:
        """Draw a listing."""
        delimiter, most = self.draw(st.sampled_from(("''", "'/'", "'b'"))), self.draw(st.sampled_from((1, 2, 3, 1000)))
        return f"c.list_objects({self.bucket()}, {self.draw(self.keys)}, {delimiter}, {most})"

    def list_all(self) -> None:
        """Read a whole listing in one line."""
        self.line(f"pages({self.listing()})")

    def begin(self) -> None:
        """Open a stream of any kind and keep it."""
        kind = self.draw(st.sampled_from(("get", "put", "list")))
        call = {
            "get": lambda: f"c.get_object(B, {self.key()}{self.range(odd=False)})",
            "put": lambda: f"c.put_object(B, {self.key()}, {self.draw(CLASSES)})",
            "list": self.listing,
        }[kind]()
        self.line(f"{self.name(kind)} = {call}")

    def go_on(self) -> None:
        """Do something with an open stream; without one, with one that was never there (a NameError on both sides)."""
        kind = self.draw(st.sampled_from(sorted(self.open)))
        name = self.draw(st.sampled_from(self.open[kind] or ["nothing"]))
        steps = {
            "get": (f"next({name}, 'end')", f"{name}.tell()", f"fields({name})", f"list({name})", f"iter({name}) is {name}"),
            "put": (
                f"{name}.write({self.draw(self.payloads)})", f"{name}.write(b'')", f"{name}.write(bytearray(2))",
                f"{name}.write('text')", f"{name}.close()", f"fields({name})",
            ),
            "list": (f"next({name}, 'end')", f"fields({name})", f"pages({name})", f"iter({name}) is {name}"),
        }[kind]  # fmt: skip
        ends = (f"del {name}", f"pickle.dumps({name})", f"{name}.key = 1")
        self.line(self.draw(st.sampled_from(steps + steps + ends)))


@st.composite
def mock_programs(draw: Callable[..., str]) -> list[str]:
    """Programs on the mock: any part size, any key, objects added and removed behind the client's back."""
    keys = ANY_NAMES.map(repr)
    writer = Writer(draw, keys, st.binary(max_size=9).map(repr))
    part = draw(st.sampled_from((1, 2, 3, 8 << 20)))
    writer.line(f"m = MockMountpointS3Client('us-east-1', B, part_size={part})")
    writer.line("c = m.create_mocked_client()")

    def add() -> None:
        writer.line(f"m.add_object({draw(keys)}, {draw(st.binary(max_size=9))!r})")

    def remove() -> None:
        writer.line(f"m.remove_object({draw(keys)})")

    def copy() -> None:
        writer.line(f"c.copy_object({writer.bucket()}, {draw(keys)}, {writer.bucket()}, {draw(keys)})")

    for _ in range(draw(st.integers(1, 2))):
        add()
    steps = [add, add, remove, copy, writer.put, writer.get, writer.get, writer.look, writer.delete, writer.list_all]
    steps += [writer.begin, writer.begin, writer.go_on, writer.go_on, writer.go_on]
    for step in draw(st.lists(st.sampled_from(steps), max_size=MANY)):
        step()
    return writer.lines


@st.composite
def store_programs(draw: Callable[..., str]) -> list[str]:
    """Programs on a real store, under the prefix P: keys that MinIO takes, sizes around part boundaries."""
    keys = st.sampled_from(NAMES).map(lambda name: f"P + {name!r}")
    sizes = st.sampled_from((0, 1, 7, 7, 7, 30, 30, 4096, PART - 1, PART, PART + 1))
    payloads = st.builds("data({}, {})".format, sizes, st.integers(0, 3))
    writer = Writer(draw, keys, payloads)

    def copy() -> None:
        """The connector gives a source key percent-encoded, so both clients take it so."""
        source = draw(st.sampled_from(NAMES))
        writer.line(f"c.copy_object({writer.bucket()}, quote(P + {source!r}), {writer.bucket()}, {draw(keys)})")

    writer.put()
    steps = [copy, writer.put, writer.put, writer.get, writer.get, writer.get, writer.look, writer.delete, writer.list_all]
    steps += [writer.begin, writer.begin, writer.go_on, writer.go_on, writer.go_on]
    for step in draw(st.lists(st.sampled_from(steps), max_size=MANY)):
        step()
    return writer.lines
