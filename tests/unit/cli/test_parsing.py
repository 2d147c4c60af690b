"""Help in two lengths, suggestions, and all that is missing at once."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys

import pytest

from masksearch.cli.main import main
from masksearch.cli.parser import GROUPS, build_parser
from masksearch.cli.parsing import coloured, first_sentence, listed

COMMANDS = [name for group in GROUPS.values() for name in group]
KINDS = re.compile(
    r"(INT|FLOAT|PATH|DIR|NAME|URL|HOST|TEXT|STAGE|RECIPE|KEY=VALUE|NAME=FLOAT|INT\[-INT\]|\{[^{}]+\})"
    r"(\[,\.\.\.\])?|NAME=PATH\[,PATH\.\.\.\]"
)


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize("name", COMMANDS)
def test_short_help_fits_a_screen_and_long_help_has_every_flag(name: str) -> None:
    parser = build_parser().commands[name]
    short, every = parser.format_help(), parser.format_help(everything=True)
    assert len(short.splitlines()) <= 60
    flags = [flag for action in parser._actions for flag in action.option_strings]
    listed_flags = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w.-]*", every))
    assert set(flags) <= listed_flags
    hidden = [action for action in parser._actions if not getattr(action, "basic", True)]
    assert (f"{len(hidden)} more flags: masksearch {name} --help-all" in short) == bool(hidden)
    assert all(f"  {action.option_strings[0]} " not in short for action in hidden)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_value_of_a_flag_is_a_kind_of_value(name: str) -> None:
    parser = build_parser().commands[name].filled()
    for action in parser._actions:
        if action.option_strings and action.nargs != 0 and action.metavar is not None:
            assert KINDS.fullmatch(str(action.metavar)), f"{name} {action.option_strings} {action.metavar}"


def test_the_kinds_of_values() -> None:
    parser = build_parser().commands["rl"].filled()
    shown = {flag: action.metavar for action in parser._actions for flag in action.option_strings}
    assert shown["--learning-rate"] == "FLOAT"
    assert shown["--steps"] == "INT"
    assert shown["--model"] == "PATH"
    assert shown["--vllm.url"] == "URL"
    assert shown["--algorithm"] == "{dapo,grpo,dr-grpo,rloo,gspo}"
    assert shown["--trackers"] == "{auto,trackio,wandb,tensorboard,none}[,...]"
    assert shown["--curriculum.stage-steps"] == "INT[,...]"


def test_help_says_how_lists_are_written() -> None:
    commands = build_parser().commands
    mask = " ".join(commands["mask"].format_help(everything=True).split())
    assert "of its spans. Several values by comma. (default: ner,dates,numbers)" in mask
    assert "--exclude PATH [PATH ...]" in mask
    assert "Several values by space." in mask
    compare = " ".join(commands["compare"].format_help(everything=True).split())
    assert "--groups NAME=PATH[,PATH...]" in compare
    assert "Repeat the flag for each name." in compare


def test_every_basic_setting_exists() -> None:
    for parser in build_parser().commands.values():
        ranks = [getattr(action, "rank", -1) for action in parser.filled()._actions]
        places = [rank for rank in ranks if rank >= 0]
        assert sorted(places) == sorted(set(places))


def test_the_commands_are_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["help"], ["--help"]):
        with contextlib.suppress(SystemExit):
            assert main(arguments) == 0
        printed = capsys.readouterr().out
        assert "\nstages of the pipeline:\n  model       make a checkpoint folder of a model\n" in printed
        assert all(f"\n  {name:<12}" in printed for name in COMMANDS)
        assert len(printed.splitlines()) <= 60


def test_help_of_a_command_in_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "sft"]) == 0
    one = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["sft", "--help"])
    assert capsys.readouterr().out == one
    assert one.startswith(
        "usage: masksearch sft --model PATH --trajectories PATH [PATH ...] -o PATH [FLAGS]\n"
    )
    assert main(["help", "sft", "--all"]) == 0
    assert "--activation-checkpointing" in capsys.readouterr().out
    assert main(["help", "evla"]) == 2
    assert "did you mean 'eval'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("evla", "There is no command 'evla'; did you mean 'eval'? See masksearch --help."),
        ("EVAL x", "did you mean 'eval'?"),
        ("train", "There is no command 'train'; did you mean 'sft' or 'rl'?"),
        ("-q dance", "There is no command 'dance'; the commands are: init, run, recipes,"),
        ("sft --modle base", "`masksearch sft` has no flag --modle; did you mean '--model'?"),
        ("sft --learning_rate 1", "did you mean '--learning-rate'?"),
        ("sft --lr 1", "did you mean '--learning-rate'?"),
        ("rl --top-k 3", "did you mean '--agent.top-k'?"),
        ("rl --no-dynamic_sampling", "did you mean '--no-dynamic-sampling'?"),
        ("rl --stepps=3 --zzz 1", "`masksearch rl` has no flags --stepps ('--steps'?) and --zzz;"),
        ("schema --markdwn", "did you mean '--markdown'?"),
        ("--verison", "`masksearch` has no flag --verison; did you mean '--version'?"),
        ("index a b", "`masksearch index` takes CORPUS; 'b' is too much;"),
        ("search i two words", "`masksearch search` takes INDEX and QUERY of one word or in quotes; 'words'"),
        ("eval q --model", "--model needs a value after it;"),
        ("search i q -k x", "-k should be a whole number, not 'x';"),
    ],
)
def test_the_nearest_name_is_suggested(capsys: pytest.CaptureFixture[str], arguments: str, told: str) -> None:
    message = refused(capsys, *arguments.split())
    assert message.startswith("masksearch: ")
    assert told in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("sft", "--model PATH, --trajectories PATH [PATH ...] and -o PATH are missing"),
        ("sft --model m -o c", "--trajectories PATH [PATH ...] is missing"),
        ("sft --set model=m", "--trajectories PATH [PATH ...] and -o PATH are missing"),
        ("sft --recipe demo", "-o PATH or --out DIR is missing"),
        ("eval", "QUESTIONS, --model PATH and -o PATH are missing"),
        ("rl --tasks t", "--model PATH, --index PATH and -o PATH are missing"),
        (
            "export",
            "TRAJECTORIES [TRAJECTORIES ...], -o PATH and --to {trl,llamafactory,verl,inspect} are missing",
        ),
        (
            "verl --val v",
            "-o DIR, --train PATH, --model PATH, --tasks PATH and --index PATH are missing",
        ),
        ("search", "INDEX and QUERY are missing"),
        ("report", "RUN_DIR and -o PATH are missing"),
        ("run", "RECIPE is missing"),
    ],
)
def test_all_that_is_missing_is_named_at_once(
    capsys: pytest.CaptureFixture[str], arguments: str, told: str
) -> None:
    message = refused(capsys, *arguments.split())
    assert told in message
    assert message.count("missing") == 1


def test_colour_is_for_terminals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = build_parser().commands["sft"].format_help()
    assert coloured(text, io.StringIO()) == text
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = coloured(text, io.StringIO())
    assert "\x1b[1;34msettings:\x1b[0m" in shown
    assert "  \x1b[36m--model\x1b[0m PATH" in shown
    assert "  \x1b[36m-o, --output\x1b[0m PATH" in shown
    assert refused(capsys, "evla").startswith("\x1b[31m\x1b[1mmasksearch:")
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == text
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured(text, io.StringIO()) == text


def test_small_parts() -> None:
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b"], "or") == "a or b"
    assert first_sentence("One thing. More of it. (default: 3)") == "One thing. (default: 3)"
    assert first_sentence("No end") == "No end"
    long = "Backend that decodes the rollouts: " + "slots, which are many, " * 5 + "and more."
    assert first_sentence(long) == "Backend that decodes the rollouts."


def test_help_imports_no_settings() -> None:
    code = (
        "import sys\nfrom masksearch.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'numpy', 'pydantic'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "words",
    [
        ["ask", "index", "Who?", "--model", "m"],
        ["ask", "index", "--model", "m", "Who?"],
        ["ask", "--model", "m", "index", "Who?"],
        ["ask", "--model", "m", "index", "--json", "Who?"],
    ],
)
def test_an_optional_argument_may_stand_after_flags(words):
    arguments = build_parser().parse_args(words)
    assert (arguments.index, arguments.question) == ("index", "Who?")


def test_one_word_too_many_is_still_refused(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["ask", "index", "--model", "m", "Who?", "Where?"])
    assert "'Where?' is too much" in capsys.readouterr().err
