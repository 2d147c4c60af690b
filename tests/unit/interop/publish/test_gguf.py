"""The GGUF file's converter in a process of its own, and Ollama's Modelfile."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest

from masksearch.agent.settings import AgentSettings
from masksearch.cli.main import main
from masksearch.errors import MissingExtraError, ModelError, UsageError
from masksearch.interop.publish.chat import ChatForm
from masksearch.interop.publish.checkpoint import Published
from masksearch.interop.publish.gguf import check_converter, context_length, modelfile, write_gguf
from masksearch.interop.publish.settings import PublishSettings

FORM = ChatForm("<s>", "</s><u>", "</u><a>", "</u>", "</a>", "</a><u>")
MADE = Published("m", AgentSettings(turn_tokens=99), 'Say "x".\n', FORM, ("</a>", "<end>"), 10, 8192)
CONVERTER = """
import argparse, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("--outfile")
parser.add_argument("--outtype")
asked = parser.parse_args()
names = sorted(path.name for path in pathlib.Path(asked.model).iterdir())
pathlib.Path(asked.outfile).write_text(f"GGUF {asked.outtype} {names}")
"""


def converter(folder: Path, text: str = CONVERTER) -> str:
    """Writes a script in place of llama.cpp's converter; returns its path."""
    (folder / "convert_hf_to_gguf.py").write_text(text, encoding="utf-8")
    return str(folder / "convert_hf_to_gguf.py")


def test_the_modelfile_names_template_prompt_stops_and_limits() -> None:
    text = modelfile("m.gguf", MADE, PublishSettings())
    assert text.startswith("FROM ./m.gguf\n")
    assert 'SYSTEM """Say "x".\n"""' in text
    stops = re.findall(r'^PARAMETER stop "(.*)"$', text, re.MULTILINE)
    assert stops == ["</search>", "</answer>", "<information>", "</a>", "<end>"]
    limits = dict(re.findall(r"^PARAMETER (?!stop)(\w+) (\S+)$", text, re.MULTILINE))
    assert limits == {"num_ctx": "4096", "num_predict": "99", "temperature": "0", "repeat_penalty": "1"}
    template = re.search(r'TEMPLATE """(.*?)"""', text, re.DOTALL)
    assert template is not None
    assert '{{ "</u><a>" }}' in template[1]


@pytest.mark.parametrize(
    ("settings", "episode", "longest", "context"),
    [
        (PublishSettings(), 1024, 8192, 4096),
        (PublishSettings(), 6000, 8192, 6000),
        (PublishSettings(), 1024, 2048, 2048),
        (PublishSettings(num_ctx=512), 1024, 8192, 512),
        (PublishSettings(num_ctx=99999), 1024, 0, 99999),
    ],
)
def test_the_context_length(settings: PublishSettings, episode: int, longest: int, context: int) -> None:
    made = replace(MADE, agent=AgentSettings(max_length=episode), longest=longest)
    assert context_length(made, settings) == context


def test_the_converter_reads_the_finished_folder(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "my model"
    flags = ["--gguf", "--gguf-type", "f16", "--converter", converter(tmp_path)]
    assert main(["publish", str(tiny_checkpoint), "-o", str(output), *flags]) == 0
    written = (output / "my-model.gguf").read_text(encoding="utf-8")
    assert written.startswith("GGUF f16 ")
    assert "'chat_template.jinja', 'config.json', 'generation_config.json'" in written
    assert "FROM ./my-model.gguf" in (output / "Modelfile").read_text(encoding="utf-8")
    assert "ollama create NAME -f Modelfile" in (output / "README.md").read_text(encoding="utf-8")
    assert "with my-model.gguf" in "".join(capsys.readouterr())


def test_a_converter_that_fails_leaves_no_folder(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--gguf", "--converter", converter(tmp_path, "raise NotImplementedError('unknown tokenizer.')")]
    assert main(["publish", str(tiny_checkpoint), "-o", str(tmp_path / "out"), *flags]) == 1
    message = capsys.readouterr().err
    assert "llama.cpp's converter wrote no GGUF file: NotImplementedError: unknown tokenizer." in message
    assert [path.name for path in tmp_path.iterdir()] == ["convert_hf_to_gguf.py"]


def test_a_converter_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    settings = PublishSettings(gguf=True, converter=converter(tmp_path, "pass"))
    with pytest.raises(ModelError, match="it gave no reason"):
        write_gguf(tmp_path, MADE, settings, "m")


def test_a_missing_converter_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--converter: there is no file /nowhere"):
        check_converter(PublishSettings(gguf=True, converter="/nowhere"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"masksearch\[gguf\]"):
        check_converter(PublishSettings(gguf=True))


def test_a_template_that_does_more_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a chat template that only puts texts around the messages"):
        write_gguf(tmp_path, replace(MADE, form=None), PublishSettings(gguf=True), "m")
