"""Benchmark of rollouts and training steps against existing implementations.

    python benchmarks/rollout.py [--only loop,back-ends,step] [--rounds 5]

The baselines are TRL's tool loop, transformers' continuous batching, and a plain PyTorch step. All sides
use the same tiny model, search and tasks in one process and alternate; values are medians, and ratios are
ratios of medians. The model is a Llama whose layers are computed but contribute 0, and whose head gives
fixed transition probabilities from each token to the next. It therefore thinks for a random number of
words (about 20), then searches or answers, with the same probabilities in either protocol. A rollout
searches 1.4 times on average, 4 times at most. Each search takes a fixed latency in addition to its own
time. TRL is measured with a blocking tool function, as users write it, and with a coroutine.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from masksearch.agent.loop import Episode, roll_out
from masksearch.agent.prompts import messages, render_information
from masksearch.agent.settings import AgentSettings
from masksearch.corpus import cut, read_documents
from masksearch.llm.base import Sampling
from masksearch.llm.decoder.local_policy import LocalPolicy
from masksearch.protocols import Searcher
from masksearch.runtime.files import write_json_lines
from masksearch.search import build, load
from masksearch.search.settings import IndexSettings
from masksearch.train.settings import RlSettings
from masksearch.types import Hit, Question

DATA = Path(__file__).parents[1] / "data"
Row = tuple[str, str, str]
"""(what was measured, its value, the target)."""

WIDTH, LAYERS, HEADS = 192, 4, 4
TASKS, GROUP = 8, 8
AGENT = AgentSettings(
    top_k=3, passage_words=60, max_searches=4, max_tokens=4000, turn_tokens=1000, max_length=2048
)
WORDS = tuple(f" thought{place}" for place in range(60))
QUERIES = tuple(f"river of town {place}" for place in range(64))
STOP, AGAIN = 0.05, 0.58
"""Probabilities, after each word, that the thought ends, and then that a search follows instead of the
answer."""
SEARCH, FOUND, ANSWER, END = "</think>\n<search>", "</search>", "</think>\n<answer>", "</answer>"
CALL = '</think>\n\n<tool_call>\n{"name": "search", "arguments": {"query": "'
CALLED, SAY, IM_END = '"}\n}</tool_call>'.replace("\n}", "}\n"), "</think>\n\n", "<|im_end|>"
PIECES = (
    "<think>",
    *WORDS,
    *QUERIES,
    *(f"it is {query}" for query in QUERIES),
    SEARCH,
    FOUND,
    ANSWER,
    END,
    CALL,
    CALLED,
    SAY,
)


class Delayed:
    """A search with an additional fixed latency."""

    def __init__(self, inner: Searcher, seconds: float) -> None:
        self.inner, self.seconds = inner, seconds

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the inner search."""
        return self.inner.fingerprint

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Blocks for the latency, then searches."""
        time.sleep(self.seconds)
        return self.inner.search(queries, k)

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Awaits the latency without blocking the event loop, then searches."""
        await asyncio.sleep(self.seconds)
        return await self.inner.asearch(query, k)


