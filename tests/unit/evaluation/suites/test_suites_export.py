"""Suites exported in our format, and the command that exports them."""

from __future__ import annotations

import argparse
import gzip
import html
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import suites_samples as samples
from kit.places import SHARED_DATA

from masksearch.cli.suites import suites_command
from masksearch.corpus import read_documents
from masksearch.errors import FormatError, UsageError
from masksearch.evaluation.suites import SUITES, load_questions, write_suite
from masksearch.runtime.records import read_records
from masksearch.text.plain import plain
from masksearch.types import Question

REAL = SHARED_DATA


def exported(folder: Path) -> tuple[list[Question], dict[str, tuple[str, str]]]:
    """Returns the questions of a folder, and its corpus: id -> (title, text)."""
    questions = read_records(folder / "questions.jsonl", Question)
    path = folder / "corpus.jsonl"
    return questions, {
        document.id: (document.title, document.text) for document in read_documents(str(path))
    } if path.exists() else {}


def test_hotpotqa_with_its_corpus(tmp_path: Path) -> None:
    source = samples.write_list(tmp_path / "dev.json", samples.HOTPOT)
    result = write_suite(source, "", tmp_path / "out" / "hotpotqa")
    questions, corpus = exported(tmp_path / "out" / "hotpotqa")
    assert (
        result.suite,
        result.questions,
        result.passages,
        result.left_out,
        result.incomplete,
        result.empty,
    ) == ("hotpotqa", 2, 4, {}, 0, 0)
    assert sorted(corpus.values()) == [
        ("Ed Wood", "Ed Wood was an American filmmaker. He made films."),
        ("Film & Co", "Film & Co is a firm."),
        ("Paris", "Paris is a city."),
        ("Scott Derrickson", "Scott Derrickson is an American director."),
    ]
    assert [corpus[key][0] for key in questions[0].supporting_passages] == list(
        questions[0].supporting_titles
    )
    assert [
        question.model_copy(update={"supporting_passages": ()}) for question in questions
    ] == load_questions(source)[1]
    assert load_questions(str(tmp_path / "out" / "hotpotqa" / "questions.jsonl")) == ("hotpotqa", questions)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["hotpotqa"]


def test_musique_names_the_very_paragraphs_in_hop_order(tmp_path: Path) -> None:
    paragraphs = [
        *samples.MUSIQUE[0]["paragraphs"],
        {"idx": 3, "title": "Millsville", "paragraph_text": "Another part.", "is_supporting": False},
    ]
    rows = [{**samples.MUSIQUE[0], "paragraphs": paragraphs}, samples.UNANSWERABLE]
    result = write_suite(samples.write_lines(tmp_path / "m.jsonl", rows), "musique", tmp_path / "out")
    (question,), corpus = exported(tmp_path / "out")
    assert [corpus[key][1] for key in question.supporting_passages] == [
        "Millsville is in Lyon County.",
        "Lyon County is in the state.",
    ]
    assert (result.passages, result.left_out) == (4, {"not answerable from its paragraphs": 1})


def test_gold_that_came_with_another_question_and_gold_that_came_with_none(tmp_path: Path) -> None:
    rows = [
        samples.HOTPOT[0],
        # Its gold paragraph, Film & Co, is in the context of the first question.
        {**samples.HOTPOT[1], "context": [["Paris", ["Paris is a city.", ""]], ["Void", [" "]]]},
        {**samples.HOTPOT[1], "_id": "c", "supporting_facts": [["Paris", 0], ["Nowhere", 0]]},
    ]
    result = write_suite(samples.write_list(tmp_path / "dev.json", rows), "", tmp_path / "out")
    questions, corpus = exported(tmp_path / "out")
    assert [corpus[key][0] for key in questions[1].supporting_passages] == ["Film & Co"]
    assert questions[2].supporting_passages == ()  # a part of the ids would count as all of the gold
    assert (result.incomplete, result.empty) == (1, 1)


