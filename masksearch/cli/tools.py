"""The arguments of the commands that are not stages of a recipe."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from masksearch.cli.flags import DEST, add_settings, required
from masksearch.cli.parsing import Parser
from masksearch.runtime.settings import Settings, field_text

INDEX_HELP = "an index folder, a stage or run that made one, http://HOST:PORT, web:NAME or wikipedia:LANGUAGE"


def add_search(parser: Parser) -> None:
    """`masksearch search`."""
    from masksearch.cli.commands import search_command
    from masksearch.search.settings import QuerySettings

    parser.add_argument("index", metavar="INDEX", help=INDEX_HELP)
    parser.add_argument("query", metavar="QUERY", help="words to search for, in quotes")
    parser.add_argument("-k", metavar="INT", type=int, default=5, help="number of results (default: 5)")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object, with everything that the ranking depends on",
    )
    parser.examples = ('masksearch search runs/demo/stages/index "capital of Italy" -k 3',)
    _add_settings(parser, QuerySettings, search_command)


def add_ask(parser: Parser) -> None:
    """`masksearch ask`."""
    from masksearch.asking.settings import AskSettings
    from masksearch.cli.commands import ask_command

    parser.add_argument("index", metavar="INDEX", help=INDEX_HELP)
    parser.add_argument(
        "question", metavar="QUESTION", nargs="?", help="the question, in quotes; without one, type them"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object: answer, sources, trajectory"
    )
    parser.examples = ('masksearch ask runs/demo "Who directed the film Heat?"',)
    _add_settings(parser, AskSettings, ask_command)


def add_serve(parser: Parser) -> None:
    """`masksearch serve`."""
    from masksearch.cli.commands import serve_command
    from masksearch.serving.settings import ServeSettings

    parser.add_argument("index", metavar="INDEX", help=INDEX_HELP)
    parser.add_argument(
        "--mcp",
        action="store_true",
        help="speak the Model Context Protocol on standard input and output instead of HTTP",
    )
    parser.examples = (
        "masksearch serve runs/demo/stages/index --port 8000",
        "masksearch serve runs/demo/stages/index --model runs/demo/stages/sft",
    )
    _add_settings(parser, ServeSettings, serve_command)


def add_score(parser: Parser) -> None:
    """`masksearch score`."""
    parser.examples = (
        "masksearch score predictions.jsonl questions.jsonl -o results.json",
        "masksearch score nq/intermediate_data.json nq/test.jsonl --label FlashRAG -o results.json",
    )
    _add_tool(
        parser, "score", "file to write: results.json", predictions="PREDICTIONS", questions="QUESTIONS"
    )


def add_audit(parser: Parser) -> None:
    """`masksearch audit`."""
    parser.examples = (
        "masksearch audit questions.jsonl --index index -o audit.json",
        "masksearch audit nq --index index --keep present,bridged --kept kept.jsonl -o audit.json",
    )
    written = "file to write: audit.json (default: only the table is printed)"
    _add_tool(parser, "audit", written, questions="QUESTIONS")


def add_verify(parser: Parser) -> None:
    """`masksearch verify`."""
    parser.examples = (
        "masksearch verify results.json",
        "masksearch verify their/results.json --model checkpoint --index index",
    )
    written = "file to write (default: RESULTS with the ending .verify.json)"
    _add_tool(parser, "verify", written, results="RESULTS")


def _add_tool(parser: Parser, kind: str, written: str, **positional: str) -> None:
    """Adds the arguments of a command that works like a stage (`recipe.stages.TOOLS`)."""
    from masksearch.cli.commands import tool_command
    from masksearch.recipe.stages import TOOLS

    settings = TOOLS[kind].settings
    for field, name in positional.items():
        text = field_text(settings, field).replace("%", "%%")
        action = parser.add_argument(DEST + field, metavar=name, help=text)
        action.values = []  # type: ignore[attr-defined]
    needed = "default" not in written
    parser.add_argument("-o", "--output", metavar="PATH", required=needed, help=written)
    _add_settings(parser, settings, tool_command, skip=tuple(positional))
    parser.set_defaults(kind=kind, positional=positional)


def add_suites(parser: Parser) -> None:
    """`masksearch suites`."""
    from masksearch.cli.suites import suites_command

    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="a suite such as hotpotqa, or hotpotqa@train for another split",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="the published file, or hf:OWNER/NAME (default: read the suite from the hub)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="folder to write: questions.jsonl, and corpus.jsonl if the release has a corpus",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(function=suites_command)


def add_export(parser: Parser) -> None:
    """`masksearch export`."""
    from masksearch.cli.commands import export_command
    from masksearch.interop.export.settings import ExportSettings

    parser.add_argument(
        DEST + "trajectories",
        metavar="TRAJECTORIES",
        nargs="+",
        default=[],
        help="files or folders of trajectories; for verl also tasks",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        required=True,
        help="file to write (.jsonl, packed or not, or .parquet), or - for standard output",
    )
    parser.examples = ("masksearch export trajectories.jsonl --to trl --model base -o train.jsonl",)
    _add_settings(parser, ExportSettings, export_command, skip=("trajectories",))


def add_publish(parser: Parser) -> None:
    """`masksearch publish`."""
    from masksearch.cli.commands import publish_command
    from masksearch.interop.publish.settings import PublishSettings

    parser.add_argument(
        "source",
        metavar="CHECKPOINT|TASKS|TRAJECTORIES",
        help="a checkpoint folder, a file or folder of tasks or trajectories, a stage that made one, or a "
        "run (the model that it trained last)",
    )
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder to write")
    parser.examples = (
        "masksearch publish runs/demo -o my-model",
        "masksearch publish runs/demo/stages/sft -o my-model --gguf",
        "masksearch publish runs/demo/stages/trajectories -o my-data --push OWNER/NAME",
    )
    _add_settings(parser, PublishSettings, publish_command)


def add_rewards(parser: Parser) -> None:
    """`masksearch rewards audit`."""
    from masksearch.cli.rewards import AUDIT, rewards_command
    from masksearch.scoring.settings import RewardAuditSettings

    parser.add_argument(
        "action",
        metavar="audit",
        nargs="?",
        default=AUDIT,
        help="roll out the attacks, and print their rewards",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.examples = ("masksearch rewards audit",)
    _add_settings(parser, RewardAuditSettings, rewards_command)


def add_verl(parser: Parser) -> None:
    """`masksearch verl`."""
    from masksearch.cli.commands import verl_command
    from masksearch.train.settings import RlSettings

    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR",
        help="folder to write masksearch.yaml and agent_loop.yaml to",
    )
    parser.add_argument(
        "--train",
        required=True,
        metavar="PATH",
        help="Parquet file written by: masksearch export TASKS --to verl -o PATH",
    )
    parser.add_argument("--val", required=True, metavar="PATH", help="validation tasks in the same form")
    parser.add_argument("--gpus", metavar="INT", type=int, default=8, help="GPUs of a machine (default: 8)")
    parser.add_argument("--nodes", metavar="INT", type=int, default=1, help="machines (default: 1)")
    parser.add_argument(
        "--prompt-length", metavar="INT", type=int, default=512, help="most tokens of a prompt (default: 512)"
    )
    parser.examples = (
        "masksearch verl --model sft --tasks tasks.jsonl --index index --train train.parquet "
        "--val val.parquet -o verl",
    )
    _add_settings(parser, RlSettings, verl_command)


def add_stats(parser: Parser) -> None:
    """`masksearch stats`."""
    from masksearch.cli.commands import stats_command

    parser.add_argument("tasks", metavar="TASKS", help="a file of RAMP tasks, a folder of shards, or a stage")
    parser.add_argument(
        "--examples", metavar="INT", type=int, default=3, help="number of tasks to show (default: 3)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(function=stats_command)


def add_recipes(parser: Parser) -> None:
    """`masksearch recipes`."""
    from masksearch.cli.recipes import recipes_command

    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="a recipe such as demo; without -o it is printed"
    )
    parser.add_argument("-o", "--output", metavar="PATH", help="file to write the copy to")
    parser.add_argument("--path", action="store_true", help="print the path of NAME instead of its text")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.examples = ("masksearch recipes my-corpus -o mine.toml",)
    parser.set_defaults(function=recipes_command)


def add_init(parser: Parser) -> None:
    """`masksearch init`."""
    from masksearch.cli.commands import init_command
    from masksearch.recipe.start.settings import InitSettings

    parser.add_argument("source", metavar="DOCUMENTS", help="a folder or file of documents, or hf:OWNER/NAME")
    parser.add_argument(
        "-o", "--output", metavar="PATH", default="", help="recipe to write (default: the folder's name.toml)"
    )
    parser.examples = ("masksearch init docs/", "masksearch init docs/ --questions questions.jsonl")
    _add_settings(parser, InitSettings, init_command)


def add_schema(parser: Parser) -> None:
    """`masksearch schema`."""
    from masksearch.cli.commands import schema_command

    parser.add_argument(
        "--markdown",
        action="store_true",
        help="print a Markdown page with every setting, its default and its text",
    )
    parser.set_defaults(function=schema_command)


def add_completion(parser: Parser) -> None:
    """`masksearch completion`."""
    from masksearch.cli.completion import SHELLS, completion_command

    parser.add_argument(
        "shell", metavar="{" + ",".join(SHELLS) + "}", help="the shell that will read the script"
    )
    parser.examples = (
        'eval "$(masksearch completion bash)"                           in this terminal',
        "masksearch completion bash > ~/.local/share/bash-completion/completions/masksearch",
        'masksearch completion zsh > "${fpath[1]}/_masksearch"',
        "masksearch completion fish > ~/.config/fish/completions/masksearch.fish",
    )
    parser.set_defaults(function=completion_command)


def add_help(parser: Parser) -> None:
    """`masksearch help`."""
    from masksearch.cli.help import help_command

    parser.add_argument("name", metavar="COMMAND", nargs="?", help="the command (default: all commands)")
    parser.add_argument("--all", action="store_true", help="show every flag")
    parser.set_defaults(function=help_command)


def _add_settings(
    parser: Parser,
    kind: type[Settings],
    function: Callable[[argparse.Namespace], None],
    skip: tuple[str, ...] = (),
) -> None:
    """Adds the flags of the command's settings, and sets the command's function."""
    parser.description = " ".join((kind.__doc__ or "").split())
    add_settings(parser, kind, skip)

    def needs(arguments: argparse.Namespace) -> list[str]:
        given = {dest.removeprefix(DEST) for dest in vars(arguments)}
        given |= {override.partition("=")[0].split(".")[0].strip() for override in arguments.set}
        return [text for name, text in required(kind, skip).items() if name not in given]

    parser.usual = list(required(kind, skip).values())
    parser.needs = needs
    parser.set_defaults(function=function)