def make_tokenizer(texts: Sequence[str]) -> Any:
    """Returns a byte-level BPE tokenizer of the corpus.

    It has one extra token for each piece that the model writes.
    """
    from trl.chat_template_utils import qwen3_chat_template

    learnt = ByteLevelBPETokenizer()
    learnt.train_from_iterator(texts, vocab_size=1500, show_progress=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learnt._tokenizer, eos_token=IM_END, pad_token="<|endoftext|>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in PIECES])
    tokenizer.chat_template = qwen3_chat_template
    return tokenizer


def transitions(native: bool) -> dict[str, dict[str, float]]:
    """Returns piece -> probabilities of the next piece; `native` uses the tool calls that TRL parses."""
    search, close, answer, end = (CALL, CALLED, SAY, IM_END) if native else (SEARCH, FOUND, ANSWER, END)
    table: dict[str, dict[str, float]] = {"\n": {"<think>": 1.0}, "<think>": {WORDS[0]: 1.0}}
    for place, word in enumerate(WORDS):
        stop = STOP if place + 1 < len(WORDS) else 1.0
        table[word] = {
            search: stop * AGAIN,
            answer: stop * (1 - AGAIN),
            **({WORDS[place + 1]: 1 - stop} if stop < 1 else {}),
        }
    table[search] = {query: 1 / len(QUERIES) for query in QUERIES}
    table[answer] = {f"it is {query}": 1 / len(QUERIES) for query in QUERIES}
    table |= {query: {close: 1.0} for query in QUERIES} | {f"it is {query}": {end: 1.0} for query in QUERIES}
    return table | ({close: {IM_END: 1.0}} if native else {})


def make_model(tokenizer: Any, native: bool) -> LlamaForCausalLM:
    """Returns a Llama whose layers add 0 to the residual stream.

    The head therefore depends on the last token alone.
    """
    torch.manual_seed(0)
    size = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS // 2,
    }
    ends = {
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
    }
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), max_position_embeddings=4096, tie_word_embeddings=False, **size, **ends
        )
    )
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        # Tokens with the same transition probabilities have the same embedding and all others are
        # orthogonal to it, so the probabilities are exact.
        table = transitions(native)
        kinds = list({str(followers): None for followers in table.values()})
        directions = torch.linalg.qr(torch.randn(WIDTH, len(kinds)))[0].T  # (kinds, WIDTH), orthonormal
        head = torch.zeros(len(tokenizer), WIDTH)
        for kind, row in zip(kinds, directions, strict=True):
            same = [followers for followers in table.values() if str(followers) == kind]
            for follower, probability in same[0].items():
                head[_one(tokenizer, follower)] += (60 + math.log(probability)) * row / math.sqrt(WIDTH)
        for piece, followers in table.items():
            model.model.embed_tokens.weight[_one(tokenizer, piece)] = directions[kinds.index(str(followers))]
        model.lm_head.weight.copy_(head)
    return model.eval()


def _one(tokenizer: Any, piece: str) -> int:
    ids = tokenizer(piece, add_special_tokens=False)["input_ids"]
    assert len(ids) == 1, (piece, ids)
    return int(ids[0])


class Workbench:
    """The passages, tokenizer, tasks and search that all measurements share."""

    def __init__(self, folder: Path, tasks: int) -> None:
        found = []
        for document in read_documents(str(DATA / "hotpotqa" / "corpus.jsonl.gz")):
            found += list(cut(document, 60))
            if len(found) >= 20_000:
                break
        self.index = folder / "index"
        build(found, self.index, IndexSettings(max_words=0))
        self.searcher = load(self.index)
        self.tokenizer = make_tokenizer([passage.text for passage in found[:2000]])
        self.tasks = [
            Question(
                id=f"q{place}",
                question=f"On which river does town {place} lie?",
                answers=(f"river of town {place}",),
            )
            for place in range(tasks)
        ]

    def repeated(self) -> list[Question]:
        """Returns each task once for each rollout of its group."""
        return [task for task in self.tasks for _ in range(GROUP)]


class Ours:
    """Rollouts of our agent loop and slot engine."""

    def __init__(self, bench: Workbench) -> None:
        self.bench, self.round = bench, 0
        self.policy = LocalPolicy(
            make_model(bench.tokenizer, native=False),
            bench.tokenizer,
            "tiny",
            len(bench.repeated()),
            AGENT.max_length,
        )
        self.busy = 0.0
        step = self.policy.engine._step

        def timed() -> None:
            started = time.perf_counter()
            step()
            self.busy += time.perf_counter() - started

        self.policy.engine._step = timed  # type: ignore[method-assign]

    def __call__(self, latency: float) -> tuple[float, float, int, int, int]:
        """Rolls out all tasks.

        Returns seconds, the share of them in which the model generates, tokens of the model, searches,
        and tokens of prompts and search results.
        """
        self.round, self.busy, started = self.round + 1, 0.0, time.perf_counter()
        episodes = self.rolled_out(latency)
        seconds = time.perf_counter() - started
        usages = [episode.trajectory.usage for episode in episodes]
        records = [episode.record for episode in episodes if episode.record is not None]
        others = sum(len(record.prompt_ids) + record.mask.count(0) for record in records)
        return (
            seconds,
            self.busy / seconds,
            sum(usage.model_tokens for usage in usages),
            sum(usage.searches for usage in usages),
            others,
        )

    def rolled_out(self, latency: float) -> list[Episode]:
        """Returns a batch of rollouts, with new seeds in each round."""
        tasks = self.bench.repeated()
        samplings = [
            Sampling(1.0, 1000 * self.round + place, AGENT.max_length) for place in range(len(tasks))
        ]
        return roll_out(tasks, self.policy, Delayed(self.bench.searcher, latency), AGENT, samplings)


