"""The export command: left-out trajectories, rejected settings, complete files or none."""

import json
import os
import subprocess
import sys
import tracemalloc

import pytest
from kit.export_fakes import EVIL, bad, good, lines, question, save, settings_for, trajectory

from masksearch.cli.flags import DEST, add_flags, given_values, settings_of
from masksearch.cli.parsing import Parser
from masksearch.errors import DataError, FormatError, MissingExtraError, UsageError
from masksearch.interop.export.chat import has_special_token, neutralise_results
from masksearch.interop.export.command import export
from masksearch.interop.export.settings import ExportSettings
from masksearch.types import Turn


def test_what_is_out_of_form_is_left_out_and_counted(tmp_path):
    path = save(tmp_path / "t.jsonl", [*good(), *bad()])
    summary = export(settings_for(path, "trl", shape="messages"), str(tmp_path / "m.jsonl"))
    reasons = {
        "no_answer": 1,
        "too_long": 1,
        "not in valid form": 1,
        "model_failed": 1,
        "a special token in a model turn": 1,
    }
    assert summary == {"read": 11, "written": 6, "left_out": reasons, "text": summary["text"]}
    assert summary["text"].startswith(
        f"{tmp_path}/m.jsonl: 6 rows (trl, messages) of 11 trajectories; left out 5: "
    )
    assert "1 not in valid form" in summary["text"]


def test_all_keeps_them(tmp_path):
    path = save(tmp_path / "t.jsonl", [*good(2), *bad()])
    summary = export(settings_for(path, "trl", shape="messages", all=True), str(tmp_path / "m.jsonl"))
    assert summary["left_out"] == {"no model turn": 1}
    cut = lines(tmp_path / "m.jsonl")[3]  # a tool turn at the end is dropped
    assert [message["role"] for message in cut["messages"]] == ["system", "user", "assistant"]


def test_several_files_and_folders_are_one(tmp_path):
    (tmp_path / "shards").mkdir()
    for number in range(2):
        save(tmp_path / "shards" / f"{number}.jsonl.gz", [trajectory(number)])
    path = save(tmp_path / "t.jsonl", [trajectory(7)])
    export(settings_for([tmp_path / "shards", path], "trl", shape="messages"), str(tmp_path / "m.jsonl"))
    assert [row["id"] for row in lines(tmp_path / "m.jsonl")] == ["q0", "m1", "m7"]


def test_standard_output(tmp_path, capsys):
    path = save(tmp_path / "t.jsonl", good(3))
    export(settings_for(path, "trl", shape="messages"), "-")
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == ["q0", "m1", "q2"]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", DataError, "t.jsonl holds no records"),
        (json.dumps({"id": "x"}), FormatError, "line 1 is not a trajectory"),
        (
            json.dumps(question(0).to_json()),
            FormatError,
            r"line 1 is a task or question, not a trajectory \(masksearch synthesize writes trajectories",
        ),
        (
            json.dumps({**trajectory(0).to_json(), "status": "odd"}),
            FormatError,
            "line 1 has a bad field 'status'",
        ),
        (
            json.dumps({**trajectory(0).to_json(), "task": {"kind": "question", "id": "x"}}),
            FormatError,
            "line 1: the task of trajectory 'q0' lacks the field",
        ),
        ("{", FormatError, "line 1 is not valid JSON"),
        (
            json.dumps(bad()[0].to_json()),
            DataError,
            r"None of 1 trajectories can be exported; left out 1: 1 no_answer. --all also exports",
        ),
    ],
)
def test_what_is_no_trajectory(tmp_path, content, error, message):
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(error, match=message):
        export(settings_for(str(tmp_path / "t.jsonl"), "trl", shape="messages"), str(tmp_path / "m.jsonl"))
    assert not (tmp_path / "m.jsonl").exists()


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_fault_in_the_middle_leaves_the_old_file(tmp_path, ending):
    path = save(tmp_path / "t.jsonl", good(3))
    out = tmp_path / f"m.{ending}"
    export(settings_for(path, "trl", shape="messages"), str(out))
    before = out.read_bytes()
    with open(path, "a") as stream:
        stream.write("{}\n")
    with pytest.raises(FormatError, match="line 4"):
        export(settings_for(path, "trl", shape="messages"), str(out))
    assert out.read_bytes() == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"t.jsonl", out.name}


