"""The argument parser: argparse with short and long help, groups of commands, colour, and errors that name
all faults of a kind at once, with the nearest valid name.

A command's parser is filled when it is used, so that `masksearch --help` imports no settings.
"""

from __future__ import annotations

import argparse
import copy
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, NoReturn

from masksearch.runtime import colour
from masksearch.text.nearest import close_name

FEWEST_COLUMNS, MOST_COLUMNS = 60, 110
"""Limits of the width of help, whatever the terminal's."""
LONG_SENTENCE = 110
"""Characters from which a sentence of short help is cut after its first clause."""
OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "ask": ("search",),
    "build": ("index",),
    "data": ("recipes", "suites"),
    "evaluate": ("eval",),
    "finetune": ("sft",),
    "generate": ("synthesize",),
    "grpo": ("rl",),
    "dapo": ("rl",),
    "results": ("compare",),
    "score": ("eval",),
    "server": ("serve",),
    "settings": ("schema",),
    "start": ("run",),
    "test": ("eval",),
    "train": ("sft", "rl"),
}
"""Words that a user may try -> the commands that do this."""


class Parser(argparse.ArgumentParser):
    """The parser of the program or of one command.

    Abbreviated flags are not accepted, because a mistyped flag must not match another flag. Errors are one
    sentence. `needs` finds what is missing after parsing (see `missing`).
    """

    def __init__(
        self,
        *args: Any,
        fill: Callable[[Parser], None] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        **options: Any,
    ) -> None:
        """`fill` adds the arguments when the parser is used; `groups` are the program's commands by
        heading."""
        if sys.version_info >= (3, 14):
            options.setdefault("color", False)  # `print_help` colours, on every version alike
        options.setdefault("formatter_class", HelpFormatter)
        super().__init__(*args, **{"allow_abbrev": False, "add_help": False, **options})
        self._fill, self.groups = fill, groups or {}
        self.examples: Sequence[str] = ()
        self.usual: list[str] = []
        """Words of the usage line besides the arguments that argparse requires."""
        self.needs: Callable[[argparse.Namespace], list[str]] = lambda namespace: []
        self.alternative = ""
        """Another way of giving what is missing, as the end of a sentence."""
        self.add_argument("-h", "--help", action=_Help, help="show the flags that most people need")
        self.add_argument("--help-all", action=_Help, everything=True, help="show every flag")

    def filled(self) -> Parser:
        """Returns the parser with its arguments."""
        fill, self._fill = self._fill, None
        if fill:
            fill(self)
        for action in self._actions:
            # argparse would report what it requires before the settings are checked. `missing` does both.
            if action.required and not isinstance(action, argparse._SubParsersAction):
                action.required, action.needed = False, True  # type: ignore[attr-defined]
        return self

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parses like argparse. Ends the program for an unknown command or flag, a missing argument, or one
        too many."""
        self.filled()
        given = list(sys.argv[1:] if args is None else args)
        if self.groups:
            self._check_command(given)
        parsed, extra = super().parse_known_args(given, namespace)
        extra = self._placed_after_flags(parsed, extra)
        if extra:
            self.error(self._too_many(extra))
        absent = missing(self, parsed)
        if absent:
            are = "is" if len(absent) == 1 else "are"
            self.error(f"{listed(absent)} {are} missing{self.alternative}")
        return parsed, []

    def error(self, message: str) -> NoReturn:
        """Ends the program with status 2."""
        text = _kind_words(message)
        text = text[:1].upper() + text[1:] if text[:1].isalpha() else text
        end = f"{text} See" if text.endswith("?") else f"{text}; see"
        prefix = colour.red(colour.bold("masksearch:", sys.stderr), sys.stderr)
        self.exit(2, f"{prefix} {end} {self.prog} --help.\n")

    @property
    def commands(self) -> Mapping[str, Parser]:
        """The commands of the program, by name."""
        return next(
            (action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction)),
            {},
        )

    def _check_command(self, given: Sequence[str]) -> None:
        words = [word for word in given if not word.startswith("-")]
        if not words or words[0] in self.commands:
            return
        word = words[0]
        near = OTHER_WORDS.get(word.lower()) or [close_name(word, self.commands)]
        if near[0]:
            self.error(f"there is no command '{word}'; did you mean {listed(map(repr, near), 'or')}?")
        self.error(f"there is no command '{word}'; the commands are: {', '.join(self.commands)}")

    def _placed_after_flags(self, parsed: argparse.Namespace, extra: list[str]) -> list[str]:
        """Gives words after flags to optional arguments, and returns the words that are left over.

        argparse decides on an optional argument where the first word stands: in `ask INDEX --model M
        QUESTION` it takes QUESTION for one word too many.
        """
        rest = list(extra)
        for action in self._get_positional_actions():
            if action.nargs == "?" and getattr(parsed, action.dest, None) == action.default:
                if not rest or rest[0].startswith("-"):
                    break
                setattr(parsed, action.dest, self._get_value(action, rest.pop(0)))
        return rest

    def _too_many(self, extra: Sequence[str]) -> str:
        flags = list(
            dict.fromkeys(word.partition("=")[0] for word in extra if re.match(r"--?[A-Za-z]", word))
        )
        if not flags:
            places = [action for action in self._actions if not action.option_strings]
            one = " of one word or in quotes" if any(a.metavar == "QUERY" for a in places) else ""
            takes = listed([str(action.metavar or action.dest) for action in places]) or "no argument"
            return f"`{self.prog}` takes {takes}{one}; {listed(map(repr, extra))} is too much"
        near = {flag: self._near_flag(flag) for flag in flags}
        known = [f"{flag} ('{close}'?)" for flag, close in near.items() if close]
        if len(flags) == 1 and near[flags[0]]:
            return f"`{self.prog}` has no flag {flags[0]}; did you mean '{near[flags[0]]}'?"
        shown = listed(
            [next((text for text in known if text.startswith(f"{flag} ")), flag) for flag in flags]
        )
        return f"`{self.prog}` has no flag{'s' if len(flags) > 1 else ''} {shown}"

    def _near_flag(self, flag: str) -> str:
        """Returns the nearest flag: by its letters, its last part (`--top-k` for `--agent.top-k`), or the
        first letters of its words (`--lr` for `--learning-rate`)."""
        names = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        wanted = "--" + flag.lstrip("-").replace("_", "-").lower()
        if wanted in names:
            return wanted
        plain = wanted.removeprefix("--no-").lstrip("-")
        for name in names:
            words = name.lstrip("-").rpartition(".")[2]
            if words == plain or "".join(word[:1] for word in words.split("-")) == plain:
                return name
        close = close_name(plain, [name.lstrip("-") for name in names], cutoff=0.65)
        return f"--{close}" if close else ""

    # Help

    def format_help(self, everything: bool = False) -> str:
        """Returns the help without colour: the flags that most people need, or every flag."""
        self.filled()
        formatter = self._get_formatter()
        assert isinstance(formatter, HelpFormatter)
        formatter.everything = everything or bool(self.groups)
        text = [self.format_usage(), ""]
        if self.description:
            text += [*formatter.paragraph(self.description), ""]
        for heading, names in self.groups.items():
            text += [f"{heading}:", *formatter.rows([(name, self._about(name)) for name in names]), ""]
        hidden = 0
        for group in self._action_groups:
            actions = [a for a in group._group_actions if not isinstance(a, argparse._SubParsersAction)]
            shown = [a for a in actions if formatter.everything or getattr(a, "basic", True)]
            if not formatter.everything:
                shown.sort(key=lambda action: getattr(action, "rank", -1))
            hidden += len(actions) - len(shown)
            if shown:
                formatter.start_section(group.title)
                formatter.add_text(group.description if formatter.everything else None)
                formatter.add_arguments(shown)
                formatter.end_section()
        text.append(formatter.format_help())
        if self.examples:
            text += ["examples:", *(f"  {example}" for example in self.examples), ""]
        if hidden:
            text += [f"{hidden} more flags: {self.prog} --help-all", ""]
        return "\n".join(text)

    def format_usage(self) -> str:
        """Returns the usage line: what is needed, then the rest in brief."""
        self.filled()
        if self.groups:
            return f"usage: {self.prog} COMMAND ...  ({self.prog} COMMAND --help shows its flags)"
        words, flags = [], list(self.usual)
        for action in self._actions:
            word, needed = spelled(action), getattr(action, "needed", False)
            if not action.option_strings:
                words.append(word if needed or word in flags else f"[{word}]")
            elif needed:
                flags.append(word)
        words += [flag for flag in flags if flag not in words]
        return f"usage: {' '.join([self.prog, *words])} [FLAGS]"

    def _about(self, name: str) -> str:
        action = next(a for a in self._actions if isinstance(a, argparse._SubParsersAction))
        return next((str(entry.help) for entry in action._get_subactions() if entry.dest == name), "")

    def print_help(self, file: IO[str] | None = None, everything: bool = False) -> None:  # type: ignore[override]
        """Prints the help, in colour on a terminal."""
        stream = sys.stdout if file is None else file
        stream.write(coloured(self.format_help(everything), stream))


class HelpFormatter(argparse.HelpFormatter):
    """Formats help in the width of the terminal; in short help each flag has the first sentence of its
    text."""

    everything = False

    def __init__(self, prog: str, *args: Any, **options: Any) -> None:
        columns = shutil.get_terminal_size().columns - 2
        width = max(FEWEST_COLUMNS, min(MOST_COLUMNS, columns))
        super().__init__(prog, indent_increment=2, max_help_position=28, width=width)

    def add_argument(self, action: argparse.Action) -> None:
        """Adds a flag; in short help with its first sentence."""
        if not self.everything and action.help:
            action = copy.copy(action)
            action.help = first_sentence(str(action.help))
        super().add_argument(action)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Returns `-o, --output PATH`; argparse repeats the metavar after each name before Python 3.13."""
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        values = spelled(action).removeprefix(action.option_strings[0])
        return ", ".join(action.option_strings) + values

    def paragraph(self, text: str) -> list[str]:
        """Returns a text in lines."""
        return self._split_lines(" ".join(text.split()), self._width)

    def rows(self, entries: Sequence[tuple[str, str]]) -> list[str]:
        """Returns names and texts in two columns."""
        lines = []
        for name, text in entries:
            first, *rest = self._split_lines(text, self._width - 14) or [""]
            lines += [f"  {name:<12}{first}", *(" " * 14 + line for line in rest)]
        return lines


