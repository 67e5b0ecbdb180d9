"""What a layer with linear attention remembers of a text, in the place of keys and values."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from torch import Tensor
from transformers.cache_utils import LinearAttentionLayer

from longsight.errors import LongSightError


class StateLayer(LinearAttentionLayer):
    """What one layer with linear attention has made of all tokens so far: of constant size, and never let go of."""

    @property
    def nbytes(self) -> int:
        states = (*self.conv_states.values(), *self.recurrent_states.values())
        return sum(state.nbytes for state in states if state is not None)

    @property
    def slot_bytes(self) -> tuple[int, int]:
        """Bytes of keys, of which there are none, and of everything else."""
        return 0, self.nbytes

    def update_conv_state(self, conv_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return super().update_conv_state(conv_states.detach(), *args, **kwargs)

    def update_recurrent_state(self, recurrent_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return super().update_recurrent_state(recurrent_states.detach(), *args, **kwargs)

    def reserve(self, length: int) -> None:
        """There is nothing to announce: a state takes the same room whatever the text."""

    def fork(self) -> "StateLayer":
        """A layer that holds the same and goes on by itself."""
        return deepcopy(self)

    def reset(self) -> None:
        self.__dict__.update(vars(StateLayer()))  # the next text may come in a batch of another size

    def batch_repeat_interleave(self, repeats: int) -> None:
        self._each(lambda state: state.repeat_interleave(repeats, dim=0))

    def batch_select_indices(self, indices: Tensor) -> None:
        self._each(lambda state: state[indices])

    def _each(self, change: Callable[[Tensor], Tensor]) -> None:
        for states in (self.conv_states, self.recurrent_states):
            states.update({n: change(state) for n, state in states.items() if state is not None})


def check_pads(token_mask: Tensor, new: int, model: str) -> None:
    """Raise `LongSightError` for pads that would go into a state as if they were text; `new` tokens of the mask (batch,
    token) are read now."""
    real = token_mask.long()
    begins = real[:, 0] + (real.diff(dim=-1) > 0).sum(-1)
    if bool((begins > 1).any()) or (new == 1 and not bool(real[:, -1].all())):
        raise LongSightError(
            f"{model} keeps a state of the text, which pads between its tokens, or read by themselves, would change; "
            "pad at the beginning, and read the pads together with what follows them."
        )
