"""`generate` of a patched model, past its trained length: what `decode` gives, token for token, however it is asked."""

import pytest
import torch

from longsight.errors import LongSightError
from longsight.generation.decode import Sampling, decode
from longsight.generation.patching import patch, unpatch
from longsight.generation.prefill import prefill
from longsight.methods import METHODS
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import SEAMS, TRAINED, VARIANTS

NEW = 10
FETCHING = METHODS["lm-infinite"](window=TRAINED, starting=3, top_k=3, from_layer=1)
SEEING_ALL = METHODS["self-extend"](group=4, window=8)


@pytest.fixture
def patched():
    """`patched(name, method)`: a variant's stock model, patched until the test ends."""
    models = []

    def make(name, method):
        models.append(patch(variants.stock(name), method))
        return models[-1]

    yield make
    for hf in models:
        unpatch(hf)


def generated(hf, rows, left=True, **options):
    """New tokens (batch, n) of `generate`, greedy unless told otherwise."""
    ids, mask = cell.padded(rows, left)
    options = {"max_new_tokens": NEW, "do_sample": False, "use_cache": True, **options}
    return hf.generate(input_ids=ids, attention_mask=mask, **options)[:, ids.shape[1] :]


def decoded(name, prompt, method, n=NEW):
    model = variants.adopted(name)
    return list(decode(model, prefill(model, prompt, method), Sampling(max_new_tokens=n)))


@pytest.mark.parametrize("name", VARIANTS)
def test_generate_is_decode_token_for_token(name, patched):
    """Across the trained length; for longer prompts, and a method that fetches, see below."""
    prompt, method = tiny.ids(12, seed=5), SEEING_ALL
    if not variants.applies(name, method):
        method = METHODS["vanilla"]()
    assert generated(patched(name, method), [prompt])[0].tolist() == decoded(name, prompt, method)


@pytest.mark.parametrize("key", METHODS)
def test_generate_is_decode_under_every_method(key, patched):
    method = variants.method(key)
    if method.keeps(1000) != 1000:
        return
    prompt = tiny.ids(20, seed=6)
    assert generated(patched("llama", method), [prompt])[0].tolist() == decoded("llama", prompt, method)


def test_answers_are_not_all_the_same(patched):
    """Otherwise the tests above would prove little."""
    answers = {tuple(decoded("llama", tiny.ids(30, seed), SEEING_ALL)) for seed in range(6)}
    assert len(answers) == 6
    assert min(len(set(answer)) for answer in answers) > 2


@pytest.mark.parametrize("name", SEAMS)
def test_rows_of_a_batch_padded_on_the_left_answer_as_they_would_alone(name, patched):
    prompts = [tiny.ids(n, seed=n) for n in (21, 4)]
    together = generated(patched(name, FETCHING), prompts)
    assert together.tolist() == [decoded(name, prompt, FETCHING) for prompt in prompts]


def test_a_row_padded_on_the_right_goes_on_as_it_would_alone(patched):
    """transformers itself chooses the first new token behind the padding, so the tokens are given here."""
    hf, prompts, new = patched("llama", SEEING_ALL), [tiny.ids(21), tiny.ids(9, seed=1)], tiny.ids(5, seed=2)
    ids, mask = cell.padded(prompts, left=False)
    cache = hf(input_ids=ids, attention_mask=mask).past_key_values
    mask = torch.cat((mask, torch.ones(2, 5, dtype=torch.int64)), dim=1)
    logits = hf(input_ids=new.expand(2, -1), attention_mask=mask, past_key_values=cache).logits
    for row, prompt in zip(logits, prompts, strict=True):
        cell.close(
            row, cell.defined(variants.adopted("llama"), torch.cat((prompt, new)), SEEING_ALL)[-5:], "after pads"
        )


