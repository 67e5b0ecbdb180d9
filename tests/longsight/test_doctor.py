"""The doctor's report, on tiny checkpoints of several families; and its one sentence where there is none."""

import io
import json
import re
import runpy
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from longsight import doctor
from longsight.methods import METHODS
from longsight.models.model import load
from longsight.models.registry import REGISTRY
from tests.longsight import tiny
from tests.longsight.matrix import variants

PATIENTS = {
    "llama": ("llama (LlamaForCausalLM)", "rope", 16, 2),
    "llama, yarn rope": ("llama (LlamaForCausalLM)", "rope", 64, 2),
    "smollm3": ("smollm3 (SmolLM3ForCausalLM)", "rope", 16, 4),
    "gptj": ("gptj (GPTJForCausalLM)", "rope", 16, 2),
    "mpt, six heads": ("mpt (MptForCausalLM)", "alibi", 16, 2),
    "falcon": ("falcon (FalconForCausalLM)", "rope", 16, 2),
    "falcon, alibi": ("falcon (FalconForCausalLM)", "alibi", 16, 2),
    "bloom": ("bloom (BloomForCausalLM)", "alibi", 16, 2),
}
"""variant -> (family, position encoding, trained length, layers)"""
KEY_HEADS = {"llama": 2, "llama, yarn rope": 2, "smollm3": 2, "mpt, six heads": 6, "falcon": 1}
CHANNELS, FLOAT = 8, 4


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for name in PATIENTS:
        made[name] = tmp_path_factory.mktemp("models") / name.replace(", ", "-").replace(" ", "-")
        variants.build(name).save_pretrained(made[name])
    return made


