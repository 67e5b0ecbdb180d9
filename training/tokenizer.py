"""The tokenizer of the embedded models: byte-level BPE in which every digit is its own token."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from training.corpus import Corpus

USER, ASSISTANT, END, PAD = "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"
PIECE = 20_000  # characters

# A system message is text that stands before the first question, as a document does: the model knows no third role.
CHAT_TEMPLATE = """\
{%- set ns = namespace(system='') -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{%- set ns.system = ns.system + message['content'] + '\\n\\n' -%}
{%- elif message['role'] == 'user' -%}
{{- '<|user|>' + ns.system + message['content'] -}}
{%- set ns.system = '' -%}
{%- elif message['role'] == 'assistant' -%}
{{- '<|assistant|>' + message['content'] + '<|end|>' -}}
{%- else -%}
{{- raise_exception('roles are system, user and assistant, found ' + message['role']) -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>' -}}
{%- endif -%}
"""


def train_tokenizer(corpus: Corpus, vocab_size: int, sample_bytes: int, extra: list[str]) -> PreTrainedTokenizerFast:
    """Learn the merges from an even sample of the corpus and from `extra` (the wording of the tasks)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),  # all 256 bytes, so that any Unicode text can be written
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sample(corpus, sample_bytes, extra), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        extra_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,  # else decoding would change " ," into ","
    )


def _sample(corpus: Corpus, sample_bytes: int, extra: list[str]) -> Iterator[str]:
    yield from extra
    rng = np.random.default_rng(0)
    for _ in range(max(1, min(sample_bytes, corpus.characters) // PIECE)):
        yield corpus.passage(rng, PIECE)
