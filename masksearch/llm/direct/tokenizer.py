"""A tokenizer that is one file, with the few methods that the policies call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import ModelError


class DirectTokenizer:
    """The file `tokenizer.json` with a chat template."""

    def __init__(self, file: Path, special: Mapping[str, str], chat_template: str) -> None:
        """`special` has the special tokens by their names, such as `eos_token`. Raises ValueError if the file
        has no such tokens, or cannot be read."""
        from tokenizers import Tokenizer

        try:
            self._inner = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises plain exceptions
            raise ValueError(str(error)) from None
        self._inner.no_truncation()
        self._inner.no_padding()
        self._special, self.chat_template = dict(special), chat_template
        ids = {name: self._inner.token_to_id(token) for name, token in special.items()}
        if None in ids.values():
            raise ValueError("a special token is missing")
        self.eos_token_id: int | None = ids.get("eos_token")

    def __len__(self) -> int:
        """Returns the number of tokens."""
        return int(self._inner.get_vocab_size(with_added_tokens=True))

    def __call__(
        self, text: str, add_special_tokens: bool = False, split_special_tokens: bool = False
    ) -> dict[str, list[int]]:
        """Returns the token ids of a text. With `split_special_tokens`, the names of special tokens in it are
        plain characters."""
        self._inner.encode_special_tokens = split_special_tokens
        return {"input_ids": self._inner.encode(text, add_special_tokens=add_special_tokens).ids}

    def decode(
        self,
        ids: Sequence[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool = False,
    ) -> str:
        """Returns the text of token ids, with its spaces unchanged."""
        return str(self._inner.decode(list(ids), skip_special_tokens=skip_special_tokens))

    def batch_decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Returns the text of each list of token ids, with special tokens."""
        return list(self._inner.decode_batch(list(map(list, rows)), skip_special_tokens=False))

    def apply_chat_template(
        self, messages: Sequence[Mapping[str, Any]], tokenize: bool, add_generation_prompt: bool
    ) -> str:
        """Returns a chat as text, up to the model's turn. Raises ModelError if the template refuses it."""
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> None:
            raise TemplateError(message)

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = refuse
        try:
            return environment.from_string(self.chat_template).render(
                messages=messages,
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self._special,
            )
        except TemplateError as error:
            raise ModelError(f"The chat template of the model refuses the prompt: {error}.") from error