def test_what_a_killed_run_left_is_cleared(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    dead, living, other = (
        tmp_path / name
        for name in (f".m.jsonl.{done.stdout.strip()}.tmp", f".m.jsonl.{os.getppid()}.tmp", ".mm.jsonl.1.tmp")
    )
    for leftover in (dead, living, other):
        leftover.write_text("half")
    export(
        settings_for(save(tmp_path / "t.jsonl", good(1)), "trl", shape="messages"), str(tmp_path / "m.jsonl")
    )
    assert not dead.exists()
    assert living.exists()
    assert other.exists()


@pytest.mark.parametrize(
    ("to", "given", "message"),
    [
        (
            "llamafactory",
            {"shape": "tokens"},
            "--shape tokens does not fit --to llamafactory; its shapes are: tags, calls",
        ),
        (
            "trl",
            {"shape": "messages", "model": "tiny"},
            "--model has no effect with --to trl --shape messages",
        ),
        ("trl", {"shape": "messages", "max_length": 100}, "--max-length has no effect"),
        ("llamafactory", {"tool_role": "user"}, "--tool-role has no effect"),
        ("llamafactory", {"name": "a,b"}, "must have no comma"),
        ("trl", {"shape": "messages", "name": "x"}, "--name has no effect"),
        ("verl", {"name": "x"}, "--name are for tasks"),
        ("verl", {"answer_form": "spans"}, "--answer-form and, for verl, --name are for tasks"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path, to, given, message):
    path = save(tmp_path / "t.jsonl", good(1))
    with pytest.raises(UsageError, match=message):
        export(settings_for(path, to, **given), str(tmp_path / "m.parquet"))


def test_outputs_that_cannot_be(tmp_path):
    path = save(tmp_path / "t.jsonl", good(1))
    for out, message in (
        (tmp_path, "is a folder"),
        (tmp_path / "m.csv", "must end in"),
        (tmp_path / ".jsonl", "must end in"),
        ("/dev/null", "is not a file"),
    ):
        with pytest.raises(UsageError, match=message):
            export(settings_for(path, "trl", shape="messages"), str(out))


def test_flags(tmp_path):
    path = save(tmp_path / "t.jsonl", good(1))
    parser = Parser()
    parser.add_argument(DEST + "trajectories", metavar="TRAJECTORIES", nargs="+", default=[])
    add_flags(parser, ExportSettings, skip=("trajectories",))

    def read(*argv):
        return settings_of(
            ExportSettings,
            given_values(parser.parse_args(list(argv)), ExportSettings),
            ("trajectories", "TRAJECTORIES"),
        )

    assert read(path, path, "--to", "verl", "--all", "--tool-role", "tool").trajectories == (path, path)
    for argv, message in (
        ((path, "--to", "axolotl"), "--to .*'trl', 'llamafactory', 'verl' or 'inspect'"),
        ((path,), "--to is missing"),
        ((str(tmp_path / "none.jsonl"), "--to", "trl"), "TRAJECTORIES: there is no file or folder"),
        ((path, "--to", "trl", "--model", str(tmp_path / "none")), "--model: there is no file or folder"),
    ):
        with pytest.raises(UsageError, match=message):
            read(*argv)
    assert "rows that `sft` trains on" in " ".join(parser.format_help(everything=True).split())


def test_without_the_packages(tmp_path, monkeypatch):
    path = save(tmp_path / "t.jsonl", good(1))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"masksearch\[readers\]"):
        export(settings_for(path, "verl"), str(tmp_path / "x.parquet"))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        MissingExtraError, match=r"The shape tokens needs the package 'torch'.*masksearch\[train\]"
    ):
        export(settings_for(path, "trl", model=str(tmp_path)), str(tmp_path / "x.jsonl"))


def test_importing_the_command_is_light():
    code = (
        "import masksearch.interop.export.command, masksearch.interop.export.verl_reward, sys\n"
        "print({'torch', 'transformers', 'trl', 'pyarrow', 'openai'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_was_retrieved_is_harmless_and_what_was_harmless_stays(tmp_path):
    for one in good():
        for turn in one.turns:
            if turn.role == "tool":
                assert neutralise_results(turn.text.strip()) == turn.text.strip()
    foreign = f"<information>\n[1] Ada: {EVIL.splitlines()[0]}\n[2] a < b, [310]\n</information>"
    cleaned = neutralise_results(foreign)
    assert cleaned.count("<") == 3
    assert "[2] a < b, [310]" in cleaned
    correction = "Write <think>a thought</think> and then <search>a few words</search>."
    assert neutralise_results(correction) == correction


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a < b, x[1], [mask], <3", False),
        ("x <|im_end|>", True),
        ("[INST]", True),
        ("</s>", True),
        ("<image>", True),
    ],
)
def test_special_tokens_in_model_turns(text, found):
    one = trajectory(0).model_copy(
        update={"turns": (Turn(role="model", text=f"<think>{text}</think>\n<answer>x</answer>"),)}
    )
    assert has_special_token(one) is found


@pytest.mark.slow
def test_memory_is_flat(tmp_path):
    def peak(count):
        path = tmp_path / f"{count}.jsonl"
        line = json.dumps(trajectory(0).to_json()) + "\n"
        path.write_text(line * count)
        tracemalloc.start()
        export(settings_for(str(path), "trl", shape="messages"), str(tmp_path / "m.parquet"))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(10)
    assert peak(1500) < 1.5 * peak(500)
