"""The table of known models: plausible, usable, and never in the way of an id that it does not know."""

import re

import pytest
from transformers import AutoConfig, BloomConfig

from longsight.errors import LongSightError
from longsight.methods import METHODS
from longsight.models import registry
from longsight.models.registry import PACKAGED, REGISTRY, check_config, read_config, recommended
from tests.longsight import tiny
from tests.longsight.tiny import TRAINED

RECOMMENDED = [(known, key) for known in REGISTRY.values() for key in known.recommended]


def test_every_known_model_says_what_to_expect():
    for known in REGISTRY.values():
        assert re.fullmatch("[^/]+/[^/]+", known.source)
        assert 512 <= known.train_length <= 131_072, known.source
        assert known.train_length % 512 == 0, known.source
        assert 0.05 < known.billions < 100, known.source
        assert known.licence, known.source
        assert known.bytes() == 2 * known.bytes(per_parameter=1) == round(known.billions * 2e9), known.source


def test_the_size_in_a_name_is_the_size_in_the_table():
    """Where makers put it into the name, in billions or millions; rounded as they round."""
    named = 0
    for known in REGISTRY.values():
        if found := re.search(r"(\d+(?:\.\d+)?)([bBmM])(?:-|$|_)", known.source.split("/")[1]):
            named += 1
            size = float(found[1]) * (1 if found[2] in "bB" else 1e-3)
            assert known.billions == pytest.approx(size, rel=0.5), known.source
    assert named > len(REGISTRY) / 2


def test_suggested_parameters_make_a_method_that_reaches_past_the_trained_length():
    """DuoAttention needs less memory, and reaches no further."""
    assert RECOMMENDED
    for known, key in RECOMMENDED:
        suited = METHODS[key].for_model(known.train_length, 4 * known.train_length)
        method = type(suited)(**{**vars(suited), **known.recommended[key]})
        reach = method.reach(known.train_length)
        assert reach is None or reach > known.train_length or key == "duo", known.source


def test_what_selfextends_authors_ran_is_suggested():
    for source in ("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-chat-hf"):
        assert recommended(source)["self-extend"] == {"group": 4, "window": 1024}
    assert recommended("google/gemma-2b-it")["self-extend"] == {"group": 8, "window": 1024}


def test_nothing_is_suggested_for_a_model_that_is_not_known(tmp_path):
    assert recommended("someone/something") == recommended(tmp_path) == {}


@pytest.mark.parametrize("known", [known for known in REGISTRY.values() if known.gated], ids=lambda known: known.source)
def test_a_gated_model_that_cannot_be_had_says_how_to_be_let_in(known):
    with pytest.raises(LongSightError) as caught:
        read_config(known.source)
    assert str(caught.value).startswith(f"{known.source} cannot be loaded: ")
    assert str(caught.value).endswith("accept its licence first; do so on its page and log in with `hf auth login`.")


def test_a_model_that_a_package_brings_is_known_under_both_names():
    for packaged in PACKAGED.values():
        assert "/" not in packaged.name
        assert REGISTRY[packaged.hub].licence == "apache-2.0", "what is installed without being asked for is free"
        assert recommended(packaged.name) is recommended(packaged.hub)


def test_an_open_model_that_cannot_be_had_asks_for_no_login():
    with pytest.raises(LongSightError) as caught:
        read_config("microsoft/phi-2")
    assert "log in" not in str(caught.value)


@pytest.fixture
def on_the_hub(monkeypatch):
    """`on_the_hub(config)`: what every id's config is from now on."""

    def put(config):
        monkeypatch.setattr(registry.AutoConfig, "from_pretrained", lambda source, **options: config)
        monkeypatch.setattr(registry.PretrainedConfig, "get_config_dict", lambda source: (config.to_dict(), {}))

    return put


def test_a_known_model_lends_the_length_that_its_config_leaves_out(on_the_hub):
    on_the_hub(BloomConfig())
    assert check_config("bigscience/bloom-560m") == 2048
    on_the_hub(BloomConfig(seq_length=4096))
    assert check_config("bigscience/bloom-560m") == 4096, "what a config says comes first"


def test_an_unknown_model_whose_config_leaves_the_length_out_is_told_what_is_missing(on_the_hub):
    on_the_hub(BloomConfig())
    with pytest.raises(
        LongSightError, match="This bloom config has no seq_length, so LongSight cannot know the length"
    ):
        check_config("someone/bloom-of-their-own")


def test_any_other_id_is_fine_when_its_config_says_enough(on_the_hub):
    on_the_hub(AutoConfig.for_model("llama", **tiny.SHAPE))
    assert check_config("someone/llama-of-their-own") == TRAINED


def test_a_family_that_is_not_understood_is_refused_before_anything_is_downloaded(on_the_hub):
    on_the_hub(AutoConfig.for_model("gpt2"))
    with pytest.raises(LongSightError, match="gpt2 models are not supported; LongSight knows"):
        check_config("openai-community/gpt2")
