"""The field's words, each explained once, and texts in which they explain themselves.

A word of a text is explained where the pointer rests on it, the keyboard reaches it, or a finger touches it.
"""

import html
import re

GLOSSARY = {
    "logit": "The score that a token gives another one before attention is shared out: a softmax turns all scores of a "
    "token into shares that sum to 1.",
    "entropy": "How widely a token spreads its attention: 0 where all of it goes to one token, ln n where n tokens get "
    "the same.",
    "nat": "The unit of entropy and NLL with the natural logarithm; 1 nat is 1.44 bits.",
    "NLL": "Negative log-likelihood: how surprised the model is by a token, ln 1/p where it gave it the probability p.",
    "sink": "A first token of a text, on which heads park the attention that they have no use for.",
    "Λ": "The shape of what is seen: the starting tokens, and the recent ones along the diagonal. Drawn as a map it is "
    "like the letter lambda.",
    "RoPE": "Rotary position embedding: a model hears how far apart two tokens are by how far their vectors are turned "
    "against each other.",
    "ALiBi": "Attention with linear biases: a model hears how far away a token is by how much is taken from its score.",
    "KV cache": "What a model keeps of the tokens that it has read: a key and a value for each, in every layer.",
}
"""Plain words first: a word may only be explained by such as stand before it, or in none of these."""

_words = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, GLOSSARY))})(s?)(?![\w-])", re.IGNORECASE)
_known = {word.lower(): word for word in GLOSSARY}


def explained(text: str) -> str:
    """`text` as HTML, in which the first occurrence of each word of the glossary explains itself."""
    seen: set[str] = set()

    def explain(found: re.Match[str]) -> str:
        word = _known[found[1].lower()]
        if word in seen:
            return found[0]
        seen.add(word)
        return (
            f'<dfn class="term" tabindex="0">{found[0]}<span role="tooltip">{html.escape(GLOSSARY[word])}</span></dfn>'
        )

    return _words.sub(explain, html.escape(text, quote=False))


def glossary_list() -> str:
    """All words with what they mean, as HTML."""
    entries = "".join(f"<dt>{word}</dt><dd>{html.escape(meaning)}</dd>" for word, meaning in GLOSSARY.items())
    return f'<dl class="glossary">{entries}</dl>'
