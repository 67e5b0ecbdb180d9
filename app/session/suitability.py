"""Which methods a model can run; where it cannot, why, of the model by the name that its visitor knows."""

from longsight.attention.alibi import Alibi
from longsight.attention.rope import Rotary
from longsight.errors import LongSightError
from longsight.methods import METHODS, Method
from longsight.models.model import Model

ENCODINGS = {encoding.kind: encoding.name for encoding in (Rotary, Alibi)}


def check(model: Model, method: Method) -> None:
    """Raise `LongSightError` where `model` cannot run the method, or would not hear of it."""
    try:
        model.seam.check_method(method)
    except LongSightError as error:
        raise LongSightError(str(error).replace(type(model.hf).__name__, model.name)) from error


def refusal(model: Model, method: Method) -> str:
    """What `check` says; empty where the model can."""
    try:
        check(model, method)
    except LongSightError as error:
        return str(error)
    return ""


def short_refusal(model: Model, key: str) -> str:
    """Why the method `key` cannot be chosen for `model`, in a few words; empty where it can."""
    if not refusal(model, model.method(key, model.train_length)):
        return ""
    needs = METHODS[key].needs
    return f"needs {ENCODINGS[needs]}" if needs not in (None, model.position_encoding) else f"not with {model.name}"
