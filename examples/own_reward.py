"""Your own reward: reinforcement learning with a function of an answer and its gold answers.

    python examples/own_reward.py CHECKPOINT examples/elements.jsonl

On the command line and in recipes, the setting names the function by its file:

    masksearch rl ... --reward.answer examples/own_reward.py:near
"""

import re
import sys

from masksearch import Corpus, Index, mask, rl


def near(answer: str, golds: tuple[str, ...]) -> float:
    """1 for the right number, and less for each unit that it is off: 1811 instead of 1817 earns 0.14.

    Called for each mask; returns a number from 0 to 1. The weights, the gate against answers without a
    search, and the other parts of the reward stay those of the settings `reward`.
    """
    found = re.search(r"\d+", answer)
    right = [int(number) for gold in golds for number in re.findall(r"\d+", gold)]
    if not found or not right:
        return 0.0
    return max(1 / (1 + abs(int(found[0]) - number)) for number in right)


def main(model: str, docs: str, steps: str = "3") -> None:
    corpus = Corpus(docs, folder="runs/own-reward")
    index = Index.build(corpus)
    tasks = mask(corpus, index=index, limit=12, extractors=["dates", "numbers"], masks="1")
    trained = rl(
        model,
        tasks,
        index,
        steps=int(steps),
        prompts_per_step=2,
        group_size=4,
        reward={"answer": near},
    )
    for row in trained.log:
        print(f"step {row['step']}: reward of the answers {row['reward_answer']:.2f}")
    print(f"Trained model: {trained.path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
