"""The heads that retrieve are found where they are, and named in a line that `--methods` takes."""

from pathlib import Path

import pytest
import torch

from analysis import runs
from analysis.diagnostics.heads import main
from analysis.diagnostics.retrieval_heads import retrieval_scores
from longsight.attention.observer import Observer
from longsight.methods import METHODS
from longsight.models.head_scores import words
from longsight.models.model import load
from tests.longsight import tiny
from tests.longsight.matrix import variants
from tests.longsight.test_head_scores import write
from tests.longsight.test_observer import law

SHIPPED = Path(__file__).resolve().parents[3] / "assets" / "models"


@pytest.mark.parametrize(("name", "heads"), [("rope-small", "0 10000 0 0"), ("alibi-small", "0 00010 0 0")])
def test_the_one_head_that_copies_is_found(name, heads):
    """Both models began with an induction circuit, in layer 1 (`training/circuit.py`)."""
    model = load(SHIPPED / name)
    scores = torch.tensor(retrieval_scores(model, passages=1))
    assert scores.shape == (4, 5)
    best, second = scores.flatten().sort(descending=True).values[:2].tolist()
    assert best > 0.8 > 0.1 > second
    assert words(scores.tolist(), 1 / 20) == heads
    assert model.recommended["duo"]["heads"] == heads


def test_scores_are_of_key_heads_and_of_layers_that_methods_act_on():
    scores = retrieval_scores(tiny.model(key_heads=2), passages=1)
    assert [len(layer) for layer in scores] == [2, 2, 2]
    assert all(0 <= score <= 1 for layer in scores for score in layer)
    assert [len(layer) for layer in retrieval_scores(variants.adopted("gemma2"), passages=1)] == [0, 2]


class Weights(Observer):
    """Attention weights (head, query, key) of every layer, from the method's definition."""

    def __init__(self):
        self.layers = []

    def attention(self, step):
        self.layers.append(law(step)[0].softmax(-1))


def test_scores_are_the_attention_of_the_second_copy_to_the_first():
    """Pair by pair, of the query head that looks back most, and the mean over passages."""
    model, n = tiny.model(key_heads=2), tiny.TRAINED // 2
    expected = []
    for seed in (4, 5):
        watched = Weights()
        text = torch.randint(tiny.VOCABULARY, (n,), generator=torch.Generator().manual_seed(seed)).repeat(2)
        model.forward(text, model.seam.new_cache(METHODS["vanilla"]()), observer=watched)
        back = [[[float(head[i, i - n] + head[i, i - n + 1]) for i in range(n, 2 * n)] for head in layer]
                for layer in watched.layers]  # fmt: skip
        expected.append(torch.tensor(back).mean(-1))
    found = torch.tensor(retrieval_scores(model, passages=2, seed=4))
    torch.testing.assert_close(found, torch.stack(expected).mean(0).reshape(3, 2, 2).amax(-1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("share", ["0.25", "0.5"])
def test_the_command_prints_a_line_for_methods(share, capsys, tmp_path):
    tiny.hf().save_pretrained(tmp_path / "model")
    assert main([str(tmp_path / "model"), "--share", share]) == 0
    model = load(tmp_path / "model")
    (method,) = runs.read(model, capsys.readouterr().out.strip(), 64)
    assert method.heads == words(retrieval_scores(model), float(share))
    assert main([str(write(tmp_path)), "--share", share]) == 0
    assert 'duo:window=9,starting=4,heads="' in capsys.readouterr().out


def test_what_cannot_be_is_one_sentence(capsys, tmp_path):
    assert main([str(tmp_path / "nowhere")]) == 1
    assert main([str(write(tmp_path, "much")), "--share", "2"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 2
