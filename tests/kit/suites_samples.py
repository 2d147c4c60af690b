"""Small samples of every suite in the format that the authors publish, with invented texts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]

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
