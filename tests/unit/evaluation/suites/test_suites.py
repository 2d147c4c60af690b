"""Suites read from published files in each container, from the hub, and from files in our format."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import json
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import suites_samples as samples
from kit.places import SHARED_DATA

from masksearch.errors import DataError, MissingExtraError, UsageError
from masksearch.evaluation.suites import SUITES, load_questions
from masksearch.evaluation.suites.containers import read_file
from masksearch.evaluation.suites.registry import registered, suite_of
from masksearch.evaluation.suites.wikilinks import find_addresses, wikipedia_titles
from masksearch.runtime.records import read_records
from masksearch.types import Question

REAL = SHARED_DATA
needs_real = pytest.mark.skipif(not REAL.exists(), reason="the evaluation data is missing")
TITLES = ("Scott Derrickson", "Ed Wood")
PREAMBLE = "Warning: Please do not click,,,\r\n,,,\r\n"


def fresh(rows: Iterable[samples.Row] = samples.FRESH, above: str = PREAMBLE) -> str:
    return samples.sheet(list(rows), samples.FRESH_COLUMNS, above=above)


def frames(rows: Iterable[samples.Row] = samples.FRAMES) -> str:
    return samples.sheet(list(rows), samples.FRAMES_COLUMNS, "\t", names=["", *samples.FRAMES_COLUMNS[1:]])


def real(suite: str) -> Iterator[dict[str, Any]]:
    with gzip.open(REAL / suite / "questions.jsonl.gz", "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


# Registry


def test_the_registry_names_every_suite() -> None:
    assert list(SUITES) == [
        "hotpotqa",
        "2wikimultihopqa",
        "musique",
        "bamboogle",
        "fanoutqa",
        "freshqa",
        "frames",
        "nq-open",
        "triviaqa",
        "popqa",
        "simpleqa",
        "browsecomp",
        "gaia",
        "ramp",
    ]
    with_corpus = {name for name, suite in SUITES.items() if suite.corpus == "in the release"}
    assert with_corpus == {"hotpotqa", "2wikimultihopqa", "musique"}
    assert {suite.scoring for suite in SUITES.values()} == {"exact", "list", "false-premise"}
    dates = [release.date for release in SUITES["freshqa"].releases]
    assert dates == sorted(dates)
    with pytest.raises(dataclasses.FrozenInstanceError):
        SUITES["ramp"].name = "other"  # type: ignore[misc]


# The authors' files


def test_hotpotqa(tmp_path: Path) -> None:
    name, questions = load_questions(samples.write_list(tmp_path / "dev.json", samples.HOTPOT))
    assert name == "hotpotqa"
    assert questions[0] == Question(
        id="5a8b57f25542995d1e6f1371",
        question="Were Scott Derrickson and Ed Wood of the same nationality?",
        answers=("yes",),
        type="comparison",
        supporting_titles=TITLES,
    )
    assert questions[1].supporting_titles == ("Film & Co",)  # the entity decoded


def test_2wiki_with_and_without_the_aliases_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = samples.write_list(tmp_path / "dev.json", samples.TWO_WIKI)
    name, questions = load_questions(path)
    assert (name, [question.answers for question in questions]) == (
        "2wikimultihopqa",
        [("United States",), ("7 June 1962",)],
    )
    assert "the file id_aliases.json is missing next to it" in capsys.readouterr().err
    samples.write_lines(tmp_path / "id_aliases.json", samples.ALIASES)
    _, questions = load_questions(path)
    assert [question.answers for question in questions] == [
        ("United States", "USA", "America", "American"),
        ("7 June 1962",),
    ]
    assert capsys.readouterr().err == ""
    assert (questions[0].type, questions[0].supporting_titles) == (
        "bridge_comparison",
        ("Coolie No. 1", "The Sensational Trial"),
    )


def test_2wiki_aliases_may_be_packed_and_the_first_question_without_any(tmp_path: Path) -> None:
    path = samples.write_list(tmp_path / "dev.json", samples.TWO_WIKI[::-1])
    (tmp_path / "id_aliases.json.gz").write_bytes(
        gzip.compress("".join(json.dumps(row) + "\n" for row in samples.ALIASES).encode())
    )
    assert load_questions(path)[1][1].answers[1] == "USA"


def test_musique_counts_what_cannot_be_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Both rows have the same id.
    path = samples.write_lines(
        tmp_path / "musique_full_v1.0_dev.jsonl", [samples.UNANSWERABLE, *samples.MUSIQUE]
    )
    name, (question,) = load_questions(path)
    assert name == "musique"
    assert (question.id, question.type, question.answers) == (
        "2hop__482757_12019",
        "2hop",
        ("December 14, 1848", "1848"),
    )
    assert question.supporting_titles == ("Millsville", "Lyon County")  # in the order of the hops
    assert capsys.readouterr().err == f"{path}: left out 1 question not answerable from its paragraphs.\n"


def test_bamboogle(tmp_path: Path) -> None:
    path = samples.write(
        tmp_path / "bamboogle.csv", "\ufeff" + samples.sheet(samples.BAMBOOGLE, ["Question", "Answer"])
    )
    name, questions = load_questions(path)
    assert name == "bamboogle"
    assert [question.id for question in questions] == ["bamboogle-000", "bamboogle-001"]
    assert (questions[1].question, questions[1].answers, questions[1].type) == (
        "What rocket, by name, was it?",
        ("Titan IIIE",),
        "2hop",
    )


def test_a_sheet_of_questions_is_bamboogle_only_by_its_name_or_its_questions(tmp_path: Path) -> None:
    columns = ["Question", "Answer"]
    trivia = [{"Question": "Who wrote Emma?", "Answer": "Jane Austen"}]
    other = samples.write(tmp_path / "trivia.csv", samples.sheet(trivia, columns))
    name, questions = load_questions(other)
    assert (name, questions) == (
        "trivia",
        [Question(id="row-00000", question="Who wrote Emma?", answers=("Jane Austen",))],
    )
    assert load_questions(other, "Bamboogle")[0] == "bamboogle"
    asked = "When did the war that Neil Armstrong served in end?"
    known = samples.sheet([{"Question": asked, "Answer": "July 27, 1953"}], columns)
    assert load_questions(samples.write(tmp_path / "dev.csv", known))[0] == "bamboogle"


def test_suites_are_known_by_more_than_the_fields_they_need(tmp_path: Path) -> None:
    prompts = samples.sheet([{"Prompt": "Who wrote Emma?", "Answer": "Jane Austen"}], ["Prompt", "Answer"])
    path = samples.write(tmp_path / "prompts.csv", prompts)
    assert load_questions(path)[0] == "prompts"
    assert load_questions(path, "frames")[0] == "frames"
    for row in (
        {"id": "1", "question": "?", "context": "One text.", "answer": "a"},  # SQuAD's layout
        {"id": "1", "question": "?", "context": ["One text."], "type": "x", "answer": "a"},
        {"id": "1", "question": "?", "paragraphs": ["One text."], "answer": "a"},
        {"id": "1", "question": "?", "categories": ["art"], "answer": "a"},
    ):
        name, questions = load_questions(samples.write_list(tmp_path / "a.json", [row]))
        assert (name, questions[0].id, questions[0].answers) == ("a", "1", ("a",))


@pytest.mark.parametrize("spelled", ["hotpotqa", "HotpotQA", "HOTPOTQA", "Hotpot QA", "hotpot-qa"])
def test_names_of_suites_are_compared_without_case(tmp_path: Path, spelled: str) -> None:
    path = samples.write_list(tmp_path / "dev.json", samples.HOTPOT)
    assert registered(spelled) == "hotpotqa"
    assert load_questions(path, spelled)[0] == "hotpotqa"
    assert suite_of(f"{spelled}@train") == ("hotpotqa", "train")


def test_a_file_named_like_a_suite_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    samples.write_list(tmp_path / "HotpotQA", samples.HOTPOT)
    assert suite_of("HotpotQA") == ("", "")
    assert len(load_questions("HotpotQA")[1]) == len(samples.HOTPOT)


def test_fanoutqa(tmp_path: Path) -> None:
    name, questions = load_questions(samples.write_list(tmp_path / "fanout-final-dev.json", samples.FANOUT))
    assert name == "fanoutqa"
    table, texts, number, truth, decimal = questions
    assert table.answers == ("Agatha Christie: 1890; J. K. Rowling: 1965",)
    assert table.parts == (("Agatha Christie",), ("1890",), ("J. K. Rowling",), ("1965",))
    assert table.supporting_titles == ("List of best-selling books", "Agatha Christie")
    assert (texts.answers, texts.parts) == (
        ("Patty Murray, Ron Wyden, Ron Wyden",),
        (("Patty Murray",), ("Ron Wyden",), ("Ron Wyden",)),
    )
    assert (number.answers, number.parts, truth.answers, decimal.answers) == (
        ("40",),
        (("40",),),
        ("yes",),
        ("49.5",),
    )
    assert [question.type for question in questions] == ["dict", "list", "int", "bool", "float"]


def test_freshqa(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Exported sheets end with blank lines.
    name, questions = load_questions(samples.write(tmp_path / "freshqa.csv", fresh() + ",,,\r\n" * 2))
    assert name == "freshqa"
    assert questions[0] == Question(
        id="freshqa-q000",
        question="What is the name of the first animal to land on the moon?",
        answers=("No animal has ever landed on the moon yet.", "None, so far."),
        type="slow-changing",
        supporting_titles=("Animals in space", "Pelé"),
        false_premise=True,
    )
    assert (questions[1].id, questions[1].question, questions[1].answers, questions[1].false_premise) == (
        "freshqa-q012",
        'Who said "hello, world"?',
        ("Kernighan",),
        False,
    )
    assert "left out 1 question of FreshQA's DEV split" in capsys.readouterr().err
    assert load_questions(samples.write(tmp_path / "bare.csv", fresh(above="")))[1] == questions


def test_frames(tmp_path: Path) -> None:
    name, questions = load_questions(samples.write(tmp_path / "test.tsv", frames()))
    assert name == "frames"
    assert questions[0].question == "If my future wife has the same first name, what is her name?"
    assert (questions[0].id, questions[0].answers, questions[0].type) == (
        "frames-000",
        ("Jane Ballou",),
        "Multiple constraints",
    )
    assert questions[0].supporting_titles == ("James Buchanan", "Ballon d'Or")
    assert questions[1].question == "Which\tone\nis it?"
    assert questions[1].supporting_titles == ("James Buchanan", "Moss", "Cattle")


# Containers


@pytest.mark.parametrize("pack", ["", ".gz", ".bz2", ".zst"])
@pytest.mark.parametrize(
    ("suite", "rows"),
    [
        ("hotpotqa", samples.HOTPOT),
        ("2wikimultihopqa", samples.TWO_WIKI),
        ("musique", samples.MUSIQUE),
        ("bamboogle", samples.BAMBOOGLE),
        ("fanoutqa", samples.FANOUT),
        ("freshqa", samples.FRESH),
        ("frames", samples.FRAMES),
    ],
)
def test_a_list_and_lines_say_the_same_packed_or_not(
    tmp_path: Path, suite: str, rows: list[samples.Row], pack: str
) -> None:
    zstd = pytest.importorskip("backports.zstd") if pack == ".zst" and sys.version_info < (3, 14) else None
    squeeze = {
        "": bytes,
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".zst": zstd.compress if zstd else bytes,
    }[pack]
    texts = [json.dumps(rows, indent=2), "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)]
    found = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.json{pack}"
        path.write_bytes(squeeze(text.encode()))
        found.append(load_questions(str(path), suite))
    assert found[0] == found[1]
    assert found[0][0] == suite


def test_parquet_of_the_hub_with_its_objects_of_lists(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "validation-00000-of-00001.parquet"
    parquet.write_table(arrow.Table.from_pylist([samples.hub_hotpot(row) for row in samples.HOTPOT]), path)
    assert load_questions(str(path)) == load_questions(
        samples.write_list(tmp_path / "dev.json", samples.HOTPOT)
    )
    packed = tmp_path / "validation.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert load_questions(str(packed)) == load_questions(str(path))
    parquet.write_table(arrow.Table.from_pylist(samples.MUSIQUE), path)
    assert load_questions(str(path)) == load_questions(
        samples.write_lines(tmp_path / "m.jsonl", samples.MUSIQUE)
    )


def test_structures_written_as_json_in_a_string(tmp_path: Path) -> None:
    rows = [
        {
            **row,
            "context": json.dumps(row["context"]),
            "supporting_facts": json.dumps(row["supporting_facts"]),
        }
        for row in samples.TWO_WIKI
    ]
    assert load_questions(samples.write_lines(tmp_path / "a.jsonl", rows)) == load_questions(
        samples.write_list(tmp_path / "b.json", samples.TWO_WIKI)
    )


# The hub


class Hub:
    """A fake of `datasets` that yields rows like a streamed data set and records its arguments."""

    def __init__(self, rows: list[samples.Row], fails_after: int | None = None) -> None:
        self.rows, self.fails_after = rows, fails_after
        self.asked: tuple[Any, ...] = ()

    def load_dataset(
        self, name: str, config: str | None = None, *, split: str, streaming: bool
    ) -> Iterator[samples.Row]:
        self.asked = (name, config, split, streaming)
        if self.fails_after is None and not self.rows:
            raise ConnectionError("Couldn't reach the hub.\nmore")
        return self._rows()

    def _rows(self) -> Iterator[samples.Row]:
        for number, row in enumerate(self.rows):
            if number == self.fails_after:
                raise OSError("broke off")
            yield row


def plug(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> Hub:
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=hub.load_dataset))
    return hub


@pytest.mark.parametrize(
    ("source", "rows", "asked"),
    [
        (
            "hotpotqa",
            [samples.hub_hotpot(row) for row in samples.HOTPOT],
            ("hotpotqa/hotpot_qa", "distractor", "validation", True),
        ),
        (
            "hotpotqa@train",
            [samples.hub_hotpot(row) for row in samples.HOTPOT],
            ("hotpotqa/hotpot_qa", "distractor", "train", True),
        ),
        (
            "2wikimultihopqa",
            [samples.hub_hotpot(row) for row in samples.TWO_WIKI],
            ("framolfese/2WikiMultihopQA", None, "validation", True),
        ),
        ("musique", samples.MUSIQUE, ("dgslibisey/MuSiQue", None, "validation", True)),
        ("bamboogle", samples.BAMBOOGLE, ("chiayewken/bamboogle", None, "test", True)),
        (
            "frames",
            [
                {**row, "Unnamed: 0": int(row["Unnamed: 0"]), "wikipedia_link_3": None}
                for row in samples.FRAMES
            ],
            ("google/frames-benchmark", None, "test", True),
        ),
    ],
)
def test_a_suite_by_name_comes_from_the_hub(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    source: str,
    rows: list[samples.Row],
    asked: tuple[Any, ...],
) -> None:
    hub = plug(monkeypatch, Hub(rows))
    name, questions = load_questions(source)
    assert hub.asked == asked
    assert (name, questions) == load_questions(samples.write_list(tmp_path / "same.json", rows), name)
    assert load_questions(source, name)[1] == questions


def test_the_hubs_copy_of_2wiki_may_look_like_hotpotqa(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**samples.hub_hotpot(samples.HOTPOT[0]), "level": "medium"}]
    plug(monkeypatch, Hub(rows))
    assert load_questions("2wikimultihopqa")[0] == "2wikimultihopqa"


def test_another_copy_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = plug(monkeypatch, Hub(samples.MUSIQUE))
    assert load_questions("hf:bdsaglam/musique:answerable@train")[0] == "musique"
    assert hub.asked == ("bdsaglam/musique", "answerable", "train", True)
    with pytest.raises(UsageError, match="hf:OWNER/NAME"):
        load_questions("hf:a:b:c")


def test_what_the_hub_fails_at(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, Hub([]))
    with pytest.raises(
        DataError,
        match=r"hf:chiayewken/bamboogle@test could not be read: Couldn't reach the hub; "
        r"check its name .* or a file",
    ):
        load_questions("bamboogle")
    plug(monkeypatch, Hub(samples.BAMBOOGLE, fails_after=1))
    with pytest.raises(DataError, match="could not be read after row 1: broke off"):
        load_questions("bamboogle")
    plug(monkeypatch, Hub([{"Question": "?", "Answer": "a"}, {"Question": "?", "Answer": None}]))
    with pytest.raises(DataError, match="hf:chiayewken/bamboogle@test, row 2 lacks the field 'Answer'"):
        load_questions("bamboogle")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"masksearch\[readers\]"):
        load_questions("bamboogle")


def test_the_library_itself_on_a_local_folder(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    samples.write_lines(tmp_path / "validation.jsonl", samples.MUSIQUE)
    assert load_questions(f"hf:{tmp_path}@validation") == load_questions(str(tmp_path / "validation.jsonl"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fanoutqa", "fanout-final-dev.json.* from https://github.com/zhudotexe"),
        ("freshqa", r"latest one known here is of 20\d\d"),
        ("ramp", "masksearch mask"),
    ],
)
def test_suites_that_are_not_on_the_hub_name_the_remedy(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_questions(name)


# Files in our format


def test_our_own_questions_keep_their_fields(tmp_path: Path) -> None:
    question = Question(
        id="a",
        question="Who?",
        answers=("x", "y"),
        type="t",
        supporting_passages=("p-1",),
        parts=(("x", "z"),),
        false_premise=True,
    )
    path = samples.write_lines(tmp_path / "mine.jsonl", [question.to_json()])
    assert load_questions(path) == ("mine", [question])
    assert load_questions(path, "freshqa") == ("freshqa", [question])
    (tmp_path / "musique").mkdir()
    assert (
        load_questions(samples.write_lines(tmp_path / "musique" / "questions.jsonl", [question.to_json()]))[0]
        == "musique"
    )
    assert load_questions(samples.write_lines(tmp_path / "frames.jsonl", [question.to_json()]))[0] == "frames"


def test_a_folder_of_our_shards(tmp_path: Path) -> None:
    for name in "ab":
        samples.write_lines(tmp_path / f"{name}.jsonl", [{"id": name, "question": "Who?", "answers": ["x"]}])
    assert [question.id for question in load_questions(str(tmp_path))[1]] == ["a", "b"]


@given(
    st.lists(
        st.builds(
            Question,
            id=st.uuids().map(str),
            question=st.text(st.characters(blacklist_categories=("Cs",)), min_size=1).filter(str.strip),
            answers=st.lists(
                st.text(st.characters(blacklist_categories=("Cs",)), min_size=1).filter(str.strip),
                min_size=1,
                max_size=3,
            ).map(tuple),
            parts=st.lists(
                st.lists(
                    st.text(st.characters(blacklist_categories=("Cs",)), max_size=5), min_size=1, max_size=2
                ).map(tuple),
                max_size=2,
            ).map(tuple),
            false_premise=st.booleans(),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_our_own_questions_round_trip(
    tmp_path_factory: pytest.TempPathFactory, questions: list[Question]
) -> None:
    path = tmp_path_factory.mktemp("own") / "q.jsonl"
    assert (
        load_questions(samples.write_lines(path, [question.to_json() for question in questions]))[1]
        == questions
    )


# Properties of the published formats

WORDS = st.from_regex(r"[A-Za-z\"',;\t\n|é漢 -]{0,8}[A-Za-z]", fullmatch=True)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_sheets_round_trip(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("sheets")
    rows = [{"Question": asked, "Answer": answer, "Prompt": asked} for asked, answer in pairs]
    wanted = [(asked.strip(), (answer.strip(),)) for asked, answer in pairs]
    for columns, delimiter in (
        (["Question", "Answer"], ","),
        (["Prompt", "Answer"], "\t"),
        (["Prompt", "Answer"], ","),
    ):
        _, questions = load_questions(
            samples.write(folder / "a.txt", samples.sheet(rows, columns, delimiter))
        )
        assert [(question.question, question.answers) for question in questions] == wanted


@given(
    st.lists(
        st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=10), st.booleans()), min_size=1, max_size=4
    ),
    st.integers(0, 5),
)
@pytest.mark.slow
def test_freshqa_round_trips_below_any_remarks(
    tmp_path_factory: pytest.TempPathFactory, facts: list[tuple[str, list[str], bool]], remarks: int
) -> None:
    rows = [
        {
            "id": str(number),
            "split": "TEST",
            "question": asked,
            "false_premise": str(false).upper(),
            **{f"answer_{place}": text for place, text in enumerate(answers)},
        }
        for number, (asked, answers, false) in enumerate(facts)
    ]
    path = tmp_path_factory.mktemp("fresh") / "sheet.csv"
    _, questions = load_questions(
        samples.write(path, fresh(rows, above='"A remark, quoted",,\r\n' * remarks))
    )
    assert [(question.question, question.false_premise) for question in questions] == [
        (asked.strip(), false) for asked, _, false in facts
    ]
    assert [question.answers for question in questions] == [
        tuple(dict.fromkeys(map(str.strip, answers))) for _, answers, _ in facts
    ]


LEAVES = st.one_of(WORDS, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))


@given(
    st.one_of(
        LEAVES,
        st.lists(LEAVES, min_size=1, max_size=4),
        st.dictionaries(WORDS, LEAVES, min_size=1, max_size=4),
    )
)
def test_fanoutqa_parts_are_all_in_the_joined_answer(
    tmp_path_factory: pytest.TempPathFactory, answer: Any
) -> None:
    row = {"id": "a", "question": "Which?", "answer": answer, "categories": [], "decomposition": []}
    _, (question,) = load_questions(samples.write_list(tmp_path_factory.mktemp("fanout") / "dev.json", [row]))
    count = 2 * len(answer) if isinstance(answer, dict) else len(answer) if isinstance(answer, list) else 1
    assert len(question.parts) == count
    assert all(part in question.answers[0] for (part,) in question.parts)


PARAGRAPHS = st.dictionaries(
    st.from_regex(r"[A-Z][a-z]{1,6}", fullmatch=True),
    st.lists(WORDS, min_size=1, max_size=3),
    min_size=1,
    max_size=5,
)


@given(PARAGRAPHS, WORDS, st.data())
@pytest.mark.slow
def test_multi_hop_rows_read_alike_in_each_shape(
    tmp_path_factory: pytest.TempPathFactory, texts: dict[str, list[str]], asked: str, data: st.DataObject
) -> None:
    gold = data.draw(st.lists(st.sampled_from(sorted(texts)), min_size=1, max_size=3))
    row = {
        "_id": "a",
        "question": asked,
        "answer": "x",
        "type": "bridge",
        "level": "hard",
        "supporting_facts": [[title, 0] for title in gold],
        "context": [[title, sentences] for title, sentences in texts.items()],
    }
    folder = tmp_path_factory.mktemp("hops")
    plain = load_questions(samples.write_list(folder / "a.json", [row]))
    assert plain == load_questions(samples.write_lines(folder / "b.jsonl", [samples.hub_hotpot(row)]))
    assert plain[1][0].supporting_titles == tuple(dict.fromkeys(gold))


# Titles


@pytest.mark.parametrize(
    ("address", "titles"),
    [
        ("https://en.wikipedia.org/wiki/Pel%C3%A9#Death", ("Pelé",)),
        ("http://en.m.wikipedia.org/wiki/James_A._Garfield?action=raw", ("James A. Garfield",)),
        ("https://en.wikipedia.org/w/index.php?title=Moss_%28plant%29&oldid=1", ("Moss (plant)",)),
        ("https://en.wikipedia.org/w/index.php?search=x&title=Special:Search", ()),
        ("https://de.wikipedia.org/wiki/Moos", ()),
        ("https://example.org/wiki/Moss", ()),
        ("", ()),
    ],
)
def test_titles(address: str, titles: tuple[str, ...]) -> None:
    assert wikipedia_titles([address]) == titles


def test_addresses_in_a_cell() -> None:
    assert find_addresses("see https://a.org/x,_y, https://b.org/(z) (part)\nhttps://c.org") == [
        "https://a.org/x,_y",
        "https://b.org/(z)",
        "https://c.org",
    ]


# Real questions


@needs_real
@pytest.mark.parametrize(
    "suite", ["hotpotqa", "2wikimultihopqa", "musique", "freshqa", "bamboogle", "frames"]
)
def test_real_files_of_ours_read_as_before(suite: str) -> None:
    path = REAL / suite / "questions.jsonl.gz"
    assert load_questions(str(path)) == (suite, read_records(path, Question))


@needs_real
def test_real_fanoutqa_gets_its_parts() -> None:
    name, questions = load_questions(str(REAL / "fanoutqa" / "questions.jsonl.gz"))
    assert name == "fanoutqa"
    for question, row in zip(questions, real("fanoutqa"), strict=True):
        assert question.parts == tuple((part,) for part in row["answer_parts"])


@needs_real
def test_real_fanoutqa_as_published(tmp_path: Path) -> None:
    rows = [
        {
            "id": row["id"],
            "question": row["question"],
            "answer": row["answer_raw"],
            "categories": row["categories"],
            "decomposition": [
                {
                    "question": step["question"],
                    "evidence": {"title": step["title"]} if step["title"] else None,
                    "decomposition": [],
                }
                for step in row["decomposition"]
            ],
        }
        for row in real("fanoutqa")
    ]
    _, questions = load_questions(samples.write_list(tmp_path / "dev.json", rows))
    for question, row in zip(questions, real("fanoutqa"), strict=True):
        assert (list(question.answers), question.type) == (row["answers"], row["type"])
        assert list(question.supporting_titles) == row["supporting_titles"]


@needs_real
def test_real_frames_as_published(tmp_path: Path) -> None:
    rows = [
        {
            "Unnamed: 0": int(row["id"].partition("-")[2]),
            "Prompt": row["question"],
            "Answer": row["answers"][0],
            "reasoning_types": row["type"],
            "wiki_links": str(row["source_urls"]),
        }
        for row in real("frames")
    ]
    _, questions = load_questions(samples.write(tmp_path / "test.tsv", frames(rows)))
    for question, row in zip(questions, real("frames"), strict=True):
        assert (question.id, question.question, list(question.answers), question.type) == (
            row["id"],
            row["question"].strip(),
            row["answers"],
            row["type"],
        )
        # We split entries with several addresses, which the prepared file does not.
        if not any("," in address and " " in address for address in row["source_urls"]):
            assert list(question.supporting_titles) == row["supporting_titles"]


@needs_real
def test_real_freshqa_as_published(tmp_path: Path) -> None:
    wanted = [row for row in real("freshqa") if row["source_split"] == "TEST"]
    rows = [
        {
            "id": str(int(row["id"].partition("-q")[2])),
            "split": row["source_split"],
            "question": row["question"],
            "false_premise": str(row["false_premise"]).upper(),
            "fact_type": row["type"],
            "source": "\n".join(row["source_urls"]),
            **{f"answer_{place}": text for place, text in enumerate(row["answers"])},
        }
        for row in real("freshqa")
    ]
    _, questions = load_questions(samples.write(tmp_path / "freshqa.csv", fresh(rows)))
    for question, row in zip(questions, wanted, strict=True):
        assert (question.id, question.question, list(question.answers)) == (
            row["id"],
            row["question"],
            row["answers"],
        )
        assert (question.false_premise, question.type) == (row["false_premise"], row["type"])
        assert set(row["supporting_titles"]) <= set(question.supporting_titles)


def test_places_are_those_of_the_file(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "a.csv", 'Question,Answer\n\n"two\nlines",a\n"b",c\n')
    assert [row.place.rpartition(", ")[2] for row in read_file(path)] == ["line 3", "line 5"]
