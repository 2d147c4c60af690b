"""Evaluates a model behind an API, with and without search, and compares both.

    export OPENAI_API_KEY=...
    python examples/api_model.py https://api.openai.com/v1 gpt-4.1-mini examples/elements.jsonl

Any server of OpenAI's protocol will do: vLLM, Ollama, llama.cpp.
"""

import sys

from masksearch import Corpus, Index, compare, evaluate

QUESTIONS = [
    {"question": "Who discovered radium?", "answers": ["Marie and Pierre Curie", "Marie Curie"]},
    {"question": "In which year was iodine discovered?", "answers": ["1811"]},
    {"question": "Which element is named after the Moon?", "answers": ["Selenium"]},
]


def main(url: str, model: str, docs: str) -> None:
    index = Index.build(Corpus(docs, folder="runs/api-model"))
    runs = {
        method: evaluate(QUESTIONS, f"openai:{model}", index, llm=url, method=method, folder="runs/api-model")
        for method in ("closed-book", "rag", "agent-prompted")
    }
    print(compare(*runs.values()))
    for row in runs["agent-prompted"]:
        print(f"{row['id']}: {row['prediction']!r}, {row['searches']} searches")
    # Questions without answers give trajectories and costs.
    asked = evaluate([{"question": "Who found gallium?"}], f"openai:{model}", index, llm=url)
    print(asked)


if __name__ == "__main__":
    main(*sys.argv[1:])
