"""Small samples of every suite in the format that the authors publish, with invented texts."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def encrypted(text: str, password: str) -> str:
    """Encrypts a text as BrowseComp's authors do: XOR with the SHA-256 of the password, repeated."""
    data = text.encode()
    key = hashlib.sha256(password.encode()).digest()
    mask = key * (len(data) // len(key)) + key[: len(data) % len(key)]
    return base64.b64encode(bytes(a ^ b for a, b in zip(data, mask, strict=True))).decode()


HOTPOT: list[Row] = [
    {
        "_id": "5a8b57f25542995d1e6f1371",
        "question": "Were Scott Derrickson and Ed Wood of the same nationality?",
        "answer": "yes",
        "type": "comparison",
        "level": "hard",
        "supporting_facts": [["Scott Derrickson", 0], ["Ed Wood", 0], ["Ed Wood", 1]],
        "context": [
            ["Ed Wood", ["Ed Wood was an American filmmaker.", "  He made films."]],
            ["Film &amp; Co", ["Film & Co is a firm."]],
            ["Scott Derrickson", ["Scott Derrickson is an American director."]],
        ],
    },
    {
        "_id": "5a8c7595554299585d9e36b6",
        "question": "What firm made the film of Ed Wood?",
        "answer": "Film & Co",
        "type": "bridge",
        "level": "hard",
        "supporting_facts": [["Film &amp; Co", 0]],
        "context": [["Film &amp; Co", ["Film & Co is a firm."]], ["Paris", ["Paris is a city."]]],
    },
]
TWO_WIKI: list[Row] = [
    {
        "_id": "13f5ad2c088c11ebbd6fac1f6bf848b6",
        "type": "bridge_comparison",
        "question": "Are the directors of both films from the same country?",
        "context": [
            ["Coolie No. 1", ["Coolie No. 1 is a film.", "It was made by David Dhawan."]],
            ["The Sensational Trial", ["A silent film."]],
        ],
        "entity_ids": "Q1_Q2_Q3_Q4",
        "supporting_facts": [["Coolie No. 1", 1], ["The Sensational Trial", 0]],
        "evidences": [["Coolie No. 1", "director", "David Dhawan"]],
        "answer": "United States",
        "evidences_id": [],
        "answer_id": "Q30",
    },
    {
        "_id": "f44939100bda11eba7f7acde48001122",
        "type": "compositional",
        "question": "When did the director die?",
        "context": [["The Trial", ["A film."]]],
        "entity_ids": "Q5",
        "supporting_facts": [["The Trial", 0]],
        "evidences": [],
        "answer": "7 June 1962",
        "evidences_id": [],
        "answer_id": "",
    },
]
ALIASES = [
    {"Q_id": "Q30", "aliases": ["USA", "America", "USA"], "demonyms": ["American"]},
    {"Q_id": "Q31", "aliases": [], "demonyms": []},
]
MUSIQUE: list[Row] = [
    {
        "id": "2hop__482757_12019",
        "paragraphs": [
            {
                "idx": 0,
                "title": "Lyon County",
                "paragraph_text": "Lyon County is in the state.",
                "is_supporting": True,
            },
            {"idx": 1, "title": "Lyon", "paragraph_text": "Lyon is a city.", "is_supporting": False},
            {
                "idx": 2,
                "title": "Millsville",
                "paragraph_text": "Millsville is in Lyon County.",
                "is_supporting": True,
            },
        ],
        "question": "When did the county of Millsville begin?",
        "question_decomposition": [
            {
                "id": 1,
                "question": "Millsville >> county",
                "answer": "Lyon County",
                "paragraph_support_idx": 2,
            },
            {"id": 2, "question": "When did #1 begin?", "answer": "1848", "paragraph_support_idx": 0},
        ],
        "answer": "December 14, 1848",
        "answer_aliases": ["1848", "December 14, 1848"],
        "answerable": True,
    }
]
UNANSWERABLE: Row = {**MUSIQUE[0], "answerable": False, "answer": "", "answer_aliases": []}
BAMBOOGLE: list[Row] = [
    {"Question": "Who was president in the year that Citibank was founded?", "Answer": "james madison"},
    {"Question": "What rocket, by name, was it?", "Answer": "Titan IIIE"},
]
FANOUT: list[Row] = [
    {
        "id": "00065f204bddb94d",
        "question": "What are the years of birth of the authors?",
        "decomposition": [
            {
                "id": "a",
                "question": "What are the books?",
                "decomposition": [],
                "answer": ["A", "B"],
                "depends_on": [],
                "evidence": {
                    "pageid": 1,
                    "revid": 2,
                    "title": "List of best-selling books",
                    "url": "https://en.wikipedia.org/wiki/X",
                },
            },
            {
                "id": "b",
                "question": "Born when?",
                "decomposition": [
                    {
                        "id": "c",
                        "question": "?",
                        "decomposition": [],
                        "answer": "1890",
                        "depends_on": ["a"],
                        "evidence": {"pageid": 3, "revid": 4, "title": "Agatha Christie", "url": "u"},
                    }
                ],
                "answer": "1890",
                "depends_on": ["a"],
                "evidence": None,
            },
        ],
        "answer": {"Agatha Christie": "1890", "J. K. Rowling": 1965},
        "categories": ["Literature"],
    },
    {
        "id": "01",
        "question": "Which senators?",
        "decomposition": [],
        "answer": ["Patty Murray", "Ron Wyden", "Ron Wyden"],
        "categories": [],
    },
    {"id": "02", "question": "How many?", "decomposition": [], "answer": 40, "categories": []},
    {"id": "03", "question": "Is it so?", "decomposition": [], "answer": True, "categories": []},
    {"id": "04", "question": "How long?", "decomposition": [], "answer": 49.5, "categories": []},
]
FRESH_COLUMNS = [
    "id",
    "split",
    "question",
    "effective_year",
    "next_review",
    "false_premise",
    "num_hops",
    "fact_type",
    "source",
]
FRESH_COLUMNS += [f"answer_{number}" for number in range(10)] + ["note"]
FRESH: list[Row] = [
    {
        "id": "0",
        "split": "TEST",
        "question": "What is the name of the first animal to land on the moon?",
        "false_premise": "TRUE",
        "fact_type": "slow-changing",
        "source": "https://en.wikipedia.org/wiki/Animals_in_space#:~:text=Two%20tortoises%20and,to\n"
        "https://example.org/x\n"
        "https://en.m.wikipedia.org/wiki/Pel%C3%A9",
        "answer_0": "No animal has ever landed on the moon yet.",
        "answer_1": " None, so far. ",
    },
    {
        "id": "1",
        "split": "DEV",
        "question": "Who is it?",
        "false_premise": "FALSE",
        "fact_type": "fast-changing",
        "answer_0": "X",
    },
    {
        "id": "12",
        "split": "TEST",
        "question": 'Who said "hello, world"?',
        "false_premise": "FALSE",
        "fact_type": "never-changing",
        "answer_0": "Kernighan",
        "answer_3": "Kernighan",
    },
]
FRAMES: list[Row] = [
    {
        "Unnamed: 0": "0",
        "Prompt": "If my future wife has the same first name, what is her name? ",
        "Answer": "Jane Ballou",
        "wikipedia_link_1": "https://en.wikipedia.org/wiki/James_Buchanan",
        "wikipedia_link_2": "https://en.wikipedia.org/wiki/Istiklal_Mosque,_Sarajevo#History",
        "reasoning_types": "Multiple constraints",
        "wiki_links": "['https://en.wikipedia.org/wiki/James_Buchanan', "
        '"https://en.wikipedia.org/wiki/Ballon_d\'Or", '
        "'https://en.wikipedia.org/wiki/James_Buchanan#Life']",
    },
    {
        "Unnamed: 0": "1",
        "Prompt": "Which\tone\nis it?",
        "Answer": "37th",
        "wikipedia_link_1": "https://en.wikipedia.org/wiki/James_Buchanan",
        "wikipedia_link_11+": "https://en.wikipedia.org/wiki/Moss, "
        "https://en.wikipedia.org/wiki/Cattle (the table)",
        "reasoning_types": "Tabular reasoning",
        "wiki_links": "",
    },
]
FRAMES_COLUMNS = [
    "Unnamed: 0",
    "Prompt",
    "Answer",
    *(f"wikipedia_link_{n}" for n in range(1, 11)),
    "wikipedia_link_11+",
    "reasoning_types",
    "wiki_links",
]


NQ: list[Row] = [
    {"question": "who sings the song of the sea", "answer": ["Ann Lee", "Lee"]},
    {"question": "when was the tower built", "answer": ["1889"]},
]
TRIVIA: list[Row] = [
    {
        "question": "Which city has the tower?",
        "question_id": "tc_1",
        "question_source": "http://www.example.org/",
        "entity_pages": {"doc_source": ["TagMe"], "title": ["Eiffel  Tower"]},
        "answer": {"value": "Paris", "aliases": ["Paris", "City of Light"], "type": "WikipediaEntity"},
    },
    {
        "question": "Which planet is red?",
        "question_id": "tc_2",
        "entity_pages": {"title": []},
        "answer": {"value": "Mars", "aliases": []},
    },
]
TRIVIA_OFFICIAL: dict[str, Any] = {
    "Domain": "Web",
    "Data": [
        {
            "Question": "Which city has the tower?",
            "QuestionId": "tc_1",
            "EntityPages": [{"Filename": "Eiffel.txt", "Title": "Eiffel Tower"}],
            "Answer": {
                "Value": "Paris",
                "Aliases": ["Paris"],
                "HumanAnswers": ["paris, France"],
                "Type": "F",
            },
        }
    ],
}
POPQA: list[Row] = [
    {
        "id": number,
        "subj": "Ann Lee",
        "prop": "occupation",
        "obj": "politician",
        "s_wiki_title": "Ann Lee",
        "s_pop": 142,
        "question": "What is Ann Lee's occupation?",
        "possible_answers": '["politician", "political leader"]',
    }
    for number in (4222362, 4222363)
]
SIMPLEQA: list[Row] = [
    {
        "metadata": "{'topic': 'Art', 'answer_type': 'Person', 'urls': "
        "['https://en.wikipedia.org/wiki/Ann_Lee', 'https://example.org']}",
        "problem": "Who painted the sea in 1889?",
        "answer": "Ann Lee",
    },
    {"metadata": "{broken", "problem": "Who painted the moon?", "answer": "Bo Lee"},
]
CANARY = "BENCHMARK DATA SHOULD NOT BE SPREAD. canary 0"
BROWSECOMP: list[Row] = [
    {
        "problem": encrypted(text, CANARY),
        "answer": encrypted(gold, CANARY),
        "problem_topic": "Art",
        "canary": CANARY,
    }
    for text, gold in (
        ("Who is it whose whole name has many more letters than thirty-two, é?", "Ann Lee"),
        ("What?", "42"),
    )
]
GAIA: list[Row] = [
    {
        "task_id": f"c61d22de-{number}",
        "Question": "How many albums did Ann Lee publish?",
        "Level": 1,
        "Final answer": "3",
        "file_name": "",
        "Annotator Metadata": {"Steps": "1. Search"},
    }
    for number in range(2)
]


def hub_hotpot(row: Row) -> Row:
    """Returns a HotpotQA or 2Wiki row in the hub's form: objects of lists for lists of pairs, `id` for
    `_id`."""
    facts, context = row["supporting_facts"], row["context"]
    values = {
        name: value for name, value in row.items() if name not in ("_id", "supporting_facts", "context")
    }
    return {
        "id": row["_id"],
        **values,
        "supporting_facts": {
            "title": [title for title, _ in facts],
            "sent_id": [sentence for _, sentence in facts],
        },
        "context": {
            "title": [title for title, _ in context],
            "sentences": [sentences for _, sentences in context],
        },
    }


def sheet(
    rows: Sequence[Row],
    columns: Sequence[str],
    delimiter: str = ",",
    above: str = "",
    names: Sequence[str] | None = None,
) -> str:
    """Returns rows as CSV or TSV, with lines `above` the header; `names` replace the columns' names."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(names or columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return above + stream.getvalue()


def write(path: Path, text: str) -> str:
    """Writes a text file without converting line ends; returns its path."""
    path.write_bytes(text.encode())
    return str(path)


def write_lines(path: Path, rows: Sequence[Any]) -> str:
    return write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_list(path: Path, rows: Sequence[Any]) -> str:
    return write(path, json.dumps(rows, ensure_ascii=False))
