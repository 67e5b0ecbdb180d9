"""What the panels show on a real model, inside its trained length and past it: `python -m docs.real_model`.

SmolLM2-135M reads the beginning of the novel that ships. Measures, draws the figures, and writes
docs/findings-smollm2.md; every number in that page comes from here.
"""

import argparse
import textwrap
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import torch

from analysis.diagnostics.attention import MassProbe
from analysis.diagnostics.clusters import ClusterRecord, clusters_figure, project
from analysis.diagnostics.entropy import EntropyProbe, entropy_figure
from analysis.diagnostics.hidden_states import HiddenProbe
from analysis.diagnostics.logits import LogitProbe, logits_figure
from analysis.diagnostics.nll import NLLProbe
from analysis.diagnostics.probing import measure
from analysis.diagnostics.sinks import SinkProbe
from analysis.evaluation.tasks.texts import PROSE, read_texts
from analysis.runs import make_runs, read_one
from docs import pictures
from longsight.models.model import Model, load

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURES = ROOT / "docs" / "findings-smollm2.md", ROOT / "docs" / "findings-smollm2"
MODEL = "SmolLM2-135M"
WINDOW = 512
NARROW = (f"window:window={WINDOW}", f"lambda:window={WINDOW}")
FAR = ("vanilla", "ceiling:ceiling={0}", "window:window={0}", "lm-infinite:window={0},ceiling={0},top_k=0")
"""What reads past the trained length, which stands for {0}."""
FAINT = 0.05
"""Nats; what differs by less is called alike."""
DRAWN = 4
"""Depths in the figure: the embedding, and as many evenly up to the last layer."""


Pair = tuple[float, float]


@dataclass(frozen=True)
class Past:
    """What becomes of means over layers and heads past the trained length, by the method's title: inside, its second
    half, and outside, what is read after it."""

    length: int
    logit: dict[str, Pair]  # the largest one
    entropy: dict[str, Pair]
    nll: dict[str, Pair]


@dataclass(frozen=True)
class Inside:
    """All that the page is written from. `separation` (depth, 2): starting tokens, and ordinary runs."""

    model: str
    train_length: int
    length: int
    separation: np.ndarray
    sinks: tuple[tuple[str, float], ...]  # tokens by the share of heads in which they are a sink, largest first
    first: float  # share of attention on the very first token
    starting: float  # on the first `count`
    count: int
    nll: dict[str, float]  # after the window, by the method's title


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.real_model", description=__doc__)
    parser.add_argument("--model", default=MODEL, help="what longsight.load takes")
    parser.add_argument("--length", type=int, default=2048, help="tokens that are read, within the trained length")
    parser.add_argument("--past", type=int, default=12_288, help="tokens that are read past it")
    given = parser.parse_args()
    model = load(given.model).on_suited_threads()
    found, apart = inside(model, given.length)
    broken, figures = past(model, given.past)
    pictures.save({"clusters": clusters_figure(apart, columns=2), **figures}, PICTURES)
    PAGE.write_text(page(found, broken), encoding="utf-8")
    print(PAGE)


def beginning(model: Model, length: int) -> torch.Tensor:
    """The first tokens of the novel (length,)."""
    return model.check_ids(model.tokenizer(read_texts(PROSE)[0][: 8 * length], verbose=False)["input_ids"][:length])


