"""The page of findings as text, from numbers alone: what the papers say, what a model does, whether the two agree."""

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from analysis.evaluation.endless.odometer_record import OdometerRecord
    from docs.findings import Findings

GROWS = 1.25
"""Largest logits count as growing from this ratio on, and as flat below it."""

RISES = 0.3
"""Entropy or NLL counts as rising from so many nats on."""

APART = 2.0
"""Starting tokens count as lying apart from so many times what ordinary runs of tokens do."""

PARKED = 3.0
"""Attention counts as parked on the starting tokens from so many times an even share."""

LEVEL = 0.02
"""NLL counts as level while the last tenth of a text is within this share of the second; memory within `STEADY`."""
STEADY = 0.05

Pair = tuple[float, float]


def page(found: "Findings") -> str:
    """docs/findings.md."""
    sections = (_head, _logits, _entropy, _clusters, _nll, _odometer, _foot)
    blocks = [block for section in sections for block in section(found)]
    return "\n\n".join(_wrapped(block) for block in blocks) + "\n"


def _wrapped(block: str) -> str:
    if block.startswith(("#", "|", "`", "!")):
        return block
    return textwrap.fill(block, 120, break_long_words=False, break_on_hyphens=False)


def _head(found: "Findings") -> list[str]:
    books = "; ".join(name.replace("-", " ").replace("_", ": ") for name in found.books)
    rows = [
        f"| {found.titles[key]} | {_pair(n.logit)} | {_pair(n.entropy)} | {_pair(n.nll)} | {n.starting:.1%} |"
        for key, n in found.methods.items()
    ]
    columns = ["method", "largest logit", "entropy [nats]", "NLL [nats]", f"attention on the first {found.first}"]
    return [
        "# What the panels show",
        f"Read with **{found.model}**, trained on {found.train_length:,} tokens, on the first {found.length:,} tokens "
        f"of {len(found.books)} books that it never saw in training ({books}).",
        "Numbers are means over books, layers and heads, inside → outside: the second half of the trained length, where"
        " a model has all the context that it knows, and as many tokens at the end of the text. Figures show the first "
        "book. The papers used models a thousand times as large, so a small one may well disagree, and where it does, "
        "this page says so. One command measures, draws and writes all of it:",
        "```\npython -m docs.findings --corpus FOLDER_OF_TEXTS\n```",
        "\n".join([f"| {' | '.join(columns)} |", "|---|---|---|---|---|", *rows]),
    ]


def _logits(found: "Findings") -> list[str]:
    vanilla, repaired = found.methods["vanilla"], found.methods["lm-infinite"]
    grows, flat = _ratio(vanilla.highest) >= GROWS, _ratio(repaired.highest) < GROWS
    quiet = (
        "" if grows else " So loud logits are not what breaks this model: past the trained length they are only wrong."
    )
    return [
        "## 1. Attention logits grow past the trained length",
        "*The paper* (LM-Infinite, theorem 1 and figure 1a): a model that tells ever more distances apart must let its "
        "logits grow without bound, and in Llama and its relatives they do, right after the trained length.",
        f"*Here*: {_agrees(grows and flat)}. In the layer where they change most, vanilla's largest logits go from "
        f"{_pair(vanilla.highest)} ({_percent(vanilla.highest)}), those of LM-Infinite from {_pair(repaired.highest)} "
        f"({_percent(repaired.highest)}). Over all layers together the change is {_percent(vanilla.logit)} and "
        f"{_percent(repaired.logit)}.{quiet}",
        "![Largest attention logits along a book](findings/logits.png)",
    ]