def test_a_title_of_several_paragraphs_is_no_gold_for_another_question(tmp_path: Path) -> None:
    rows = [
        {**samples.HOTPOT[0], "context": [*samples.HOTPOT[0]["context"], ["Paris", ["Another Paris."]]]},
        samples.HOTPOT[1],
        {**samples.HOTPOT[1], "_id": "c", "supporting_facts": [["Paris", 0]], "context": []},
    ]
    write_suite(samples.write_list(tmp_path / "dev.json", rows), "", tmp_path / "out")
    assert exported(tmp_path / "out")[0][2].supporting_passages == ()


@pytest.mark.parametrize(
    ("suite", "rows"),
    [
        ("bamboogle", samples.BAMBOOGLE),
        ("fanoutqa", samples.FANOUT),
        ("freshqa", samples.FRESH),
        ("frames", samples.FRAMES),
    ],
)
def test_suites_without_a_corpus_write_questions_only(
    tmp_path: Path, suite: str, rows: list[samples.Row]
) -> None:
    source = samples.write_list(tmp_path / "a.json", rows)
    result = write_suite(source, suite, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["questions.jsonl"]
    assert exported(tmp_path / "out")[0] == load_questions(source, suite)[1]
    assert result.passages == 0


def test_an_export_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    source, out = samples.write_list(tmp_path / "dev.json", samples.HOTPOT), tmp_path / "out"
    write_suite(source, "", out)
    first = (out / "corpus.jsonl").read_bytes()
    write_suite(source, "", out)
    assert (out / "corpus.jsonl").read_bytes() == first
    bad = samples.write_list(tmp_path / "bad.json", [*samples.HOTPOT, samples.HOTPOT[0]])
    with pytest.raises(FormatError, match="repeats the id"):
        write_suite(bad, "", out)
    assert (out / "corpus.jsonl").read_bytes() == first
    write_suite(samples.write_list(tmp_path / "b.json", samples.BAMBOOGLE), "", out)
    assert [path.name for path in out.iterdir()] == [
        "questions.jsonl"
    ]  # the corpus of the earlier suite is gone
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"contains other files, such as notes\.txt"):
        write_suite(source, "", out)
    with pytest.raises(UsageError, match="is a file, but this command writes a folder"):
        write_suite(source, "", source)


TEXTS = st.lists(st.from_regex(r"[a-z ]{0,6}", fullmatch=True), min_size=1, max_size=2)


@given(
    st.lists(st.dictionaries(st.sampled_from("ABCDE"), TEXTS, min_size=1), min_size=1, max_size=4), st.data()
)
@pytest.mark.slow
def test_every_passage_once_and_every_gold_id_in_the_corpus(
    tmp_path_factory: pytest.TempPathFactory, contexts: list[dict[str, list[str]]], data: st.DataObject
) -> None:
    rows = [
        {
            "_id": str(number),
            "question": "Who?",
            "answer": "x",
            "level": "easy",
            "supporting_facts": [
                [title, 0] for title in data.draw(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=2))
            ],
            "context": list(context.items()),
        }
        for number, context in enumerate(contexts)
    ]
    folder = tmp_path_factory.mktemp("export")
    result = write_suite(samples.write_list(folder / "dev.json", rows), "hotpotqa", folder / "out")
    questions = read_records(folder / "out" / "questions.jsonl", Question)
    lines = (folder / "out" / "corpus.jsonl").read_text().splitlines() if result.passages else []
    corpus = {row["id"]: row for row in map(json.loads, lines)}
    assert (
        len(corpus)
        == len(lines)
        == result.passages
        == len({(row["title"], row["text"]) for row in corpus.values()})
    )
    assert {(row["title"], row["text"]) for row in corpus.values()} == {
        (title, " ".join(" ".join(texts).split()))
        for context in contexts
        for title, texts in context.items()
        if " ".join(texts).strip()
    }
    for question in questions:
        titles = [corpus[key]["title"] for key in question.supporting_passages]
        assert not titles or sorted(set(titles)) == sorted(question.supporting_titles)


# Real questions and passages, converted back to the published format


