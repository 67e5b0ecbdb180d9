"""Any text survives the tokenizer, digits stand alone, and a conversation looks as it does in training."""

from __future__ import annotations

import string

import pytest
from transformers import AutoTokenizer

from training.conversations import TaughtTurn
from training.tokenizer import ASSISTANT, END, PAD, USER

NASTY = (
    "plain words, and  two  spaces\tand a tab\n\n\nand lines \r\n of both kinds",
    " leading and trailing ",
    "Ünïcödé — “quotes” … naïve café",
    "e\u0301 is not \u00e9, and \ufb01 is not fi",
    "漢字かなカナ 한국어 עברית العربية हिन्दी ไทย",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
    "\u0000\u0001\u001f\u007f\u0085\u00a0\u2028\u2029\ufeff\ufffd",
    "Z̷̢̛a̸̰͝l̴̡̛g̵̨̛o̶̧͝",
    "½ ² ٣ ४ Ⅷ ①",
    "\U0001f600\U0010ffff\U000e0001",
    "it 's n't , . ! ? do n't",
    "",
)


@pytest.mark.parametrize("text", NASTY)
def test_text_round_trips(tokenizer, text):
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_every_digit_is_its_own_token(tokenizer):
    assert tokenizer.tokenize("key86409 0") == [
        *tokenizer.tokenize("key"),
        "8",
        "6",
        "4",
        "0",
        "9",
        *tokenizer.tokenize(" "),
        "0",
    ]
    assert not [name for name in tokenizer.get_vocab() if len(name) > 1 and set(name) & set(string.digits)]


def test_special_tokens_are_single_and_do_not_come_from_merges(tokenizer):
    assert len(tokenizer) == 500
    for special in (PAD, END, USER, ASSISTANT):
        assert len(tokenizer(special).input_ids) == 1
    assert tokenizer.eos_token == END
    assert tokenizer.pad_token == PAD
    assert tokenizer.bos_token is None


def test_chat_template_is_what_is_trained(tokenizer, batches):
    turns = [TaughtTurn("A text.\n\nWhat is it?", ("It is", " this.")), TaughtTurn("Again?", ("Yes.",))]
    messages = [
        {"role": role, "content": text}
        for turn in turns
        for role, text in (("user", turn.user), ("assistant", turn.answer))
    ]
    trained, _ = batches.encode(turns)
    assert tokenizer.apply_chat_template(messages).input_ids == trained
    prompt = tokenizer.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)
    assert prompt == f"{USER}A text.\n\nWhat is it?{ASSISTANT}"


def test_a_system_message_stands_before_the_first_question(tokenizer):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == f"{USER}Be brief.\n\nHello"


def test_an_unknown_role_is_refused(tokenizer):
    with pytest.raises(Exception, match="roles are system, user and assistant, found tool"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_a_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "".join(NASTY) + f"{USER}{ASSISTANT}{END}"
    assert again(text).input_ids == tokenizer(text).input_ids
    assert again.chat_template == tokenizer.chat_template
