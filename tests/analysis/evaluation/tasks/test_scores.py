"""Scores are those that are published: the libraries' own, and Qasper's by its own examples."""

import json
import sys

import pytest
import sacrebleu
from rouge_score import rouge_scorer

from analysis.evaluation.tasks.generation import Generation, bleu, rouge
from analysis.evaluation.tasks.qa import QA, ask
from analysis.evaluation.tasks.qasper import normalised, read_qasper, token_f1
from analysis.evaluation.tasks.texts import read_texts
from longsight.errors import LongSightError

LONG = 700


@pytest.mark.parametrize(("answer", "reference", "expected"), [
    # From the definition of SQuAD 1.1's script: 2 p r / (p + r) over the words that both have, as often as both have.
    ("The cat sat.", "the cat sat", 1.0),
    ("a cat", "The  CAT!", 1.0),
    ("Denver Broncos", "The Denver Broncos won", 2 * 1 * (2 / 3) / (1 + 2 / 3)),
    ("red red blue", "red blue blue", 2 / 3),
    ("yes", "no", 0.0),
    ("", "no", 0.0),
    ("", "", 0.0),
    ("the", "a", 0.0),
    ("Unanswerable", "Unanswerable", 1.0),
    ("state-of-the-art", "stateoftheart", 1.0),
])  # fmt: skip
def test_token_f1_is_that_of_squad_and_qasper(answer, reference, expected):
    assert token_f1(answer, [reference]) == pytest.approx(expected)


def test_the_best_of_several_answers_counts():
    assert token_f1("a deep network", ["Unanswerable", "deep network", "a very deep network"]) == 1.0


def test_normalising_drops_case_punctuation_articles_and_spaces():
    assert normalised("  The U.S.'s  a-b, AN end. ") == ["uss", "ab", "end"]


PAIRS = [
    ("the cat is on the mat", "there is a cat on the mat"),
    ("The quick brown fox jumped over the lazy dog.", "The quick brown dog jumped on the log."),
    ("one two three four five", "one two three four five"),
    ("nothing at all", "something else entirely here"),
    ("", "a reference"),
]


@pytest.mark.parametrize(("answer", "reference"), PAIRS)
def test_bleu_and_rouge_are_the_libraries_own(answer, reference):
    assert bleu(answer, reference)["bleu"] == sacrebleu.sentence_bleu(answer, [reference]).score
    expected = rouge_scorer.RougeScorer(["rouge1", "rougeL"]).score(reference, answer)
    assert rouge(answer, reference) == {name: score.fmeasure for name, score in expected.items()}


def test_bleu_and_rouge_by_the_libraries_own_examples():
    # The README of rouge-score, and the first example of sacrebleu's documentation.
    found = rouge("The quick brown dog jumps on the log.", "The quick brown fox jumps over the lazy dog")
    assert found["rouge1"] == pytest.approx(2 * (6 / 8) * (6 / 9) / (6 / 8 + 6 / 9))
    assert found["rougeL"] == pytest.approx(2 * (5 / 8) * (5 / 9) / (5 / 8 + 5 / 9))
    assert bleu("The dog bit the man.", "The dog bit the man.")["bleu"] == pytest.approx(100)


def test_a_continuation_is_compared_with_what_really_follows(model):
    task = Generation()
    for case in task.cases(model, LONG, 2, 0):
        assert len(case.ids) == LONG - task.room
        beginning = model.tokenizer.decode(case.ids)[-200:]
        assert beginning + case.answers[0][:-3] in "".join(read_texts("prose"))
        assert task.score(case, case.answers[0]) == pytest.approx({"bleu": 100, "rouge1": 1, "rougeL": 1})
        assert task.score(case, "")["bleu"] == 0


def test_a_continuation_longer_than_the_text_is_refused(model):
    with pytest.raises(LongSightError, match="of which 100 are to be written; choose a length above 100"):
        Generation().cases(model, 100, 1, 0)


# Qasper

PAPER = {
    "1912.1": {
        "title": "On Reading", "abstract": "We read.",
        "full_text": [
            {"section_name": "Introduction", "paragraphs": ["We read papers.", "And books."]},
            {"section_name": None, "paragraphs": ["A paragraph of no section."]},
        ],
        "qas": [
            {"question": "What do they read?", "question_id": "q1", "answers": [
                {"answer": {"unanswerable": False, "extractive_spans": ["papers", "books"], "yes_no": None,
                            "free_form_answer": "", "evidence": [], "highlighted_evidence": []}},
                {"answer": {"unanswerable": False, "extractive_spans": [], "yes_no": None,
                            "free_form_answer": "Papers and books", "evidence": [], "highlighted_evidence": []}},
            ]},
            {"question": "Do they read?", "question_id": "q2", "answers": [
                {"answer": {"unanswerable": False, "extractive_spans": [], "yes_no": False,
                            "free_form_answer": "", "evidence": [], "highlighted_evidence": []}},
                {"answer": {"unanswerable": True, "extractive_spans": [], "yes_no": None,
                            "free_form_answer": "", "evidence": [], "highlighted_evidence": []}},
            ]},
        ],
    },
}  # fmt: skip


