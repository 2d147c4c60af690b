"""Decoding speed: the slot engine against `generate` on padded batches, same model, same prompts, same lengths, in one process.

    python benchmarks/decode.py CHECKPOINT [--sequences 96] [--slots 48] [--rounds 3]

Two loads: sequences of equal length (kind to padding), and of lengths as agents write them (a few long, most short), where a
padded batch waits for its longest. Prints medians over the rounds, which take turns, and their ratio. Not a test.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from masksearch.llm.checkpoint import load_checkpoint
from masksearch.llm.decoder.engine import Engine

Load = list[tuple[list[int], int]]
"""Prompt ids, and how many tokens to write."""


def make_load(sequences: int, ragged: bool, vocabulary: int) -> Load:
    """Random prompts of 110 to 170 tokens; 60 tokens to write, or between 20 and 160 of the same mean."""
    rng = random.Random(0)
    load = []
    for _ in range(sequences):
        prompt = [rng.randrange(1000, vocabulary) for _ in range(rng.randrange(110, 170))]
        load.append((prompt, min(160, 20 + int(rng.expovariate(1 / 40))) if ragged else 60))
    return load


def by_engine(engine: Engine, load: Load) -> None:
    """All sequences through the slots."""

    async def one(prompt: list[int], length: int) -> None:
        stream = await engine.admit(0.0, 0)
        stream.pending = list(prompt)
        await engine.generate(stream, length, lambda token: False)
        engine.release(stream)

    async def everything() -> None:
        await asyncio.gather(*(one(prompt, length) for prompt, length in load))

    asyncio.run(everything())


def by_generate(model: torch.nn.Module, load: Load, batch: int, pad: int) -> None:
    """Padded batches; each runs as long as its longest sequence."""
    for start in range(0, len(load), batch):
        part = load[start : start + batch]
        width = max(len(prompt) for prompt, _ in part)
        ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt, _ in part])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt, _ in part])
        longest = max(length for _, length in part)
        model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=longest,
            min_new_tokens=longest,
            do_sample=False,
            pad_token_id=pad,
        )  # type: ignore[operator]


def seconds(work: Callable[[], None]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Runs both on both loads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--sequences", type=int, default=96)
    parser.add_argument("--slots", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    plain, tokenizer = load_checkpoint(arguments.checkpoint, torch.bfloat16)
    decoder, _ = load_checkpoint(arguments.checkpoint, torch.bfloat16)
    engine = Engine(decoder, arguments.slots)
    print(f"{'load':8} {'engine tok/s':>13} {'generate tok/s':>15} {'ratio':>6}")
    for name, ragged in (("equal", False), ("ragged", True)):
        load = make_load(arguments.sequences, ragged, len(tokenizer))
        wanted = sum(length for _, length in load)
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ours.append(seconds(lambda load=load: by_engine(engine, load)))
            theirs.append(
                seconds(lambda load=load: by_generate(plain, load, arguments.slots, tokenizer.pad_token_id))
            )
        ratio = statistics.median(their / our for our, their in zip(ours, theirs, strict=True))
        print(
            f"{name:8} {wanted / statistics.median(ours):13.0f} {wanted / statistics.median(theirs):15.0f} {ratio:6.2f}"
        )


if __name__ == "__main__":
    main()