def past(model: Model, length: int) -> tuple[Past, dict[str, go.Figure]]:
    """The numbers past the trained length, and figures 1a and 1b of LM-Infinite."""
    ids, trained = beginning(model, length), model.train_length
    methods = [read_one(model, text.format(trained), len(ids)) for text in FAR]
    looked = [measure(model, ids, method, [LogitProbe, EntropyProbe, NLLProbe]) for method in methods]

    def both(values: np.ndarray, position: np.ndarray) -> Pair:
        here = (position >= trained // 2) & (position < trained)
        return float(np.nanmean(values[..., here])), float(np.nanmean(values[..., position >= trained]))

    titles, runs = [method.title for method in methods], make_runs(methods)
    return Past(
        len(ids),
        {t: both(logits.largest, logits.position) for t, (logits, _, _) in zip(titles, looked, strict=True)},
        {t: both(entropy.entropy, entropy.position) for t, (_, entropy, _) in zip(titles, looked, strict=True)},
        {t: both(nll.nll, np.arange(len(nll.nll))) for t, (_, _, nll) in zip(titles, looked, strict=True)},
    ), {
        "logits": logits_figure(runs, [logits for logits, _, _ in looked]),
        "entropy": entropy_figure(runs, [entropy for _, entropy, _ in looked]),
    }  # fmt: skip


def inside(model: Model, length: int) -> tuple[Inside, ClusterRecord]:
    """The numbers, and the hidden states at the depths that are drawn."""
    ids = beginning(model, length)
    layers = model.hf.config.num_hidden_layers
    every = tuple(range(layers + 1))
    vanilla = read_one(model, "vanilla", length)
    probes = (partial(HiddenProbe, depths=every), MassProbe, partial(MassProbe, starting=1), SinkProbe, NLLProbe)
    hidden, mass, lone, sinks, nll = measure(model, ids, vanilla, probes)
    shown = sorted({round(layers * n / DRAWN) for n in range(DRAWN + 1)})
    drawn, *_ = measure(model, ids[:1024], vanilla, [partial(HiddenProbe, depths=tuple(shown))])
    apart, heads = project([hidden]), np.nan_to_num(sinks.heads)
    after = {"vanilla": nll}
    for text in NARROW:
        (after[text],) = measure(model, ids, read_one(model, text, length), [NLLProbe])
    return Inside(
        model.name, model.train_length, length,
        np.stack([apart.separation, apart.ordinary], axis=1),
        tuple((str(sinks.token[at]), float(heads[at])) for at in np.argsort(-heads)[:3]),
        float(lone.starting.mean()), float(mass.starting.mean()), mass.starting_tokens,
        {record.caption: float(np.nanmean(record.nll[2 * WINDOW :])) for record in after.values()},
    ), project([drawn], ("Dracula",))  # fmt: skip


def page(found: Inside, broken: Past) -> str:
    """docs/findings-smollm2.md."""
    layers = found.separation[1:]
    farther = layers[:, 0] / layers[:, 1]
    sinks = "; ".join(f"`{token!r}` in {share:.0%}" for token, share in found.sinks if share >= 0.005)
    rows = [
        f"| {'the embedding' if depth == 0 else f'layer {depth - 1}'} | {first:.2f} | {others:.2f} |"
        for depth, (first, others) in enumerate(found.separation)
    ]
    surprise = [f"| {name} | {nll:.2f} |" for name, nll in found.nll.items()]
    plain, window, shaped = found.nll.values()
    alone = (
        " So it is the first token alone that the others look at, whichever it is: there is no special one before it."
        if found.first > 0.9 * found.starting
        else ""
    )
    blocks = [
        "# What the panels show on a real model",
        f"Read with **{found.model}**, trained on {found.train_length:,} tokens, on the first {found.length:,} tokens "
        f"of Bram Stoker's *Dracula*, inside the trained length, and on {broken.length:,}: one text. Attention is that "
        "of vanilla where nothing else is said, means over layers, heads and sampled queries. One command measures, "
        "draws and writes all of it:",
        "```\npython -m docs.real_model\n```",
        "What a small model that was made here shows stands in [What the panels show](findings.md); perplexity and "
        f"pass keys of {found.model} in [its results](results-smollm2.md).",
        "## The starting tokens lie apart",
        f"*The paper* (LM-Infinite, figure 1c). *Here*: the centre of the first {found.count} tokens lies "
        f"{farther.max():.1f} times as far out as that of ordinary runs of {found.count} tokens in one layer, "
        f"{np.median(farther):.1f} times in the median layer. Distances are in spreads of the other tokens.",
        "\n".join(["| after | first tokens | ordinary runs |", "|---|---|---|", *rows]),
        "![Hidden states in two dimensions](findings-smollm2/clusters.png)",
        "## Attention is parked on them",
        f"*The paper* (StreamingLLM, section 3.1). *Here*: the very first token gets {found.first:.0%} of attention, "
        f"the first {found.count} {found.starting:.0%}; an even share of {found.count} would be "
        f"{found.count / found.length:.1%}. Tokens that are a sink (over 0.3 of a head's attention), by the share of "
        f"heads: {sinks or 'none'}.{alone}",
        "## A window that loses them",
        f"*The papers*: a bare window fails as soon as the first tokens leave it, and a few starting tokens mend that "
        f"(StreamingLLM, figure 3; LM-Infinite, section 4.1). *Here*, NLL after {2 * WINDOW:,} tokens, "
        f"within the trained length, so that no distance is strange to the model:",
        "\n".join(["| method | NLL [nats] |", "|---|---|", *surprise]),
        f"The window alone costs {window - plain:+.2f} nats, with the starting tokens in sight "
        f"{shaped - plain:+.2f}: perplexity times {np.exp(window - plain):.1f} and {np.exp(shaped - plain):.1f}.",
        *_past(found, broken),
    ]  # fmt: skip
    return "\n\n".join(_wrapped(block) for block in blocks) + "\n"


def _past(found: Inside, broken: Past) -> list[str]:
    pairs = {title: (broken.logit[title], broken.entropy[title], nll) for title, nll in broken.nll.items()}
    rows = [f"| {title} | {' | '.join(f'{a:.2f} → {b:.2f}' for a, b in told)} |" for title, told in pairs.items()]
    (plain, _, plain_nll), (_, held, held_nll), *_ = pairs.values()
    spread, lost = held[1] - held[0], held_nll[1] - held_nll[0]
    disagrees = abs(spread) < FAINT and lost < FAINT
    return [
        "## Past the trained length",
        f"*The paper* (LM-Infinite, figures 1a and 1b): logits grow past the trained length, and entropy rises where "
        f"distances are held and nothing is hidden. *Here*, the second half of the {found.train_length:,} tokens → "
        f"tokens {found.train_length:,} to {broken.length:,}:",
        "\n".join(["| method | largest logit | entropy [nats] | NLL [nats] |", "|---|---|---|---|", *rows]),
        f"Vanilla's largest logits change by {plain[1] / plain[0] - 1:+.0%} and its NLL by "
        f"{plain_nll[1] - plain_nll[0]:+.2f} nats. Where distances are held and nothing is hidden, entropy changes by "
        f"{spread:+.2f} nats and NLL by {lost:+.2f}"
        + (
            ": at this length no spread of attention is to be seen, and held distances alone mend this model."
            if disagrees
            else "."
        ),
        "![Largest attention logits along the novel](findings-smollm2/logits.png)",
        "![Attention entropy along the novel](findings-smollm2/entropy.png)",
    ]


def _wrapped(block: str) -> str:
    if block.startswith(("#", "|", "`", "!")):
        return block
    return textwrap.fill(block, 120, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main()
