"""Calls that are odd and meant: honoured, or refused by a sentence before anything is computed."""

import copy

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModel, AutoModelForSequenceClassification, DynamicCache, PreTrainedTokenizerFast

import longsight
from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.models.model import adopt
from longsight.models.module_patching import cache_keyword
from tests.longsight import tiny
from tests.longsight.matrix import cell, variants
from tests.longsight.matrix.variants import TEXT, TRAINED

METHOD = METHODS["self-extend"](group=4, window=8)
LETTING_GO = METHODS["lm-infinite"](window=TRAINED, starting=3)


@pytest.fixture
def patched(request):
    """A variant's model patched with METHOD, until the test ends."""
    hf = longsight.patch(variants.stock(getattr(request, "param", "llama")), METHOD)
    yield hf
    longsight.unpatch(hf)


@pytest.mark.parametrize("patched", ["llama", "mpt, six heads"], indirect=True)
@pytest.mark.parametrize("new", [1, 5])
def test_generate_refuses_pads_on_the_right_before_the_first_token(patched, new):
    ids, mask = cell.padded([tiny.ids(20), tiny.ids(9, 1)], left=False)
    with pytest.raises(LongSightError, match="pads on the right, .* pad on the left"):
        patched.generate(input_ids=ids, attention_mask=mask, max_new_tokens=new)
    logits = patched(input_ids=ids, attention_mask=mask).logits
    ids, mask = cell.padded([tiny.ids(20), tiny.ids(9, 1)], left=True)
    answers = patched.generate(input_ids=ids, attention_mask=mask, max_new_tokens=1, do_sample=False)[:, -1]
    assert answers.tolist() == [int(logits[0, 19].argmax()), int(logits[1, 8].argmax())]


def words():
    """A tokenizer with a word for each token of the tiny models, "abcdef" among them, which transformers looks for."""
    vocabulary = {f"w{n}" if n else "abcdef": n for n in range(tiny.VOCABULARY)}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(vocabulary, unk_token="w1")))


def test_stop_strings_bring_a_tokenizer_which_is_harmless(patched):
    prompt, tokenizer = tiny.ids(12)[None], words()
    options = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": 4, "do_sample": False}
    stopped = patched.generate(prompt, stop_strings=["w1 w1 w1"], tokenizer=tokenizer, **options)
    assert torch.equal(stopped, patched.generate(prompt, **options))


def test_token_types_are_harmless(patched):
    text = tiny.ids(TEXT)[None]
    assert torch.equal(patched(text, token_type_ids=torch.zeros_like(text)).logits, patched(text).logits)


@pytest.mark.parametrize("method", [METHOD, LETTING_GO], ids=["keeps all", "lets go"])
def test_a_copy_of_a_cache_that_was_filled_goes_on_from_the_same_prefix(method):
    """The recipe of transformers' documentation for a prefix that many prompts share."""
    hf, text = longsight.patch(variants.build("llama"), method), tiny.ids(TEXT)
    prefix, law = DynamicCache(), cell.defined(variants.adopted("llama"), text, method)
    hf(text[None, :30], **{cache_keyword(hf): prefix}, use_cache=True)
    for _ in range(2):
        ours = copy.deepcopy(prefix)
        logits = hf(text[None, 30:], past_key_values=ours).logits[0]
        cell.close(logits, law[30:], "after a copy")
        assert (ours.get_seq_length(), prefix.get_seq_length()) == (TEXT, 30)
    options = {"attention_mask": torch.ones(1, TEXT), "max_new_tokens": 4, "do_sample": False}
    said = hf.generate(text[None], **{cache_keyword(hf): copy.deepcopy(prefix)}, **options)
    assert torch.equal(said, hf.generate(text[None], **options))


def test_a_method_may_be_named_by_its_key():
    hf, text = variants.build("llama"), tiny.ids(TEXT)
    usual = METHODS["lm-infinite"].for_model(TRAINED, 4 * TRAINED)
    longsight.patch(hf, "lm-infinite")
    cell.close(hf(text[None]).logits[0], cell.defined(variants.adopted("llama"), text, usual), "by its key")


NO_METHOD = {
    "a kind of method": (
        METHODS["vanilla"],
        r"Vanilla is a kind of method, .* Vanilla\(\.\.\.\), or the key 'vanilla'",
    ),
    "a key that is none": ("lm_infinite", "There is no method 'lm_infinite'; there are vanilla, "),
    "nothing": (None, "None is no method; pass one, or a key: vanilla, "),
}


@pytest.mark.parametrize("what", NO_METHOD)
def test_what_is_no_method_is_refused(what):
    given, sentence = NO_METHOD[what]
    hf = variants.stock("llama")
    before = cell.state(hf)
    with pytest.raises(LongSightError, match=sentence):
        longsight.patch(hf, given)
    assert cell.state(hf) == before


class Wrapper(torch.nn.Module):
    """As PEFT wraps a model."""

    def get_base_model(self):
        """What is wrapped."""


CONFIG = variants.build("llama").config
NO_LANGUAGE_MODEL = {
    "a wrapper of PEFT": (Wrapper, r"This Wrapper is no language model .*model\.get_base_model\(\)"),
    "another module": (
        lambda: torch.nn.Linear(2, 2),
        "This Linear is no language model of transformers; load one with",
    ),
    "a model without a head": (
        lambda: AutoModel.from_config(CONFIG),
        "This LlamaModel has no head that predicts tokens",
    ),
    "a classifier": (
        lambda: AutoModelForSequenceClassification.from_config(CONFIG),
        "LlamaForSequenceClassification has no head that predicts tokens; load it with AutoModelForCausalLM",
    ),
}


@pytest.mark.parametrize("what", NO_LANGUAGE_MODEL)
@pytest.mark.parametrize("door", [adopt, lambda hf: longsight.patch(hf, METHOD)], ids=["adopt", "patch"])
def test_what_is_no_language_model_is_refused(what, door):
    make, sentence = NO_LANGUAGE_MODEL[what]
    with pytest.raises(LongSightError, match=sentence):
        door(make())
