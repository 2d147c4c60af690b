"""Opens a model by its name: a checkpoint in this process, or a model at an endpoint."""

from __future__ import annotations

from masksearch.llm.base import Policy
from masksearch.llm.settings import ENDPOINTS


def open_policy(
    model: str,
    url: str = "",
    dtype: str = "auto",
    slots: int = 48,
    max_length: int = 1024,
    timeout: float = 120.0,
    quickly: bool = False,
) -> Policy:
    """Opens a model.

    `model` is a checkpoint folder, `openai:NAME` for a model at the endpoint `url`, or `openai-tools:NAME`
    for such a model with native tool calls. `dtype`, `slots` (sequences decoded at the same time) and
    `max_length` (tokens of an episode) hold for a checkpoint alone, `timeout` (seconds of one try of a
    request) for an endpoint alone. `quickly` opens a checkpoint without `transformers` where that is possible
    (llm/direct). Raises ModelError, UsageError and
    MissingExtraError.
    """
    if model.startswith(ENDPOINTS):
        name = model.partition(":")[2]
        if model.startswith("openai-tools:"):
            from masksearch.llm.native_tools import ToolsPolicy

            return ToolsPolicy(name, url, timeout)
        from masksearch.llm.endpoint import EndpointPolicy

        return EndpointPolicy(name, url, timeout)
    from masksearch.llm.checkpoint import checkpoint_name, load_checkpoint
    from masksearch.llm.decoder.local_policy import LocalPolicy
    from masksearch.llm.device import find_dtype
    from masksearch.llm.direct.opening import open_direct

    form = find_dtype(dtype)
    loaded, tokenizer = (open_direct(model, form) if quickly else None) or load_checkpoint(model, form)
    return LocalPolicy(loaded, tokenizer, checkpoint_name(model), slots, max_length)