class Theirs:
    """TRL's GRPOTrainer with `tools=[search]`, up to the batch that it would train on."""

    def __init__(
        self, bench: Workbench, folder: Path, asynchronous: bool = False, continuous: bool = False
    ) -> None:
        from datasets import Dataset
        from trl import GRPOConfig, GRPOTrainer

        self.bench, self.latency, self.calls, self.busy = bench, 0.0, 0, 0.0

        def found(query: str) -> str:
            self.calls += 1
            return render_information(
                bench.searcher.search([query], AGENT.top_k)[0], AGENT.passage_words
            ).strip()

        def search(query: str) -> str:
            """Finds passages.

            Args:
                query: What to look for.

            Returns:
                The passages.
            """
            time.sleep(self.latency)
            return found(query)

        async def asearch(query: str) -> str:
            await asyncio.sleep(self.latency)
            return found(query)

        asearch.__name__, asearch.__doc__ = "search", search.__doc__
        prompts = [_question(task) for task in bench.tasks]
        size = len(bench.repeated())
        more = {"use_transformers_continuous_batching": True} if continuous else {}
        arguments = GRPOConfig(
            output_dir=str(folder / "trl"),
            num_generations=GROUP,
            per_device_train_batch_size=size,
            max_completion_length=AGENT.max_length,
            max_tool_calling_iterations=AGENT.max_searches,
            temperature=1.0,
            bf16=False,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            **more,
        )
        self.trainer = GRPOTrainer(
            model=make_model(bench.tokenizer, native=True),
            args=arguments,
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            processing_class=bench.tokenizer,
            reward_funcs=[lambda completions, **rest: [0.0] * len(completions)],
            tools=[asearch if asynchronous else search],
        )
        # `train` sets these before it generates; here only the generation runs.
        tools = [{"search": asearch if asynchronous else search}] * size
        self.trainer._sync_tool_dicts, self.trainer._async_tool_dicts = (
            ([{}] * size, tools) if asynchronous else (tools, [{}] * size)
        )
        generate = self.trainer._generate_single_turn

        def timed(*args: Any, **given: Any) -> Any:
            started = time.perf_counter()
            result = generate(*args, **given)
            self.busy += time.perf_counter() - started
            return result

        self.trainer._generate_single_turn = timed

    def __call__(self, latency: float) -> tuple[float, float, int, int, int]:
        """Rolls out all tasks and returns the same values as `Ours`."""
        self.latency, self.calls, self.busy = latency, 0, 0.0
        prompts = [_question(task) for task in self.bench.repeated()]
        self.trainer.model.train()
        started = time.perf_counter()
        output = self.trainer._generate(prompts)
        seconds = time.perf_counter() - started
        others = sum(map(len, output[0])) + sum(mask.count(0) for mask in output[2])
        return seconds, self.busy / seconds, sum(map(sum, output[2])), self.calls, others


def _question(task: Question) -> list[dict[str, str]]:
    """Returns TRL's prompt: the question alone, because its chat template explains the tool."""
    return [
        dict(message) for message in messages(task, "agent", AGENT.answer_form) if message["role"] == "user"
    ]


