"""A client of the service, with OpenAI's library.

masksearch serve INDEX --model CHECKPOINT --port 8000
python examples/service_client.py http://127.0.0.1:8000 "Who discovered radium?"
"""

import os
import sys

from openai import OpenAI


def main(server: str, question: str) -> None:
    client = OpenAI(base_url=f"{server}/v1", api_key=os.environ.get("MASKSEARCH_TOKEN", "none"))
    stream = client.chat.completions.create(
        model="masksearch", messages=[{"role": "user", "content": question}], stream=True
    )
    sources = []
    for chunk in stream:
        for choice in chunk.choices:
            thought = getattr(choice.delta, "reasoning_content", None)
            print(thought or choice.delta.content or "", end="", flush=True)
            sources += getattr(choice.delta, "annotations", None) or []
    print()
    for source in sources:
        cited = source["url_citation"]
        print(f"  {cited['title']} ({cited['passage_id']}): {cited['sentence']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