def _entropy(found: "Findings") -> list[str]:
    ceiling, repaired = found.methods["ceiling"], found.methods["lm-infinite"]
    rises, flat = _gain(ceiling.entropy) >= RISES, _gain(repaired.entropy) < RISES
    bound = (
        "The bound itself says nothing here: with logits as large as these, ln n - 2B is negative."
        if found.bound <= 0
        else f"The bound itself, ln n - 2B, reaches {found.bound:.2f} nats in the quietest head."
    )
    return [
        "## 2. Attention entropy rises when distances are repaired and nothing is hidden",
        "*The paper* (proposition 1 and figure 1b): with bounded logits, entropy is at least ln n - 2B, so it must "
        "rise with the length. A ceiling on distances alone does not help against that; hiding tokens does.",
        f"*Here*: {_agrees(rises and flat)}. With the ceiling only, entropy goes from {_pair(ceiling.entropy)} nats; "
        f"with LM-Infinite, which also hides the middle, from {_pair(repaired.entropy)}. {bound}",
        "![Attention entropy against context length](findings/entropy.png)",
    ]


def _clusters(found: "Findings") -> list[str]:
    rows = [
        f"| {'the embedding' if depth == 0 else f'layer {depth - 1}'} | {first:.2f} | {others:.2f} |"
        for depth, (first, others) in enumerate(found.separation)
    ]
    apart = [depth - 1 for depth, (first, others) in enumerate(found.separation) if depth and first >= APART * others]
    where = f" after layer{'s' * (len(apart) > 1)} {', '.join(map(str, apart))}" if apart else ""
    short = "" if apart else "; the first tokens lie hardly farther out than any others"
    return [
        "## 3. The starting tokens lie apart",
        "*The paper* (figure 1c): hidden states of the first tokens occupy a region of their own. They carry absolute "
        "position, and a window that loses them fails. StreamingLLM finds attention parked on the same tokens.",
        f"*Here*: {_agrees(bool(apart))}{where}{short}. The table has the distance of the centre of the first "
        f"{found.first} tokens from that of all others, in spreads of the others, within the trained length; and the "
        f"same for ordinary runs of {found.first} tokens.",
        "\n".join(["| after | first tokens | ordinary runs |", "|---|---|---|", *rows]),
        _sinks(found),
        "![Hidden states in two dimensions](findings/clusters.png)",
    ]


def _sinks(found: "Findings") -> str:
    share, even = found.methods["vanilla"].starting, found.first / found.train_length
    window, repaired = found.methods["window"].nll[1], found.methods["lm-infinite"].nll[1]
    have = "It has attention sinks" if share >= PARKED * even and found.sink else "It formed **no attention sinks**"
    outside = f"NLL outside is {window:.2f} nats with it and {repaired:.2f} with LM-Infinite"
    cost = "costs much" if window - repaired >= RISES else "costs next to nothing"
    return (
        f"{have}: inside the trained length the first {found.first} tokens get {share:.1%} of the attention, where an "
        f"even share would be {even:.1%}, and no token is a sink in more than {found.sink:.0%} of the heads. A bare "
        f"window, which loses the first tokens, {cost}: {outside}."
    )


def _nll(found: "Findings") -> list[str]:
    methods = found.methods
    breaks, repaired = _gain(methods["vanilla"].nll) >= RISES, _gain(methods["lm-infinite"].nll) < RISES
    rest = "; ".join(
        f"{found.titles[key]} {'rises' if _gain(n.nll) >= RISES else 'stays'} ({_pair(n.nll)})"
        for key, n in methods.items()
        if key not in ("vanilla", "lm-infinite")
    )
    return [
        "## 4. Where reading breaks, and what mends it",
        "*The paper* (figures 3 and 5): vanilla explodes right after the trained length. Λ alone does too, the ceiling "
        "alone drifts up, a bare window fails, and only both together stay flat.",
        f"*Here*: {_agrees(breaks and repaired)} on vanilla and LM-Infinite, whose NLL goes from "
        f"{_pair(methods['vanilla'].nll)} and from {_pair(methods['lm-infinite'].nll)} nats. The others: {rest}.",
        "![NLL along a book](findings/nll.png)",
    ]