@pytest.fixture
def original(tmp_path):
    path = tmp_path / "qasper-dev.json"
    path.write_text(json.dumps(PAPER), encoding="utf-8")
    return str(path)


@pytest.fixture
def parquet(tmp_path):
    """The same papers as the Hub has them: lists are columns."""
    datasets = pytest.importorskip("datasets")
    paper = PAPER["1912.1"]
    row = {
        "id": "1912.1", "title": paper["title"], "abstract": paper["abstract"],
        "full_text": {"section_name": [s["section_name"] for s in paper["full_text"]],
                      "paragraphs": [s["paragraphs"] for s in paper["full_text"]]},
        "qas": {"question": [q["question"] for q in paper["qas"]],
                "question_id": [q["question_id"] for q in paper["qas"]],
                "answers": [{"answer": [a["answer"] for a in q["answers"]]} for q in paper["qas"]]},
    }  # fmt: skip
    datasets.Dataset.from_list([row]).to_parquet(tmp_path / "data" / "validation-0.parquet")
    return str(tmp_path / "data")


def test_original_files_give_text_questions_and_every_answer(original):
    first, second = read_qasper(original)
    assert first.question == "What do they read?"
    assert first.answers == ("papers, books", "Papers and books")
    assert second.answers == ("No", "Unanswerable")
    assert first.text.startswith("On Reading\n\nWe read.\n\nIntroduction\nWe read papers.\nAnd books.\n\n\nA paragraph")


def test_the_hubs_shape_gives_the_same_questions(original, parquet, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    assert read_qasper(parquet) == read_qasper(original)


def test_without_datasets_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(LongSightError, match="needs the package datasets, which is not installed: pip install"):
        read_qasper("hub")


def test_a_mark_and_questions_without_answers_do_no_harm(tmp_path, caplog):
    unanswered = json.loads(json.dumps(PAPER))
    unanswered["1912.1"]["qas"][0]["answers"] = []
    (tmp_path / "x.json").write_text(json.dumps(unanswered), encoding="utf-8-sig")
    assert [question.name for question in read_qasper(str(tmp_path / "x.json"))] == ["q2"]
    assert caplog.messages[0].endswith("x.json: left out 1 of 2 questions, which have no answer.")
    unanswered["1912.1"]["qas"][1]["answers"] = []
    (tmp_path / "y.json").write_text(json.dumps(unanswered))
    with pytest.raises(LongSightError, match="has 2 questions and no answers to them; give a set with answers"):
        read_qasper(str(tmp_path / "y.json"))


@pytest.mark.parametrize("text", ["[]", "not json", '{"a": {"title": 1}}'])
def test_what_is_not_qasper_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(LongSightError, match="cannot be read as Qasper .* give an original JSON file"):
        read_qasper(str(tmp_path / "x.json"))


def test_papers_are_cut_to_the_length_and_short_ones_stay_whole(model, original, tmp_path):
    whole = QA(source=original).cases(model, 900, 2, 0)
    assert all("A paragraph of no section." in model.tokenizer.decode(case.ids) for case in whole)
    assert {case.facts.id for case in whole} == {"q1", "q2"}
    longer = json.loads(json.dumps(PAPER))
    longer["1912.1"]["full_text"][0]["paragraphs"] = ["We read papers and books of all kinds. "] * 90
    (tmp_path / "long.json").write_text(json.dumps(longer))
    for case in QA(source=str(tmp_path / "long.json")).cases(model, 900, 2, 0):
        assert len(case.ids) == 900 - QA.room
        assert model.tokenizer.decode(case.ids).endswith(f"\n\n{case.facts.question}<|assistant|>")


# Made questions


def test_made_questions_have_the_length_and_their_answer_in_the_text(model):
    task = QA()
    for length in (LONG, 1001):
        for case in task.cases(model, length, 4, 2):
            text = model.tokenizer.decode(case.ids)
            assert len(case.ids) == length - task.room
            sentence, value = case.answers
            assert text.count(sentence) == 1
            assert sentence.endswith(f" is {value}.")
            asked = case.facts.question.removeprefix("What is the ").removesuffix("?")
            assert sentence.startswith(f"The {asked} is")
            assert task.score(case, sentence) == task.score(case, value) == {"f1": 1, "exact": 1}
            assert task.score(case, "I don't know.") == {"f1": 0, "exact": 0}
    assert task.cases(model, LONG, 3, 2) == task.cases(model, LONG, 3, 2)


def test_the_prompt_is_the_conversation_the_model_was_trained_on(model):
    assert model.tokenizer.decode(ask(model, "A text.", "Why?")) == "<|user|>A text.\n\nWhy?<|assistant|>"
