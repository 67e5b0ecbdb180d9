"""Work for a device as a call: something that can be begun here, or sent to another process and begun there."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

S_co = TypeVar("S_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True)
class DeviceJob(Generic[S_co, R_co]):
    """`function(*arguments)`: a generator function of a module, whose steps may be yielded in another thread each.

    `changing`: those of the objects among its arguments that it changes while it works, for others to look at.
    """

    function: Callable[..., Generator[S_co, None, R_co]]
    arguments: tuple[Any, ...] = ()
    changing: tuple[object, ...] = ()

    def steps(self) -> Generator[S_co, None, R_co]:
        """Begin."""
        return self.function(*self.arguments)
