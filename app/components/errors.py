"""The one place where an error becomes a sentence for the visitor."""

import functools
import html
import inspect
from collections.abc import Callable, Generator
from typing import Any, NoReturn

import gradio as gr

from longsight.errors import LongSightError


def for_visitor(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Let a callback's `LongSightError` reach the visitor as its own sentence.

    Every other exception stays what it is: Gradio shows "Error" and logs the traceback, for it is a fault of ours.
    """
    return _telling(callback, raise_for_visitor)


def for_program(callback: Callable[..., Any]) -> Callable[..., Any]:
    """`for_visitor` for what only programs call: the sentence as it is."""
    return _telling(callback, _raise_for_program)


def _telling(callback: Callable[..., Any], tell: Callable[[LongSightError], NoReturn]) -> Callable[..., Any]:
    if inspect.isgeneratorfunction(callback):

        @functools.wraps(callback)
        def generator(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
            try:
                yield from callback(*args, **kwargs)
            except LongSightError as error:
                tell(error)

        return generator

    @functools.wraps(callback)
    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except LongSightError as error:
            tell(error)

    return function


def as_notice(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Let the sentence of a callback that is `for_visitor` be a notice, and leave the page as it is.

    For those that are asked again when something has changed meanwhile: Gradio forgets to ask again where one fails.
    """
    if inspect.isgeneratorfunction(callback):

        @functools.wraps(callback)
        def generator(*args: Any) -> Generator[Any, None, None]:
            try:
                yield from callback(*args)
            except gr.Error as error:
                yield _noticed(error)

        return generator

    @functools.wraps(callback)
    def function(*args: Any) -> Any:
        try:
            return callback(*args)
        except gr.Error as error:
            return _noticed(error)

    return function


def _noticed(error: gr.Error) -> dict[str, Any]:
    gr.Warning(error.message, duration=error.duration, title=error.title)
    return gr.skip()


def raise_for_visitor(error: LongSightError) -> NoReturn:
    """The message quotes what the visitor gave, so it is escaped: Gradio shows messages as HTML."""
    raise gr.Error(html.escape(str(error)), title="Not possible", duration=12, print_exception=False) from error


def _raise_for_program(error: LongSightError) -> NoReturn:
    raise gr.Error(str(error), title="Not possible", print_exception=False) from error