def _odometer(found: "Findings") -> list[str]:
    record = found.odometer
    second, last = record.tenth(1), record.tenth(9)
    nll = list(zip(record.mean_nll(second).tolist(), record.mean_nll(last).tolist(), strict=True))
    rate = [(_rate(record, n, second), _rate(record, n, last)) for n in range(len(nll))]
    memory = (float(record.resident[second].mean()), float(record.resident[last].mean()))
    level = all(abs(_ratio(pair) - 1) <= LEVEL for pair in nll) and abs(_ratio(memory) - 1) <= STEADY
    rows = [
        f"| {caption} | {before:.4f} → {after:.4f} ({after / before - 1:+.2%}) | {speed[0]:,.0f} → {speed[1]:,.0f} |"
        for caption, (before, after), speed in zip(record.caption.tolist(), nll, rate, strict=True)
    ]
    return [
        "## 5. As far as a text goes",
        "*The paper* (LM-Infinite, figure 4): perplexity stays where it is up to 200 million tokens. The authors "
        "of StreamingLLM read 4 million.",
        f"*Here*: {_agrees(level)}, as far as was read: {record.tokens:,} tokens. Of {len(record.texts)} texts that "
        f"the model never saw in training {_laps(record)} The last tenth beside the second:",
        "\n".join(["| method | NLL [nats] | tokens per second of processor time |", "|---|---|---|", *rows]),
        f"Both methods ran side by side in one process, which held {memory[0] / 1e6:,.0f} MB in the second tenth and "
        f"{memory[1] / 1e6:,.0f} MB in the last ({_percent(memory)}), and never more than {_largest(record)} MB. Speed "
        "is told by the processor's own time, which still varies with what else a machine does. In the figure, what "
        "lies before the end of the first lap are parts of the texts, some easier than others. One command reads on, "
        "and goes on after whatever ended it; without `--out` what it records goes to `results/odometer`:",
        "```\npython -m analysis.odometer assets/models/rope-small --methods lm-infinite,streaming-llm \\\n"
        "    --tokens 10M --lap 500k --text TEXTS --out FOLDER\n```",
        "![NLL along ten million tokens](findings/odometer.png)",
    ]


def _laps(record: "OdometerRecord") -> str:
    laps = int(record.lap[-1]) + 1
    if record.lap_tokens is None or record.tokens % (10 * record.lap_tokens):
        return f"all are read {laps:,} times, as one text that goes on."
    each = record.tokens // 10 // record.lap_tokens
    often = "" if each == 1 else f"{each:,} times, "
    return (
        f"the first {record.lap_tokens:,} tokens are read {laps:,} times, as one text that goes on. So every tenth of "
        f"it has the same tokens, {often}and differs in its position alone. (No method remembers them from before: it "
        "looks back by a window in each layer.)"
    )


def _rate(record: "OdometerRecord", run: int, chosen: "np.ndarray") -> float:
    return float((record.end - record.begin)[chosen].sum() / record.processor[run][chosen].sum())


def _largest(record: "OdometerRecord") -> str:
    return f"{record.resident.max() / 1e6:,.0f}"


def _foot(found: "Findings") -> list[str]:
    return [
        "## How this was decided",
        f"Logits count as growing from a factor of {GROWS} on in the layer that changes most, entropy and NLL as "
        f"rising from {RISES} nats on, starting tokens as apart from {APART:g} times what ordinary runs show, "
        f"attention as parked from {PARKED:g} times an even share. The panels of the page and "
        "`python -m analysis.look` show the same for any text and any model. On the starting tokens SmolLM2-135M, a "
        "model of another kind, [agrees with the papers or not](findings-smollm2.md).",
    ]


def _ratio(pair: Pair) -> float:
    return pair[1] / pair[0]


def _gain(pair: Pair) -> float:
    return pair[1] - pair[0]


def _pair(values: Pair) -> str:
    return f"{values[0]:.2f} → {values[1]:.2f}"


def _percent(pair: Pair) -> str:
    return f"{_ratio(pair) - 1:+.0%}"


def _agrees(yes: bool) -> str:
    return "**as in the paper**" if yes else "**unlike in the paper**"
