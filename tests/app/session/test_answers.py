"""Answers side by side are the library's own; follow-ups read what is new; stopping and failing cost nobody else."""

import gc
import weakref

import pytest

from analysis.runs import make_runs
from app.session import answers, devices, transcript
from app.session.answers import Answer, Speaker
from app.session.cache_pool import pool
from longsight.generation.decode import Sampling, decode
from longsight.generation.prefill import prefill
from longsight.generation.text_encoding import encoder_of
from longsight.methods import METHODS
from longsight.methods.fetching import LAST

VANILLA = METHODS["vanilla"]()
SAMPLING = Sampling(max_new_tokens=6, stop=frozenset())


@pytest.fixture
def text(model):
    return encoder_of(model.tokenizer).encode("The grass is green. The sky is blue. " * 12)


def ask(model, text, speakers, methods, question="Why?", sampling=SAMPLING, stopped=lambda: False):
    cells = [Answer(run) for run in make_runs(methods)]
    sides = list(zip(speakers, cells, strict=True))
    return cells, answers.answer_steps(model, text, question, sides, sampling, stopped)


def plain_answer(model, ids, method):
    tokens = list(decode(model, prefill(model, ids, method), SAMPLING))
    return model.tokenizer.decode(tokens)


@pytest.mark.parametrize("key", METHODS)
def test_every_method_answers_as_the_engine_alone_does_and_again_after_a_follow_up(model, text, key):
    method, speaker = METHODS[key].for_model(model.train_length, 400), Speaker(VANILLA)
    [first], steps = ask(model, text, [speaker], [method])
    list(steps)
    assert (first.state, first.error) == (Answer.DONE, "")
    ids = transcript.prompt_ids(model.tokenizer, text, [], "Why?")
    assert first.text == plain_answer(model, ids, method)
    if method.retrieval is None and method.keeps(len(ids)) == len(ids):  # as it was forecast
        assert first.cache_bytes == model.cache_bytes(method, len(ids) + SAMPLING.max_new_tokens)

    ids = transcript.prompt_ids(model.tokenizer, text, speaker.exchanges, "And then?")
    [second], steps = ask(model, text, [speaker], [method], "And then?")
    list(steps)
    if method.retrieval is None or method.retrieval.queries == LAST:  # else a block of queries was read in two parts
        assert second.text == plain_answer(model, ids, method)
    if method.keeps(len(ids)) == len(ids):
        assert second.reused + second.done == len(ids)
        assert second.reused > len(text)
        assert second.done < 40


def test_methods_share_the_device_so_that_a_slow_one_does_not_hold_up_a_fast_one(model, text):
    long = encoder_of(model.tokenizer).encode(20 * text.text)
    methods = [VANILLA, METHODS["lm-infinite"].for_model(model.train_length, 400)]
    cells, steps = ask(model, long, [Speaker(VANILLA), Speaker(VANILLA)], methods)
    seen_together = False
    for _ in steps:
        seen_together |= all(0 < cell.done < cell.total for cell in cells)
    assert seen_together
    assert [cell.state for cell in cells] == [Answer.DONE, Answer.DONE]


def test_other_parameters_read_the_text_again(model, text):
    speaker, method = Speaker(VANILLA), METHODS["window"](window=16)
    list(ask(model, text, [speaker], [method])[1])
    [cell], steps = ask(model, text, [speaker], [METHODS["window"](window=17)])
    list(steps)
    assert cell.reused == 0
    assert cell.state == Answer.DONE


def test_stop_while_reading_frees_the_cache_and_says_how_far_it_came(model, text, monkeypatch):
    monkeypatch.setattr(answers, "StepSize", lambda: 8)
    made = []
    new_cache = type(model.seam).new_cache

    def watched(seam, method, **options):
        cache = new_cache(seam, method, **options)
        made.append(weakref.ref(cache))
        return cache

    monkeypatch.setattr(type(model.seam), "new_cache", watched)
    speaker, steps_seen = Speaker(VANILLA), []
    [cell], steps = ask(model, text, [speaker], [VANILLA], stopped=lambda: len(steps_seen) >= 3)
    for step in steps:
        steps_seen.append(step)
    assert (cell.state, cell.done, cell.cache_bytes) == (Answer.STOPPED, 24, 0)
    assert speaker.cache is None
    assert speaker.exchanges == []
    del steps
    gc.collect()
    assert made
    assert all(ref() is None for ref in made)


