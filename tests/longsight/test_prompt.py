"""Messages become ids, and ids become text, whatever characters they are made of."""

import random
from functools import cache

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from longsight.errors import LongSightError
from longsight.generation.prompt import TextStream, chat_ids

TRICKY = {
    "plain": "The quick brown fox, it's 1,234.5% faster!",
    "spaces": "  two  before,\ttab\n\n\nlines \r\n end  ",
    "accents": "naïve café Ångström ñandú ŷ",
    "decomposed": "e\u0301 n\u0303 a\u030a",
    "russian": "Съешь ещё этих мягких французских булок",
    "chinese": "敏捷的棕色狐狸跳过懒狗。永和九年,岁在癸丑",
    "japanese": "いろはにほへと ちりぬるを カタカナ",
    "korean": "다람쥐 헌 쳇바퀴에 타고파",
    "arabic": "نص حكيم له سر قاطع وذو شأن عظيم",
    "hebrew and latin": "abc דג סקרן שט בים def",
    "hindi": "ऋषियों को सताने वाले",
    "thai": "เป็นมนุษย์สุดประเสริฐ",
    "emoji": "😀🎉🚀 👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪",
    "outside the first plane": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𒀀𒀁 𠜎𠜱𠝹",
    "controls": "a\x00b\x07c\x1bd\u200be\ufefff",
    "the replacement character itself": "it says \ufffd\ufffd here: \ufffd",
    "markup": "<script>alert('&lt;')</script> <|user|>",
}


