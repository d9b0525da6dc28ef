"""How the public classes behave as classes: like the extension types they stand in for (contract §1, "class mechanics").

Owns: no subclasses, which classes pickle and how, who may use a stream now. Refuses to know: what any of them does.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from typing import SupportsIndex

    from typing_extensions import Self


class Sealed:
    """A class that cannot be subclassed, unless it is a mixin of this module or private."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        for base in cls.__bases__:
            if issubclass(base, Sealed) and base.__module__ != __name__ and not base.__name__.startswith("_"):
                raise TypeError(f"type '{_path(base)}' is not an acceptable base type")


class Value(Sealed):
    """Pickled and copied by calling the class with __getnewargs__ again."""

    __slots__ = ()

    def __getnewargs__(self) -> tuple[object, ...]:
        raise NotImplementedError

    def __getstate__(self) -> None:
        """Nothing but the arguments: without this, pickle would add the slots."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        if operator.index(protocol) < 2:  # noqa: PLR2004 - __getnewargs__ exists since protocol 2
            raise TypeError(f"cannot pickle '{type(self).__name__}' object")
        return super().__reduce_ex__(protocol)


class Unpicklable(Sealed):
    """Bound to this process."""

    __slots__ = ()

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"cannot pickle '{_path(type(self))}' object")


class Result(Unpicklable):
    """Made by this package alone, with object.__new__."""

    __slots__ = ()

    def __new__(cls, *_args: object, **_kwargs: object) -> Self:
        raise TypeError(f"cannot create '{_path(cls)}' instances")


class Stream(Result):
    """A result that one thread at a time may advance.

    The methods that advance it borrow it:

        me = object()
        try:
            self._borrow(me)
            ...
            self._borrower = {}
            (note that the work is done)
            return
        except BaseException:
            if self._borrower == {0: me}:
                self._borrower = {}
            (note that it is not)
            raise

    A KeyboardInterrupt may land between any two of these lines. Hence a name that exists before it is entered, an entry that
    is one atomic step, and an end without a call and without `finally`: the interpreter looks for signals when it calls, and
    an interrupt after the work was noted as done would lose its result.
    """

    __slots__ = ("_borrower",)
    _borrower: dict[int, object]

    def _borrow(self, me: object) -> None:
        if self._borrower.setdefault(0, me) is not me:
            self._insist()
            raise RuntimeError("Already borrowed")

    def _insist(self) -> None:
        """Say so if whoever has borrowed the stream is a thread of another process, of which this one is a fork."""

    def _look(self) -> None:
        """Refuse to show attributes that another thread is changing."""
        if self._borrower:
            raise RuntimeError("Already mutably borrowed")


class ObjectStream(Stream):
    """A stream from or to one object."""

    __slots__ = ("_bucket", "_key")
    _bucket: str
    _key: str

    @property
    def bucket(self) -> str:
        """The object's bucket."""
        self._look()
        return self._bucket

    @property
    def key(self) -> str:
        """The object's key."""
        self._look()
        return self._key


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
