"""Dynamic NTK, against transformers' dynamic RoPE type; and where that contradicts itself."""

from itertools import product

import pytest
import torch

from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from longsight.models.model import adopt
from longsight.models.module_patching import cache_keyword
from tests.longsight import tiny
from tests.longsight.methods.rope_types import SHAPES, close, configured, stock, theirs
from tests.longsight.tiny import TRAINED


@pytest.mark.parametrize(("channels", "base", "length"), SHAPES)
def test_dynamic_ntk_is_transformers_dynamic_type_at_every_length(channels, base, length):
    for n, alpha in product((1, 2, 3, 3.5), (1.0, 2.0, 4.0)):
        reached = int(n * length)
        method = METHODS["dynamic-ntk"](length=length, alpha=alpha, step=1)
        made, _ = theirs("dynamic", channels, base, length, alpha, seq_len=reached)
        close(method.inv_freq(stock(channels, base), method.length_at(torch.tensor(reached - 1))), made)


def test_dynamic_ntk_rounds_the_length_up_to_its_step_and_waits_for_the_trained_length():
    method = METHODS["dynamic-ntk"](length=10, step=4)
    reached = [method.length_at(torch.tensor(i)) for i in range(18)]
    assert reached == [10] * 10 + [12] * 2 + [16] * 4 + [20] * 2
    wide = METHODS["dynamic-ntk"](length=10, step=100)
    assert [wide.length_at(torch.tensor(i)) for i in (0, 9, 10, 99, 100)] == [10, 10, 100, 100, 200]


@pytest.mark.parametrize("n", [TRAINED, TRAINED + 1, 3 * TRAINED])
def test_the_last_token_of_a_prompt_hears_what_transformers_dynamic_type_makes_it_hear(n):
    """In one layer: in deeper ones transformers lets the last token's length reach back into all earlier ones."""
    one = {"num_hidden_layers": 1}
    expected = configured("dynamic", 1.0, **one)(input_ids=tiny.ids(n)[None]).logits[0, -1]
    found = tiny.model(**one).logits(tiny.ids(n), METHODS["dynamic-ntk"](length=TRAINED, step=1))[-1]
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_dynamic_ntk_token_by_token_is_one_pass_which_the_published_way_is_not():
    n, method = 2 * TRAINED, METHODS["dynamic-ntk"](length=TRAINED, step=4)
    text, model, published = tiny.ids(n), tiny.model(), configured("dynamic", 1.0)
    at_once = model.logits(text, method)
    torch.testing.assert_close(model.logits(text, method, chunk=1), at_once, atol=1e-4, rtol=0)
    torch.testing.assert_close(model.logits(text, method, chunk=13), at_once, atol=1e-4, rtol=0)
    cache, name = None, cache_keyword(published)
    for token in text:
        out = published(input_ids=token[None, None], **{name: cache}, use_cache=True)
        cache = out[name]
    theirs_at_once = configured("dynamic", 1.0)(input_ids=text[None]).logits[0]
    assert (out.logits[0, -1] - theirs_at_once[-1]).abs().max() > 0.05


def test_a_conversation_goes_on_under_the_frequencies_of_its_new_length():
    method, text = METHODS["dynamic-ntk"](length=TRAINED, step=5), tiny.ids(80)
    model = adopt(tiny.hf())
    first = prefill(model, text[:40], method)
    second = prefill(model, text[40:], method, cache=first.cache)
    torch.testing.assert_close(second.logits, model.logits(text, method)[-1], atol=1e-4, rtol=0)
