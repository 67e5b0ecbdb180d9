"""What a script may ask of a patched model: honoured exactly, or refused by sentence; and nothing left behind."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache

from longsight.attention.kv_cache import Cache
from longsight.errors import LongSightError
from longsight.generation.patching import patch, unpatch
from longsight.methods import METHODS
from longsight.models.model import adopt
from longsight.models.module_patching import cache_keyword
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import SEAMS, TEXT, TRAINED

METHOD = METHODS["self-extend"](group=4, window=8)
LETTING_GO = METHODS["lm-infinite"](window=TRAINED, starting=3)


@pytest.fixture
def text():
    return tiny.ids(TEXT)


@pytest.fixture(params=SEAMS)
def name(request):
    return request.param


@pytest.fixture
def hf(name):
    """The variant's stock model, patched with METHOD until the test ends."""
    yield patch(variants.stock(name), METHOD)
    unpatch(variants.stock(name))


@pytest.fixture
def law(name, text):
    return cell.defined(variants.adopted(name), text, METHOD)


before_any_seam = pytest.mark.parametrize("name", ["llama"])
"""For what `patch` refuses before it calls the model: no family makes a difference."""


def close(found, law):
    cell.close(found, law, "this call")


def test_positions_that_say_what_is_so_change_nothing(hf, text, law):
    close(hf(input_ids=text[None], position_ids=torch.arange(TEXT)[None]).logits[0], law)
    ids, mask = cell.padded([text, text[:9]], left=True)
    places = (mask.cumsum(-1) - 1).clamp(min=0)
    out = hf(input_ids=ids, attention_mask=mask, position_ids=places)
    close(out.logits[1, -9:], law[:9])


@before_any_seam
def test_other_positions_are_refused(hf, text):
    with pytest.raises(LongSightError, match="position_ids other than 0, 1, 2 .* the method decides the positions"):
        hf(input_ids=text[None], position_ids=torch.arange(TEXT)[None] + 1)


def test_a_mask_of_ones_changes_nothing(hf, text, law):
    close(hf(input_ids=text[None], attention_mask=torch.ones_like(text)[None]).logits[0], law)


def test_a_mask_with_holes_takes_those_tokens_out(hf, text, law):
    ids, mask = torch.stack((text, text.roll(5))), torch.ones(2, TEXT, dtype=torch.int64)
    ids[1, 5:20], ids[1, 20:] = text[:15], text[15:-5]
    mask[1, :5] = 0
    ids[1, 30:], mask[1, 30:33] = torch.cat((torch.zeros(3, dtype=torch.int64), text[25:36])), 0
    logits = hf(input_ids=ids, attention_mask=mask).logits
    close(logits[0], law)
    close(logits[1, mask[1].bool()], law[:36])


@before_any_seam
@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (torch.ones(1, 1, TEXT, TEXT), r"attention_mask is \(1, 1, 44, 44\); only a padding mask"),
        ({"full_attention": None}, "attention_mask is dict; only a padding mask"),
        (torch.ones(1, TEXT - 1), "attention_mask covers 43 tokens, but 0 have been read and 44 are new"),
    ],
    ids=["of pairs", "of another kind", "too short"],
)
def test_masks_that_are_no_padding_masks_are_refused(hf, text, mask, sentence):
    with pytest.raises(LongSightError, match=sentence):
        hf(input_ids=text[None], attention_mask=mask)


def test_embeddings_in_place_of_ids(hf, text, law):
    close(hf(inputs_embeds=hf.get_input_embeddings()(text[None])).logits[0], law)


@before_any_seam
def test_nothing_to_read_is_refused(hf):
    with pytest.raises(LongSightError, match="Neither input_ids nor inputs_embeds"):
        hf()


def test_loss_and_hidden_states_are_those_of_the_definition(hf, text, law):
    out = hf(input_ids=text[None], labels=text[None], output_hidden_states=True)
    expected = torch.nn.functional.cross_entropy(law[:-1], text[1:])
    torch.testing.assert_close(out.loss, expected, atol=1e-5, rtol=1e-5)
    assert len(out.hidden_states) == hf.config.num_hidden_layers + 1


@before_any_seam
def test_attention_weights_are_refused(hf, text):
    with pytest.raises(LongSightError, match="output_attentions=True cannot be honoured.*longsight.watch"):
        hf(input_ids=text[None], output_attentions=True)


def test_logits_to_keep(hf, text, law):
    close(hf(input_ids=text[None], logits_to_keep=3).logits[0], law[-3:])


@pytest.mark.parametrize("keyword", ["cache", "past_key_values"])
def test_a_cache_of_transformers_is_filled_and_gone_on_with(hf, text, law, keyword):
    """The loop that its documentation shows: one DynamicCache, passed in with every call, under either name."""
    cache = DynamicCache()
    parts = [hf(input_ids=part[None], **{keyword: cache}, use_cache=True).logits[0] for part in text.split(13)]
    close(torch.cat(parts), law)
    assert cache.get_seq_length() == TEXT


def test_the_cache_that_comes_back_can_be_gone_on_with(hf, text, law):
    first = hf(input_ids=text[None, :30], use_cache=True)
    assert type(first.past_key_values) is Cache
    close(hf(input_ids=text[None, 30:], past_key_values=first.past_key_values).logits[0], law[30:])


@before_any_seam
def test_two_caches_at_once_are_refused(hf, text):
    with pytest.raises(LongSightError, match="Two caches were given, as cache and as past_key_values; pass one"):
        hf(input_ids=text[None], cache=DynamicCache(), past_key_values=DynamicCache())