class _Help(argparse.Action):
    """`--help` and `--help-all`."""

    def __init__(self, option_strings: Sequence[str], dest: str, everything: bool = False, **options: Any):
        super().__init__(
            option_strings, dest=argparse.SUPPRESS, default=argparse.SUPPRESS, nargs=0, help=options["help"]
        )
        self.everything = everything

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        assert isinstance(parser, Parser)
        parser.print_help(everything=self.everything)
        parser.exit()


def missing(parser: Parser, namespace: argparse.Namespace) -> list[str]:
    """Returns all that the user must still give, spelled as on the command line."""
    absent = [
        spelled(action)
        for action in parser._actions
        if getattr(action, "needed", False) and getattr(namespace, action.dest, None) in (None, [])
    ]
    return [*absent, *parser.needs(namespace)]


def spelled(action: argparse.Action) -> str:
    """Returns a flag or argument as it is given: `--trajectories PATH [PATH ...]`, `-o PATH`, `CORPUS`."""
    value = str(action.metavar or action.dest.upper())
    if action.choices is not None and action.metavar is None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if action.nargs == "+":
        value = f"{value} [{value} ...]"
    elif action.nargs == "*":
        value = f"{value} ..."
    elif action.nargs == 0:
        value = ""
    return f"{action.option_strings[0]} {value}".strip() if action.option_strings else value


