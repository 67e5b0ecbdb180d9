"""What every record of a reading says of it. Positions count from the start of the text, whatever the method reads."""

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from ..export.records import Record, array, value


class ReadingHeader(TypedDict):
    """The fields of an `Observed`, as the reading that is measured knows them."""

    model: str
    method: str
    caption: str
    parameters: dict[str, Any]
    n: int
    unread: int
    train_length: int


class QueriesHeader(ReadingHeader):
    """The fields of an `AttentionObserved`, as the probe that measures them knows them."""

    sampling: str
    layer: np.ndarray
    position: np.ndarray
    token: np.ndarray
    keys: np.ndarray


@dataclass(frozen=True, eq=False)
class Observed(Record):
    """What all of them say of the reading that they come from."""

    model: str = value("name of the model")
    method: str = value("key of the method in METHODS")
    caption: str = value("the method and its parameters in one line")
    parameters: dict[str, Any] = value("the method's parameters by name")
    n: int = value("length of the text", "tokens")
    unread: int = value("how many first tokens the method never reads", "tokens")
    train_length: int = value("length of the model's training", "tokens")


@dataclass(frozen=True, eq=False)
class AttentionObserved(Observed):
    """What records of measured queries share."""

    sampling: str = value("which queries were measured")
    layer: np.ndarray = array("layer", "number of the layer, from 0")
    position: np.ndarray = array("query", "position of the query in the text", "tokens")
    token: np.ndarray = array("query", "text of the query's token")
    keys: np.ndarray = array(
        "layer query", "number of keys that the query sees, fetched ones included; in the head that sees most", "keys"
    )