def test_whoever_wants_no_cache_gets_none(hf, text):
    assert hf(input_ids=text[None], use_cache=False).past_key_values is None
    assert [type(part) for part in hf(input_ids=text[None], use_cache=False, return_dict=False)] == [torch.Tensor]
    assert hf(input_ids=text[None], use_cache=True, return_dict=False)[1].length == TEXT


def test_caches_filled_elsewhere_are_refused(name, text):
    hf = variants.stock(name)
    filled = DynamicCache()
    hf(input_ids=text[None, :9], **{cache_keyword(hf): filled}, use_cache=True)
    other = adopt(variants.build(name)).seam.new_cache(LETTING_GO)
    try:
        patch(hf, METHOD)
        with pytest.raises(LongSightError, match="DynamicCache that was filled before this model was patched"):
            hf(input_ids=text[None, 9:], past_key_values=filled)
        with pytest.raises(LongSightError, match=r"made by LM-Infinite .*, not SelfExtend \(group=4, window=8\)"):
            hf(input_ids=text[None, 9:], past_key_values=other)
    finally:
        unpatch(hf)


@before_any_seam
def test_a_padded_cache_needs_its_mask_and_an_unpadded_one_takes_none(hf, text):
    ids, mask = cell.padded([text[:9], text[:4]], left=True)
    padded = hf(input_ids=ids, attention_mask=mask, use_cache=True).past_key_values
    with pytest.raises(LongSightError, match="holds a padded batch; pass its attention_mask"):
        hf(input_ids=ids[:, :1], past_key_values=padded)
    whole = hf(input_ids=ids, use_cache=True).past_key_values
    with pytest.raises(LongSightError, match="made without padding, but attention_mask now has zeros"):
        hf(input_ids=ids[:, :1], attention_mask=torch.cat((mask, mask[:, -1:]), 1), past_key_values=whole)


def test_a_second_patch_replaces_the_first_and_unpatch_undoes_both(name, text):
    hf = variants.build(name)
    before, calm = cell.state(hf), hf(input_ids=text[None, :TRAINED]).logits
    for method in (LETTING_GO, METHOD, LETTING_GO):
        patch(hf, method)
        close(hf(input_ids=text[None]).logits[0], cell.defined(variants.adopted(name), text, method))
    unpatch(hf)
    unpatch(hf)
    assert cell.state(hf) == before
    assert torch.equal(hf(input_ids=text[None, :TRAINED]).logits, calm)


def test_a_patch_that_fails_leaves_the_stock_model(name, text):
    hf = variants.stock(name)
    before = cell.state(hf)
    for method in (METHODS["lm-infinite"](window=9, top_k=1, from_layer=50), METHODS["truncation"](length=5)):
        with pytest.raises(LongSightError):
            patch(hf, method)
        assert cell.state(hf) == before


def test_truncation_is_refused_with_what_to_do_instead():
    with pytest.raises(LongSightError, match=r"Truncation changes the prompt .* pass input_ids\[:, -5:\] instead"):
        patch(variants.stock("llama"), METHODS["truncation"](length=5))


def test_what_is_saved_is_the_stock_model(hf, name, text, tmp_path):
    hf.save_pretrained(tmp_path)
    saved = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    unpatch(hf)
    short = text[None, :TRAINED]
    assert torch.equal(saved(input_ids=short).logits, hf(input_ids=short).logits)


def test_a_copy_is_refused_while_patched(hf):
    with pytest.raises(LongSightError, match="copy would run the original's weights.*[Uu]npatch"):
        copy.deepcopy(hf)
    unpatch(hf)
    copy.deepcopy(hf)


def test_inference_mode(hf, text, law):
    with torch.inference_mode():
        close(hf(input_ids=text[None]).logits[0], law)
    close(hf(input_ids=text[None]).logits[0], law)


def test_a_patch_made_in_inference_mode_works_outside(name, text, law):
    hf = variants.build(name)
    with torch.inference_mode():
        patch(hf, METHOD)
    with torch.enable_grad():
        close(hf(input_ids=text[None]).logits[0].detach(), law)


def test_gradients_are_refused_instead_of_wrong(hf, text, law):
    with torch.enable_grad():
        logits = hf(input_ids=text[None], use_cache=True).logits
        close(logits[0].detach(), law)
        with pytest.raises(LongSightError, match="no backward pass"):
            logits.sum().backward()


def test_gradients_after_unpatching_are_the_stock_ones(name, text):
    def gradient(hf):
        with torch.enable_grad():
            hf(input_ids=text[None, :TRAINED]).logits.sum().backward()
        return [p.grad for p in hf.parameters()]

    stock, restored = variants.build(name), unpatch(patch(variants.build(name), METHOD))
    assert all(torch.equal(a, b) for a, b in zip(gradient(stock), gradient(restored), strict=True))


@pytest.fixture
def training(hf):
    yield hf.train()
    hf.eval()


def test_dropout_is_refused(name, text):
    hf = variants.build(name)
    hf.config.attention_dropout = 0.1  # for those that ask their config in each call; the others refuse all training
    for module in hf.modules():
        if "attention_dropout" in vars(module):
            module.attention_dropout = 0.1
    patch(hf, METHOD)
    hf.train()
    with pytest.raises(LongSightError, match=r"is in training mode with dropout; call model\.eval\(\) first"):
        hf(input_ids=text[None])


def test_gradient_checkpointing_is_refused(training, text):
    training.activation_checkpointing_enable()
    try:
        with pytest.raises(
            LongSightError, match="training mode with gradient checkpointing, which takes the cache away"
        ):
            training(input_ids=text[None])
    finally:
        training.activation_checkpointing_disable()
