"""What the panels show on a real model inside its trained length: `python -m docs.real_model`.

SmolLM2-135M reads the beginning of the novel that ships. Measures, draws the figure, and writes
docs/findings-smollm2.md; every number in that page comes from here.
"""

import argparse
import textwrap
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from analysis.diagnostics.attention import MassProbe
from analysis.diagnostics.clusters import ClusterRecord, clusters_figure, project
from analysis.diagnostics.hidden_states import HiddenProbe
from analysis.diagnostics.nll import NLLProbe
from analysis.diagnostics.probing import measure
from analysis.diagnostics.sinks import SinkProbe
from analysis.evaluation.tasks.texts import PROSE, read_texts
from analysis.runs import read_one
from docs import pictures
from longsight.models.model import Model, load

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURES = ROOT / "docs" / "findings-smollm2.md", ROOT / "docs" / "findings-smollm2"
MODEL = "SmolLM2-135M"
WINDOW = 512
NARROW = (f"window:window={WINDOW}", f"lambda:window={WINDOW}")
DRAWN = 4
"""Depths in the figure: the embedding, and as many evenly up to the last layer."""


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
    given = parser.parse_args()
    found, apart = inside(load(given.model).on_suited_threads(), given.length)
    pictures.save({"clusters": clusters_figure(apart, columns=2)}, PICTURES)
    PAGE.write_text(page(found), encoding="utf-8")
    print(PAGE)


def inside(model: Model, length: int) -> tuple[Inside, ClusterRecord]:
    """The numbers, and the hidden states at the depths that are drawn."""
    ids = model.check_ids(model.tokenizer(read_texts(PROSE)[0][: 8 * length], verbose=False)["input_ids"][:length])
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


def page(found: Inside) -> str:
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
        "of Bram Stoker's *Dracula*: one text, inside the trained length. Attention is that of vanilla, means over "
        "layers, heads and sampled queries. One command measures, draws and writes all of it:",
        "```\npython -m docs.real_model\n```",
        "What a small model that was made here shows, past its trained length as well, stands in [What the panels "
        "show](findings.md). That logits and entropy grow past the trained length (LM-Infinite, figures 1a and 1b) was "
        f"not measured on {found.model}: the texts are shorter than that.",
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
    ]  # fmt: skip
    return "\n\n".join(_wrapped(block) for block in blocks) + "\n"


def _wrapped(block: str) -> str:
    if block.startswith(("#", "|", "`", "!")):
        return block
    return textwrap.fill(block, 120, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main()