@cache
def tokenizer(merges, template=None):
    """A byte-level tokenizer like the embedded models'; with `merges`, tokens may begin and end inside characters."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        list(TRICKY.values()),
        trainers.BpeTrainer(
            vocab_size=256 + merges, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        ),
    )
    core.add_special_tokens([AddedToken("<|end|>", special=True)])
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>", chat_template=template)


@pytest.fixture(scope="module", params=[0, 300], ids=["bytes", "merged bytes"])
def tokens(request):
    return tokenizer(request.param)


def streamed(tokenizer, ids):
    stream = TextStream(tokenizer)
    return [*(stream.push(token) for token in ids), stream.finish()]


def test_some_tokens_of_the_test_do_end_inside_a_character():
    """Otherwise the tests below would prove less than they say."""
    merged = tokenizer(300)
    pieces = [merged.decode([token]) for text in TRICKY.values() for token in merged.encode(text)]
    assert sum("\ufffd" in piece and len(piece) > 1 for piece in pieces) > 5


@pytest.mark.parametrize("name", TRICKY)
def test_increments_add_up_to_the_text(tokens, name):
    assert "".join(streamed(tokens, tokens.encode(TRICKY[name]))) == TRICKY[name]


@pytest.mark.parametrize("name", [name for name in TRICKY if "replacement" not in name])
def test_no_increment_holds_half_a_character(tokens, name):
    assert not any("\ufffd" in piece for piece in streamed(tokens, tokens.encode(TRICKY[name])))


@pytest.mark.parametrize("name", ["plain", "russian", "spaces"])
def test_text_is_handed_out_as_soon_as_it_is_whole(tokens, name):
    stream, shown = TextStream(tokens), ""
    ids = tokens.encode(TRICKY[name])
    for count, token in enumerate(ids, start=1):
        shown += stream.push(token)
        assert shown == tokens.decode(ids[:count]).rstrip("\ufffd")


def test_random_mixtures_of_scripts_stream_without_loss():
    merged, alphabet = tokenizer(300), "".join(TRICKY.values()).replace("\ufffd", "")
    for seed in range(30):
        text = "".join(random.Random(seed).choices(alphabet, k=200))
        assert "".join(streamed(merged, merged.encode(text))) == text


def test_bytes_that_are_no_text_at_all_come_out_as_the_tokenizer_shows_them():
    """A random model may say anything: broken characters become the replacement sign, and what follows is unharmed."""
    plain = tokenizer(0)
    for seed in range(30):
        draw = random.Random(seed)
        ids = [draw.randrange(256) for _ in range(60)] + plain.encode("and then sense, いろは.")
        assert "".join(streamed(plain, ids)) == plain.decode(ids)


def test_an_answer_cut_off_inside_a_character_ends_with_what_is_left_of_it():
    plain = tokenizer(0)
    ids = plain.encode("ok €")[:-1]
    assert streamed(plain, ids)[-1] == "\ufffd"
    assert "".join(streamed(plain, ids)) == plain.decode(ids)


def test_finishing_twice_says_nothing_twice(tokens):
    stream = TextStream(tokens)
    stream.push(tokens.encode("é")[0])
    stream.finish()
    assert stream.finish() == ""


def test_special_tokens_are_not_text(tokens):
    ids = [*tokens.encode("before"), tokens.eos_token_id, *tokens.encode(" after")]
    assert "".join(streamed(tokens, ids)) == "before after"


def test_a_tokenizer_that_drops_the_first_space_of_a_text_keeps_the_others():
    """As SentencePiece does: each token alone would lose its leading space."""
    spaced = PreTrainedTokenizerFast(tokenizer_object=_word_tokenizer())
    ids = spaced.encode("one two three")
    assert spaced.decode(ids[1:2]) == "two"
    assert streamed(spaced, ids) == ["one", " two", " three", ""]


def _word_tokenizer():
    core = Tokenizer(models.WordLevel({"▁one": 0, "▁two": 1, "▁three": 2, "?": 3}, unk_token="?"))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    return core


TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TURNS = [
    {"role": "user", "content": "What is the key?"},
    {"role": "assistant", "content": "12345."},
    {"role": "user", "content": "Sure?"},
]


def test_a_conversation_is_written_by_the_tokenizers_own_template():
    templated = tokenizer(0, TEMPLATE)
    text = templated.decode(chat_ids(templated, TURNS))
    assert text == "<|user|>What is the key?<|end|><|assistant|>12345.<|end|><|user|>Sure?<|end|><|assistant|>"
    assert chat_ids(templated, TURNS).count(templated.eos_token_id) == 3


def test_without_a_template_it_is_a_plain_prompt_that_ends_where_the_answer_begins():
    plain = tokenizer(0)
    assert plain.decode(chat_ids(plain, TURNS)) == (
        "Question: What is the key?\nAnswer: 12345.\nQuestion: Sure?\nAnswer:"
    )


def test_a_longer_conversation_begins_with_the_shorter_one():
    """So that a cache can be continued."""
    for each in (tokenizer(0), tokenizer(0, TEMPLATE)):
        first, both = chat_ids(each, TURNS[:1]), chat_ids(each, TURNS)
        assert both[: len(first)] == first


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_ids_are_a_list_of_whole_numbers(template):
    ids = chat_ids(tokenizer(0, template), TURNS)
    assert isinstance(ids, list)
    assert all(type(token) is int for token in ids)


@pytest.mark.parametrize("name", TRICKY)
def test_any_text_goes_into_a_prompt_and_comes_out_again(tokens, name):
    ids = chat_ids(tokens, [{"role": "user", "content": TRICKY[name]}])
    assert tokens.decode(ids) == f"Question: {TRICKY[name]}\nAnswer:"


def test_a_model_without_a_tokenizer_cannot_read_text():
    with pytest.raises(LongSightError, match="has no tokenizer, so it cannot read text; give it token ids"):
        chat_ids(None, TURNS)


def test_an_empty_conversation_is_refused():
    with pytest.raises(LongSightError, match="nothing to answer: the conversation is empty"):
        chat_ids(tokenizer(0), [])


def test_a_role_that_nobody_knows_is_refused():
    with pytest.raises(LongSightError, match="A message is by 'narrator', but only system, user, assistant can speak"):
        chat_ids(tokenizer(0), [{"role": "narrator", "content": "Once"}])


LETTER = "t"


@pytest.fixture
def fallback():
    """A tokenizer whose tokens are the 256 bytes, as in Llama's for rare characters, and one letter."""
    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)} | {LETTER: 256}
    core = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
    core.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=core)


def test_a_tokenizer_that_falls_back_to_single_bytes_streams_whole_characters(fallback):
    """While a character is unfinished it decodes to one replacement sign per byte."""
    text = "naïve 敏捷 😀🎉"
    assert "".join(streamed(fallback, list(text.encode()))) == text
    assert not any("\ufffd" in piece for piece in streamed(fallback, list(text.encode())))


@pytest.mark.parametrize("broken", [b"\x80", b"\xc3", b"\xe2\x82", b"\xc3\xc3"])
def test_a_broken_byte_after_a_character_does_not_end_the_stream(fallback, broken):
    """It changes how the bytes before it decode, and DecodeStream raises for it."""
    said = streamed(fallback, [*"é".encode(), *broken, 256, 256])
    assert said[:2] == ["", "é"]
    assert "".join(said).endswith("\ufffd" + 2 * LETTER)