def real(suite: str, name: str) -> list[dict[str, Any]]:
    with gzip.open(REAL / suite / f"{name}.jsonl.gz", "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def republished(suite: str, question: dict[str, Any], passages: list[dict[str, Any]]) -> samples.Row:
    asked = {"question": question["question"], "answer": question["answers"][0], "type": question["type"]}
    gold = question["supporting_passages"]
    if suite == "musique":
        paragraphs = [
            {
                "idx": number,
                "title": passage["title"],
                "paragraph_text": passage["text"],
                "is_supporting": passage["id"] in gold,
            }
            for number, passage in enumerate(passages)
        ]
        index = {passage["id"]: number for number, passage in enumerate(passages)}
        steps = [{"paragraph_support_idx": index[key]} for key in gold]
        return {
            "id": question["id"],
            **asked,
            "paragraphs": paragraphs,
            "question_decomposition": steps,
            "answer_aliases": question["answers"][1:],
        }
    facts = [[html.escape(title), 0] for title in question["supporting_titles"]]
    context = [[html.escape(passage["title"]), [passage["text"]]] for passage in passages]
    extra = {"level": question["level"]} if suite == "hotpotqa" else {"evidences": question["evidences"]}
    return {"_id": question["id"], **asked, **extra, "supporting_facts": facts, "context": context}


@pytest.mark.skipif(not REAL.exists(), reason="the evaluation data is missing")
@pytest.mark.parametrize("suite", ["hotpotqa", "2wikimultihopqa", "musique"])
def test_real_suites_as_published_come_out_as_they_went_in(tmp_path: Path, suite: str) -> None:
    wanted, corpus = real(suite, "questions"), real(suite, "corpus")
    by_id = {passage["id"]: passage for passage in corpus}
    rows = []
    for number, question in enumerate(wanted):
        passages = [*corpus[number : number + 5], *(by_id[key] for key in question["supporting_passages"])]
        rows.append(
            republished(suite, question, list({passage["id"]: passage for passage in passages}.values()))
        )
    result = write_suite(samples.write_list(tmp_path / "dev.json", rows), suite, tmp_path / "out")
    questions, passages = exported(tmp_path / "out")
    assert (result.questions, result.incomplete, result.empty) == (len(wanted), 0, 0)
    for question, row in zip(questions, wanted, strict=True):
        assert (question.id, question.question, list(question.answers), question.type) == (
            row["id"],
            row["question"].strip(),
            row["answers"],
            row["type"],
        )
        assert list(question.supporting_titles) == list(dict.fromkeys(row["supporting_titles"]))
        gold = {
            (plain(by_id[key]["title"]), plain(" ".join(by_id[key]["text"].split())))
            for key in row["supporting_passages"]
        }
        assert {passages[key] for key in question.supporting_passages} == gold


# The command


def run(
    name: str | None = None, file: str | None = None, output: str | None = None, as_json: bool = False
) -> None:
    suites_command(argparse.Namespace(name=name, file=file, output=output, json=as_json))


def test_the_table_of_suites(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == list(SUITES)
    assert "hotpotqa/hotpot_qa:distractor@validation" in lines[2]
    assert "in the release" in lines[2]
    run(as_json=True)
    entries: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [entry["citation"] for entry in entries] == [suite.citation for suite in SUITES.values()]


def test_the_command_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = samples.write_list(tmp_path / "dev.json", samples.HOTPOT)
    run("hotpotqa", source, str(tmp_path / "out"))
    assert (
        capsys.readouterr().err
        == f"{tmp_path}/out/questions.jsonl: 2 questions; {tmp_path}/out/corpus.jsonl: 4 passages\n"
    )
    assert exported(tmp_path / "out")[0][0].supporting_passages
    run("hotpotqa", source, str(tmp_path / "out"), as_json=True)
    assert json.loads(capsys.readouterr().out)["passages"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, None, "out"), "needs the name of a suite"),
        (("hotpotq", None, "out"), "There is no suite 'hotpotq'"),
        (("hotpotqa", None, None), "-o is needed"),
        (("freshqa", None, "out"), "FreshQA is not on the hub in a readable form; download its CSV"),
    ],
)
def test_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str | None, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        run(*arguments)
    assert not list(tmp_path.iterdir())