def test_closing_the_generator_stops_like_stop_does(model, text, monkeypatch):
    monkeypatch.setattr(answers, "StepSize", lambda: 8)
    speaker = Speaker(VANILLA)
    [cell], steps = ask(model, text, [speaker], [VANILLA])
    next(steps)
    steps.close()
    assert cell.state == Answer.STOPPED
    assert speaker.cache is None


def test_stop_while_writing_keeps_what_was_written_and_a_follow_up_builds_on_it(model, text):
    speaker, method = Speaker(VANILLA), VANILLA
    written = []
    [cell], steps = ask(model, text, [speaker], [method], stopped=lambda: len(written) >= 2)
    for _ in steps:
        if cell.written:
            written.append(cell.written)
    assert (cell.state, cell.written) == (Answer.STOPPED, 2)
    assert len(speaker.exchanges[0].answer) == 2
    [second], steps = ask(model, text, [speaker], [method], "More?")
    list(steps)
    assert second.state == Answer.DONE
    assert second.reused > len(text)


def test_a_method_that_fails_marks_its_own_cell_and_the_others_go_on(model, text, monkeypatch, caplog):
    def broken(self, *args):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(METHODS["ceiling"], "logit_scale", broken)
    beyond = METHODS["lm-infinite"](window=32, top_k=3, from_layer=7)  # this model has two layers
    methods = [METHODS["ceiling"](ceiling=32), beyond, VANILLA]
    cells, steps = ask(model, text, [Speaker(VANILLA), Speaker(VANILLA), Speaker(VANILLA)], methods)
    list(steps)
    assert [cell.state for cell in cells] == [Answer.FAILED, Answer.FAILED, Answer.DONE]
    assert "server's log" in cells[0].error
    assert "a fault of ours" in caplog.text
    assert "from_layer = 7" in cells[1].error


def test_a_cache_that_does_not_fit_is_refused_with_numbers_and_a_remedy(model, text, monkeypatch):
    monkeypatch.setattr(devices, "free_bytes", lambda device: 40_000)
    methods = [VANILLA, METHODS["window"](window=8)]
    cells, steps = ask(model, text, [Speaker(VANILLA), Speaker(VANILLA)], methods)
    list(steps)
    assert [cell.state for cell in cells] == [Answer.FAILED, Answer.DONE]
    assert "tokens need a cache of" in cells[0].error
    assert "at most 20.0 kB is to be had now, enough for" in cells[0].error
    assert "Give a shorter text, or choose" in cells[0].error


def test_resting_caches_make_room_before_anyone_is_refused(model, text, monkeypatch):
    other = Speaker(VANILLA)
    list(ask(model, text, [other], [VANILLA])[1])
    assert other.nbytes > 0
    free = iter([1_000])
    monkeypatch.setattr(devices, "free_bytes", lambda device: next(free, 10_000_000))
    [cell], steps = ask(model, text, [Speaker(VANILLA)], [VANILLA])
    list(steps)
    assert other.cache is None
    assert cell.state == Answer.DONE


def test_the_shelf_frees_the_oldest_when_all_together_are_too_much(model, text):
    pool.clear()
    speakers = [Speaker(VANILLA), Speaker(VANILLA)]
    for speaker in speakers:
        list(ask(model, text, [speaker], [VANILLA])[1])
    assert pool.nbytes == sum(speaker.nbytes for speaker in speakers)
    pool.put(speakers[0], free=0)
    assert speakers[0].cache is not None
    assert speakers[1].cache is None
