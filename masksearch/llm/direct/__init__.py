"""Answers with a checkpoint without `transformers`, whose import takes longer than the first answer.

    opened = open_direct(folder, dtype)     model and tokenizer, or None where this package does not know them

It knows plain Llama models (SmolLM2 is one) on a CPU, with a tokenizer that is one file. Everything else is
loaded by `llm/checkpoint.py`. Tokens and logits are those of `transformers`, to the last bit
(tests/unit/llm/direct); so the package serves where the time to the first token counts, which is `ask` and
`serve`, and trainings and evaluations never use it.
"""