def listed(items: Iterable[str], last: str = "and") -> str:
    """Joins words: `a, b and c`."""
    *first, final = list(items) or [""]
    return f"{', '.join(first)} {last} {final}" if first else final


def first_sentence(text: str) -> str:
    """Returns the first sentence of a help text, with its default if there is one."""
    default = re.search(r" \((default: .*|needed)\)$", text)
    body = text[: default.start()] if default else text
    end = re.search(r"(?<!e\.g)\.(?=\s)", body)
    body = body[: end.start() + 1] if end else body
    # A long sentence explains after its first clause; what the user must give is explained in full.
    clause = re.search(r"(?<=.{18})(?:[:;]| \()(?=.)", body)
    if len(body) > LONG_SENTENCE and clause and not (default and default.group() == " (needed)"):
        body = body[: clause.start()] + "."
    return body + (default.group() if default else "")


def coloured(text: str, stream: IO[str]) -> str:
    """Colours headings and flags of a help text, if the stream shows colour."""
    if not colour.shows_colour(stream):
        return text

    def line(part: str) -> str:
        if re.fullmatch(r"[a-z][^:]*:", part):
            return colour.heading(part, stream)
        if part.startswith("usage: "):
            return colour.heading("usage:", stream) + part.removeprefix("usage:")
        name = re.match(r"  ((?:-[^ ,]+(?:, )?)+|[a-z]+(?=  ))", part)
        if name:
            return f"  {colour.cyan(name[1], stream)}{part[name.end() :]}"
        return part

    return "\n".join(map(line, text.split("\n")))


def _kind_words(message: str) -> str:
    """Rewrites argparse's sentences about one argument."""
    found = re.fullmatch(r"argument (?P<name>[^ :]+): (?P<fault>.*)", message, re.DOTALL)
    if not found:
        return message
    name, fault = found["name"].replace("settings:", ""), found["fault"]
    number = re.fullmatch(r"invalid int value: (.*)", fault)
    if number:
        return f"{name} should be a whole number, not {number[1]}"
    if fault.startswith("expected"):
        return f"{name} needs a value after it"
    return f"{name}: {fault}"
