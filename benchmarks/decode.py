"""Benchmark of decoding speed: the slot engine against `generate` on padded batches.

    python benchmarks/decode.py CHECKPOINT [--sequences 96] [--slots 48] [--rounds 3]

Both decode the same prompts to the same lengths with the same model, in one process. There are two loads:
sequences of equal length, which need no padding, and sequences with the lengths that agents write (a few
long, most short), where a padded batch waits for its longest sequence. Rounds alternate between the two;
the table shows medians and their ratio.
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
"""(prompt ids, number of tokens to decode) of each sequence."""


def make_load(sequences: int, ragged: bool, vocabulary: int) -> Load:
    """Returns random prompts of 110 to 170 tokens, and how many tokens to decode.

    These are 60 tokens for each sequence; with `ragged`, between 20 and 160 with the same mean.
    """
    rng = random.Random(0)
    load = []
    for _ in range(sequences):
        prompt = [rng.randrange(1000, vocabulary) for _ in range(rng.randrange(110, 170))]
        load.append((prompt, min(160, 20 + int(rng.expovariate(1 / 40))) if ragged else 60))
    return load


def by_engine(engine: Engine, load: Load) -> None:
    """Decodes all sequences in the slots of the engine."""

    async def one(prompt: list[int], length: int) -> None:
        stream = await engine.admit(0.0, 0)
        stream.pending = list(prompt)
        await engine.generate(stream, length, lambda token: False)
        engine.release(stream)

    async def everything() -> None:
        await asyncio.gather(*(one(prompt, length) for prompt, length in load))

    asyncio.run(everything())


def by_generate(model: torch.nn.Module, load: Load, batch: int, pad: int) -> None:
    """Decodes padded batches; each runs until its longest sequence ends."""
    for start in range(0, len(load), batch):
        part = load[start : start + batch]
        width = max(len(prompt) for prompt, _ in part)
        # (batch, width), padded on the left
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
    """Returns the wall time of one call in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Prints the speed of both on each load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder")
    parser.add_argument("--sequences", type=int, default=96, help="sequences of a load")
    parser.add_argument("--slots", type=int, default=48, help="slots, and sequences of a padded batch")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each measurement")
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
        engine_rate, generate_rate = (wanted / statistics.median(times) for times in (ours, theirs))
        print(f"{name:8} {engine_rate:13.0f} {generate_rate:15.0f} {ratio:6.2f}")


if __name__ == "__main__":
    main()
