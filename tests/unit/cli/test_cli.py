"""The command line: what it prints, and how it ends when it is used wrongly."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kit.waiting import wait_for

from masksearch import __version__
from masksearch.cli.main import main, sentence
from masksearch.recipe.stages import STAGES
from masksearch.text.display import printable

DOCS = [
    {
        "id": "1",
        "title": "Rome",
        "text": "Rome is the capital of Italy. It was founded in 753 BC by Romulus.",
    },
    {
        "id": "2",
        "title": "Paris",
        "text": "Paris is the capital of France. The tower was built in 1889 by Gustave Eiffel.",
    },
]
COMMAND = [sys.executable, "-m", "masksearch"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in DOCS))
    Path("r.toml").write_text(
        '[stages.index]\nkind = "index"\ncorpus = "docs.jsonl"\n'
        '[stages.mask]\nkind = "mask"\nindex = "index"\ncorpus = "docs.jsonl"\n'
    )
    Path("bad.toml").write_text('[stages.index]\nkind = "index"\nmax_wrods = 3\n')
    Path("type.toml").write_text('[stages.index]\nkind = "index"\nmax_words = "many"\n')
    Path("none.toml").write_text('[stages.index]\nkind = "index"\ncorpus = "none.jsonl"\n')
    Path("empty.jsonl").write_text("")
    Path("broken.jsonl").write_text("[1]\n")
    Path("folder").mkdir()
    Path("folder/precious").write_text("")
    return tmp_path


def fails(arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    try:
        status = main(arguments.split())
    except SystemExit as error:
        status = int(str(error.code))
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ("run nothing.toml", 2, "There is no recipe nothing.toml"),
        ("run bad.toml", 2, "did you mean 'max_words'?"),
        ("run type.toml", 2, "'stages.index.max_words' has a wrong value ('many')"),
        ("run none.toml", 2, "'stages.index.corpus' is 'none.jsonl'"),
        ("run r.toml --set stages.index.x=1", 2, "--set 'stages.index.x'"),
        ("run r.toml --out docs.jsonl", 2, "docs.jsonl is a file"),
        (
            "run r.toml --set corpus=docs.jsonl --set stages.index.corpus=empty.jsonl",
            1,
            "Stage 'index': empty.jsonl is empty",
        ),
        ("index none.jsonl -o i", 2, "CORPUS: there is no file or folder none.jsonl"),
        ("index empty.jsonl -o i", 1, "empty"),
        ("index broken.jsonl -o i", 1, "broken.jsonl, line 1"),
        ("index docs.jsonl -o folder", 2, "other things"),
        ("index docs.jsonl -o docs.jsonl", 2, "is a file"),
        ("index docs.jsonl -o i --kind fuzzy", 2, "--kind has a wrong value ('fuzzy')"),
        ("index docs.jsonl -o i --max-words many", 2, "--max-words has a wrong value ('many')"),
        ("index docs.jsonl", 2, "-o PATH is missing"),
        ("mask docs.jsonl -o folder", 2, "is a folder"),
        ("mask docs.jsonl -o t.jsonl --masks 7", 2, "--masks has a wrong value"),
        ("mask docs.jsonl -o t.jsonl --extractor nouns", 2, "--extractor has a wrong value ('nouns')"),
        ("mask docs.jsonl -o t.jsonl --limit 0", 2, "--limit has a wrong value"),
        ("mask docs.jsonl -o t.jsonl --limt 1", 2, "--limt"),
        ("synthesize docs.jsonl -o t.jsonl", 2, "--index PATH is missing"),
        ("sft -o c", 2, "--model PATH and --trajectories PATH [PATH ...] are missing"),
        (
            "sft -o c --model none/at/all --trajectories docs.jsonl",
            2,
            "--model: there is no file or folder none/at/all",
        ),
        ("sft -o c --recipe r.toml", 2, "no stage of the kind sft"),
        (
            "mask -o t.jsonl --recipe r.toml",
            2,
            "Stage 'index' of runs/r is not done; run it with: masksearch index --recipe r.toml --stage",
        ),
        ("mask -o t.jsonl --recipe r.toml --stage mas", 2, "did you mean 'mask'?"),
        ("eval docs.jsonl --model folder -o r.json --agent.top-k 0", 2, "--agent.top-k has a wrong value"),
        ("compare none.json", 2, "RESULTS: there is no file or folder none.json"),
        ("compare --groups x", 2, "NAME=FILE"),
        ("report none -o r.html", 1, "none"),
        ("search none query", 1, "none"),
        ("search none query -k 0", 2, "-k 0"),
        ("search none query -k x", 2, "-k should be a whole number, not 'x'"),
        ("search none query --search.noise.drop 2", 2, "--search.noise.drop has a wrong value"),
        ("search none query --search.replay r --search.cache c", 2, "search.cache would have no effect"),
        ("search none query --search.replay none.jsonl", 1, "There is no file none.jsonl"),
        ("search web:nobody query", 2, "There is no web search 'nobody'; choose one of serper,"),
        (
            "eval docs.jsonl --model folder -o r.json --index nowhere",
            2,
            "--index: there is no file or folder nowhere",
        ),
        ("index docs.jsonl -o i --kind opensearch", 2, "needs --store http://HOST:9200/INDEX"),
        ("index docs.jsonl -o i --store elsewhere", 2, "--store has no effect on an index of the kind bm25"),
        ("serve none", 1, "none is not an index folder"),
        ("serve none --port 99999", 2, "--port has a wrong value"),
        (
            "serve none --max-k 1",
            2,
            "--max-k has a wrong value ('1'): it should be at least default_k, which is 3",
        ),
        ("dance", 2, "There is no command 'dance'; the commands are: init, run, recipes,"),
    ],
)
def test_wrong_use_is_one_sentence_and_a_status(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: str, status: int, told: str
) -> None:
    code, error = fails(arguments, capsys)
    last = error.strip().splitlines()[-1]
    assert (code, last[:12]) == (status, "masksearch: ")
    assert told in last
    assert "Traceback" not in error
    assert error.count("masksearch: ") == 1
    assert not list(here.glob("*.work"))


def test_debug_shows_the_traceback(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, error = fails("run nothing.toml --debug", capsys)
    assert status == 2
    assert "Traceback" in error


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--version"], ["--help"], *([kind, "--help-all"] for kind in STAGES)):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert __version__ in printed
    assert "--agent.top-k" in printed
    assert "Number of search results shown to the model. (default: 2)" in " ".join(printed.split())


def test_index_search_and_mask_by_themselves(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "docs.jsonl", "-o", "index"]) == 0
    assert main(["index", "docs.jsonl", "-o", "index", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["search", "index", "capital of Italy", "-k", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["query"], len(found["hits"]), found["hits"][0]["title"]) == ("capital of Italy", 1, "Rome")
    assert set(found["hits"][0]) == {"id", "title", "text", "score"}
    assert main(["search", "index", "capital of Italy"]) == 0
    assert capsys.readouterr().out.startswith("1. Rome  (")
    assert (
        main(
            [
                "mask",
                "docs.jsonl",
                "-o",
                "-",
                "--index",
                "index",
                "--extractor",
                "dates,numbers",
                "--masks",
                "1",
            ]
        )
        == 0
    )
    tasks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(answer for task in tasks for answer in task["answers"]) == ["1889", "753 BC"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x"), "The disk is full"),
        (OSError("5198 requested and 2032 written"), "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), "x: Permission denied."),
        (MemoryError(), "not enough memory"),
        (
            ZeroDivisionError("by zero\nor so"),
            "Unexpected ZeroDivisionError: by zero or so (run again with --debug for the traceback).",
        ),
    ],
)
def test_errors_nobody_foresaw_are_sentences_too(error: Exception, told: str) -> None:
    assert told in sentence(error)


def test_flags_win_over_the_recipe(here: Path) -> None:
    flags = ["--index", "index", "--extractor", "dates", "--limit", "1"]
    assert main(["index", "docs.jsonl", "-o", "index"]) == 0
    assert main(["mask", "-o", "tasks.jsonl", "--recipe", "r.toml", *flags]) == 0
    assert len(Path("tasks.jsonl").read_text().splitlines()) == 1


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31mb\nc") == "a [31mb c"


@pytest.mark.slow
def test_a_closed_pipe_is_no_error(here: Path) -> None:
    main(["index", "docs.jsonl", "-o", "index", "-q"])
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "search", "index", "capital"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_how_to_go_on(here: Path, number: int) -> None:
    # A shell starts background jobs with SIGINT ignored, and children inherit that.
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    child = subprocess.Popen(
        [*COMMAND, "index", "-", "-o", "index"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, **heeding
    )
    wait_for(Path("index.work/stage.json").exists)
    child.send_signal(number)
    _, error = child.communicate()
    assert child.returncode == 130
    assert error.decode().strip().splitlines()[-1] == "Interrupted; start the same command again to go on."
    assert b"Traceback" not in error
    assert not Path("index").exists()


@pytest.mark.slow
def test_run_starts_anew_once_with_the_allocator_set(here: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MALLOC", "MASKSEARCH"))
    }
    arguments = [*COMMAND, "run", "r.toml", "--set", "stages.mask.extractors=['dates']"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("[1/2] index")) == (0, 1), done.stderr
    again = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert again.stderr.count("done already") == 2