@pytest.mark.parametrize("name", SEAMS)
def test_without_a_cache_every_step_reads_anew_and_answers_the_same(name, patched):
    prompt = tiny.ids(20, seed=5)
    hf = patched(name, SEEING_ALL)
    assert generated(hf, [prompt], use_cache=False)[0].tolist() == decoded(name, prompt, SEEING_ALL)


@pytest.mark.parametrize("name", SEAMS)
def test_prefill_in_chunks_answers_the_same(name, patched):
    """With a method that fetches nothing: the model is not told which call is the prompt's last."""
    prompt = tiny.ids(30, seed=5)
    hf = patched(name, SEEING_ALL)
    assert generated(hf, [prompt], prefill_chunk_size=7)[0].tolist() == decoded(name, prompt, SEEING_ALL)


@pytest.mark.parametrize("name", SEAMS)
def test_sampling_draws_from_the_distribution_of_the_definition(name, patched):
    """One draw of torch's generator per token, from the softmax over the logits of all that was read so far."""
    text, hf = tiny.ids(20, seed=7), patched(name, SEEING_ALL)
    torch.manual_seed(1)
    found = generated(hf, [text], do_sample=True, temperature=1.5, top_k=0)[0]
    torch.manual_seed(1)
    for _ in range(NEW):
        logits = cell.defined(variants.adopted(name), text, SEEING_ALL)[-1]
        text = torch.cat((text, torch.multinomial((logits / 1.5).softmax(-1), 1)))
    assert found.tolist() == text[-NEW:].tolist()


LETTING_GO = METHODS["lm-infinite"](window=TRAINED)


@pytest.mark.parametrize(("name", "method"), [*((name, SEEING_ALL) for name in SEAMS), ("llama", LETTING_GO)])
def test_beam_search_finds_what_it_finds_without_any_cache(name, method, patched):
    """Beams swap their caches at every step; without caches there is nothing to swap wrongly."""
    prompts, hf = [tiny.ids(20, seed=8), tiny.ids(13, seed=9)], patched(name, method)
    beams = {"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 6}
    found = generated(hf, prompts, **beams)
    assert found.tolist() == generated(hf, prompts, use_cache=False, **beams).tolist()
    assert found.tolist() != generated(hf, prompts, max_new_tokens=6).repeat_interleave(2, dim=0).tolist()


ASSISTED = {
    "another model": lambda: {"assistant_model": variants.build("llama")},
    "the prompt": lambda: {"prompt_lookup_num_tokens": 3},
}


@pytest.mark.parametrize("by", ASSISTED)
def test_assisted_decoding_is_refused(by, patched):
    """By us, or from 5.24 on by transformers, which sees that such a cache takes nothing back."""
    hf, prompt = patched("llama", SEEING_ALL), tiny.ids(20)
    with pytest.raises((LongSightError, ValueError), match="Assisted decoding (takes tokens back|requires a cache)"):
        generated(hf, [prompt], **ASSISTED[by]())
    assert generated(hf, [prompt])[0].tolist() == decoded("llama", prompt, SEEING_ALL)


def test_assisting_another_model_is_refused(patched):
    with pytest.raises(LongSightError, match="generate without an assistant"):
        generated(variants.build("llama"), [tiny.ids(12)], assistant_model=patched("llama", SEEING_ALL))


no_stream = pytest.mark.skipif(
    torch.backends.cuda.is_built() and not torch.cuda.is_available(),
    reason="transformers' offloading cache asks CUDA's builds of torch for a stream of CUDA",
)
OTHERS = [("static", "a StaticCache"), pytest.param("offloaded", "an offloading DynamicCache", marks=no_stream)]


@pytest.mark.parametrize(("kind", "named"), OTHERS)
@pytest.mark.parametrize("name", ["llama", "bloom"])
def test_caches_that_ours_cannot_stand_in_for_are_refused(name, kind, named, patched):
    with pytest.raises(
        LongSightError, match=f"The cache given is {named}, which LongSight cannot fill; leave cache_im"
    ):
        generated(patched(name, SEEING_ALL), [tiny.ids(12)], cache_implementation=kind)