def loop(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures rollouts against TRL's tool loop at three latencies.

    The values are trajectories per second and the share of time in which the model generates.
    """
    targets = {0.0: "1.5", 0.05: "3", 0.2: "5"}
    with tempfile.TemporaryDirectory() as name:
        bench = Workbench(Path(name), TASKS)
        sides: dict[str, Callable[[float], tuple[float, float, int, int, int]]] = {
            "ours": Ours(bench),
            "TRL": Theirs(bench, Path(name)),
        }
        sides["TRL, coroutine"] = Theirs(bench, Path(name), asynchronous=True)
        for side in sides.values():
            side(0.0)
        rollouts = len(bench.repeated())
        for latency, target in targets.items():
            found: dict[str, list[tuple[float, float, int, int, int]]] = {side: [] for side in sides}
            for _ in range(arguments.rounds):
                for side, run in sides.items():
                    found[side].append(run(latency))
            medians = {
                side: [statistics.median(column) for column in zip(*figures, strict=True)]
                for side, figures in found.items()
            }
            for side, (seconds, share, tokens, searches, others) in medians.items():
                each = (
                    f"{tokens / rollouts:.0f} tokens written, {others / rollouts:.0f} read, "
                    f"{searches / rollouts:.1f} searches each"
                )
                rate = f"{rollouts / seconds:.1f} trajectories/s"
                yield (
                    f"{latency * 1000:.0f} ms per search, {side}: {rate}; {each}",
                    f"generating {share:.0%} of the time",
                    "80%" if (side, latency) == ("ours", 0.05) else "",
                )
            for side in list(sides)[1:]:
                ratio = medians[side][0] / medians["ours"][0]
                yield f"  speed-up of ours over {side}", f"{ratio:.2f}", target if side == "TRL" else ""


def back_ends(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures decoding alone on sequences with the lengths that agents write.

    The sides are our slots, transformers' continuous batching, and `generate` on one padded batch.
    """
    with tempfile.TemporaryDirectory() as name:
        bench = Workbench(Path(name), TASKS)
    rng = random.Random(0)
    loads = [
        (
            [rng.randrange(300, 1400) for _ in range(rng.randrange(110, 170))],
            min(160, 20 + int(rng.expovariate(1 / 40))),
        )
        for _ in range(64)
    ]
    model, other = (make_model(bench.tokenizer, native=False) for _ in range(2))
    policy = LocalPolicy(model, bench.tokenizer, "tiny", len(loads), 512)

    def slots() -> None:
        async def one(prompt: list[int], length: int) -> None:
            stream = await policy.engine.admit(0.0, 0)
            stream.pending = list(prompt)
            await policy.engine.generate(stream, length, lambda token: False)
            policy.engine.release(stream)

        async def everything() -> None:
            await asyncio.gather(*(one(prompt, length) for prompt, length in loads))

        asyncio.run(everything())

    def continuous() -> None:
        from transformers import GenerationConfig

        settings = GenerationConfig(
            do_sample=False, eos_token_id=-1, pad_token_id=bench.tokenizer.pad_token_id, max_new_tokens=160
        )
        with other.continuous_batching_context_manager(generation_config=settings) as manager:
            for prompt, length in loads:
                manager.add_request(prompt, max_new_tokens=length)
            finished = 0
            while finished < len(loads):
                result = manager.get_result(timeout=60)
                finished += result is not None and result.is_finished()

    def padded() -> None:
        width = max(len(prompt) for prompt, _ in loads)
        longest = max(length for _, length in loads)
        pad = int(bench.tokenizer.pad_token_id)
        # Both (batch, width), padded on the left.
        ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt, _ in loads])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt, _ in loads])
        with torch.inference_mode():
            other.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=longest,
                min_new_tokens=longest,
                do_sample=False,
                pad_token_id=pad,
            )

    sides = {"slots": slots, "generate, padded": padded, "transformers' continuous batching": continuous}
    found: dict[str, list[float]] = {}
    for number in range(arguments.rounds + 1):
        for side, run in sides.items():
            started = time.perf_counter()
            run()
            if number:  # the first round is a warm-up
                found.setdefault(side, []).append(time.perf_counter() - started)
    tokens = sum(length for _, length in loads)
    fastest = statistics.median(found["slots"])
    for side, seconds in found.items():
        yield (
            f"decoding 64 uneven sequences, {side}: {tokens / statistics.median(seconds):.0f} tokens/s",
            f"{statistics.median(seconds) / fastest:.2f} x time of slots",
            "",
        )