def told(source):
    """Exit code, report and complaint of one visit; the progress of loading is neither."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = doctor.main([str(source)])
    lines = re.split(r"\r|(?<=\n)", err.getvalue())
    return code, out.getvalue(), "".join(line for line in lines if not re.search(r"\| \d+/\d+ \[", line))


@pytest.fixture(scope="module")
def visits(folders):
    """What every patient was told."""
    return {name: told(folders[name]) for name in PATIENTS}


def row(report, title):
    return next(line for line in report.splitlines() if line.startswith(f"  {title:24}"))


def sizes(report, title):
    """Cache [MB] at 4K, 32K and 128K."""
    return [float(size.replace(",", "")) for size in row(report, title)[26:].split()[:3]]


@pytest.mark.parametrize("name", PATIENTS)
def test_the_report_says_what_the_model_is(name, visits):
    family, encoding, length, _ = PATIENTS[name]
    code, report, complaint = visits[name]
    assert (code, complaint) == (0, "")
    head = report.split("  cache [MB] at")[0].splitlines()[1:]
    facts = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in head)
    assert facts["family"] == family
    assert facts["position encoding"] == encoding
    assert facts["trained length"] == f"{length:,} tokens"
    weights = sum(p.nbytes for p in variants.build(name).parameters())
    assert facts["weights"] == f"{weights / 1e6:,.1f} MB in float32"
    assert 0 <= float(facts["vanilla - stock"].split()[0]) < 1e-4


@pytest.mark.parametrize("name", PATIENTS)
def test_every_method_has_its_line_with_memory_or_with_the_reason(name, visits):
    _, report, _ = visits[name]
    for method in METHODS.values():
        if method.needs in (None, PATIENTS[name][1]):
            assert len(sizes(report, method.title)) == 3
        else:
            assert "no: " in row(report, method.title)
            assert "choose one that changes visibility or distances" in row(report, method.title)


@pytest.mark.parametrize("name", KEY_HEADS)
def test_memory_is_that_of_the_keys_and_values_that_a_method_keeps(name, visits):
    _, _, length, layers = PATIENTS[name]
    per_token = layers * KEY_HEADS[name] * 2 * CHANNELS * FLOAT / 1e6
    _, report, _ = visits[name]
    assert sizes(report, "Vanilla") == pytest.approx(
        [4096 * per_token, 32768 * per_token, 131072 * per_token], abs=0.06
    )
    assert sizes(report, "SelfExtend") == sizes(report, "Vanilla")
    assert sizes(report, "LM-Infinite") == pytest.approx([(length + 10) * per_token] * 3, abs=0.06)
    assert sizes(report, "Truncation") == pytest.approx([length * per_token] * 3, abs=0.06)


def test_the_memory_told_is_the_memory_taken(folders):
    model = load(folders["llama"])
    for key in METHODS:
        method = variants.method(key)
        cache, tokens = model.seam.new_cache(method), min(200, method.longest or 200)
        read = tiny.ids(tokens)[: method.keeps(tokens)]
        cache.reserve(len(read))
        model.forward(read, cache)
        assert cache.nbytes == model.cache_bytes(method, tokens), key


def test_parameters_that_lie_beside_the_weights_are_the_ones_reported(folders):
    path = folders["llama"] / "longsight.json"
    path.write_text(json.dumps({"recommended": {"self-extend": {"group": 2, "window": 6}}}))
    try:
        assert row(told(folders["llama"])[1], "SelfExtend").endswith("SelfExtend (group=2, window=6)")
    finally:
        path.unlink()


def test_a_model_that_is_refused_is_one_sentence_and_exit_code_1(tmp_path):
    tiny.hf("gpt2").config.save_pretrained(tmp_path)
    code, report, complaint = told(tmp_path)
    assert (code, report) == (1, "")
    assert re.fullmatch(r"gpt2 models are not supported; LongSight knows a[a-z0-9_, ]*\.\n", complaint)


def test_layers_that_a_method_leaves_alone_are_named(tmp_path):
    variants.build("olmo3").save_pretrained(tmp_path)
    code, report, _ = told(tmp_path)
    assert code == 0
    assert "  methods act on      1 of 2 layers sees everything; 1 keeps its window of 7.\n" in report


def test_a_model_that_hears_long_texts_otherwise_says_from_where_on(tmp_path):
    variants.build("phi3, longrope").save_pretrained(tmp_path)
    code, report, _ = told(tmp_path)
    assert code == 0
    assert "  position encoding   rope, other frequencies in texts of more than 16 tokens\n" in report


@pytest.mark.parametrize("source", ["/no/such/folder", "no-one/nothing-at-all"])
def test_a_model_that_is_not_there_is_one_sentence_and_exit_code_1(source):
    code, report, complaint = told(source)
    assert (code, report) == (1, "")
    assert complaint.startswith(f"{source} cannot be loaded: ")
    assert complaint.count("\n") == 1


def test_a_known_model_is_described_even_when_it_cannot_be_had():
    known = REGISTRY["meta-llama/Llama-2-7b-hf"]
    code, report, complaint = told(known.source)
    assert code == 1
    assert report == (
        "meta-llama/Llama-2-7b-hf: trained on 4,096 tokens, 6.74 billion parameters (13.5 GB in bfloat16), "
        "licence llama2, gated.\n"
    )
    assert "accept its licence" in complaint


def test_a_method_with_too_few_frequencies_is_told_apart(tmp_path):
    config = {**variants.SMALL, "rope_parameters": {**variants.ROPE, "partial_rotary_factor": 0.25}}
    tiny.hf("stablelm", **config).save_pretrained(tmp_path)
    code, report, _ = told(tmp_path)
    assert code == 0
    assert "no: YaRN needs at least 2 frequencies, but this model rotates 1" in row(report, "YaRN")


@pytest.mark.filterwarnings("ignore:'longsight.doctor' found in sys.modules:RuntimeWarning")
def test_it_runs_as_a_module(folders, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["longsight.doctor", str(folders["llama"])])
    with pytest.raises(SystemExit) as left:
        runpy.run_module("longsight.doctor", run_name="__main__")
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"{folders['llama']}\n  family              llama")