def step(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measures the trainer's step without rollouts and saving, against a plain loop on the same token ids.

    The plain loop does the forward pass, the clipped loss, the backward pass and AdamW.
    """
    from masksearch.train.rl.decoders import open_decoder
    from masksearch.train.rl.rollout import RolloutWorker
    from masksearch.train.rl.stage import make_trainer

    class Replayed(RolloutWorker):
        """Rolls out once and then returns the same batch again.

        Records the seconds between two calls, which are a step of the trainer, and runs the plain step in
        between.
        """

        columns: dict[str, Any] | None = None
        plain: PlainStep | None = None
        left = 0.0

        def __call__(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
            if self.columns is None or self.plain is None:
                self.seconds, self.alone = [], []
                self.columns = super().__call__(prompts, trainer)
                self.plain = PlainStep(make_model(bench.tokenizer, native=False), self.columns, self.settings)
            else:
                self.seconds.append(time.perf_counter() - self.left)
            self.alone.append(self.plain())
            self.left = time.perf_counter()
            return self.columns

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Workbench(folder, TASKS // 2)
        write_json_lines(folder / "tasks.jsonl", [task.to_json() for task in bench.tasks])
        values = {
            "model": "tiny",
            "tasks": str(folder / "tasks.jsonl"),
            "index": str(bench.index),
            "agent": AGENT,
            "trackers": ["none"],
        }
        sizes = {
            "steps": 2 + arguments.rounds,
            "prompts_per_step": TASKS // 2,
            "group_size": GROUP,
            "micro_batch_size": 8,
            "save_steps": 1000,
        }
        settings = RlSettings.model_validate(
            {**values, **sizes, "dynamic_sampling": False, "dtype": "float32"}
        )
        model = make_model(bench.tokenizer, native=False)
        worker = Replayed(
            settings, open_decoder(settings, model, bench.tokenizer, "tiny"), bench.searcher, folder
        )
        make_trainer(settings, model, bench.tokenizer, worker, folder).train()
    assert worker.columns is not None
    ours, raw = statistics.median(worker.seconds[1:]), statistics.median(worker.alone[1:])
    longest = max(
        len(prompt) + len(rest)
        for prompt, rest in zip(worker.columns["prompt_ids"], worker.columns["completion_ids"], strict=True)
    )
    shapes = f"{len(worker.columns['prompt_ids'])} rollouts of up to {longest} tokens, 8 at a time"
    yield (
        f"train step, {shapes}: {ours:.2f} s; plain PyTorch {raw:.2f} s",
        f"{raw / ours:.2f} of its speed",
        "0.85",
    )


class PlainStep:
    """A plain policy-gradient step.

    It uses the same micro-batches, and applies the head only to tokens with loss.
    """

    def __init__(self, model: LlamaForCausalLM, columns: dict[str, Any], settings: RlSettings) -> None:
        self.model, self.columns, self.settings = model.train(), columns, settings
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=1e-6, weight_decay=settings.weight_decay, fused=True
        )

    def __call__(self) -> float:
        """Runs one step and returns its seconds."""
        started = time.perf_counter()
        rows = list(
            zip(
                *(self.columns[name] for name in ("prompt_ids", "completion_ids", "env_mask", "logprobs")),
                strict=True,
            )
        )
        total = sum(sum(mask) for _, _, mask, _ in rows)
        for first in range(0, len(rows), self.settings.micro_batch_size):
            self._backward(rows[first : first + self.settings.micro_batch_size], total)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return time.perf_counter() - started

    def _backward(self, rows: Sequence[Any], total: int) -> None:
        length = max(len(prompt) + len(rest) for prompt, rest, _, _ in rows)
        # All (micro-batch, length), padded on the right.
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        attention = torch.zeros(len(rows), length, dtype=torch.long)
        wanted = torch.zeros(len(rows), length, dtype=torch.bool)
        old = torch.zeros(len(rows), length)
        for row, (prompt, rest, mask, logprobs) in enumerate(rows):
            end = len(prompt) + len(rest)
            ids[row, :end] = torch.tensor([*prompt, *rest])
            attention[row, :end] = 1
            wanted[row, len(prompt) : end] = torch.tensor(mask).bool()
            old[row, len(prompt) : end] = torch.tensor(logprobs)
        # The hidden state at a position predicts the next token.
        chosen = wanted[:, 1:]
        output = self.model.model(input_ids=ids, attention_mask=attention, use_cache=False)
        hidden = output.last_hidden_state[:, :-1][chosen]  # (tokens with loss, WIDTH)
        targets = ids[:, 1:][chosen]  # (tokens with loss,)
        logps = torch.log_softmax(self.model.lm_head(hidden), dim=-1).gather(1, targets[:, None])[:, 0]
        ratio, advantage = torch.exp(logps - old[:, 1:][chosen]), 1.0
        clipped = ratio.clamp(1 - self.settings.clip_low, 1 + self.settings.clip_high)
        loss = -torch.minimum(ratio * advantage, clipped * advantage).sum() / total
        loss.backward()


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "loop": loop,
    "back-ends": back_ends,
    "step": step,
}


def main() -> None:
    """Runs the chosen measurements and prints each line as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="measurements, separated by commas")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement")
    arguments = parser.parse_args()
    print(
        f"load average of the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; "
        f"PyTorch on {torch.get_num_threads()} threads"
    )
    print(f"{'work'.ljust(110)}  {'measured'.rjust(26)}  target")
    for name in arguments.only.split(","):
        for what, figure, target in PARTS[name](arguments):
            print(f"{what.ljust(110)}  {figure.rjust(26)}  {target}", flush=True)


if __name__ == "__main__":
    main()
