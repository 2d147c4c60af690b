"""Documents set aside because of an endpoint: a later run retries them and ends in the same bytes."""

import json
import re

import pytest
from kit.endpoint import Endpoint, say
from kit.ramp_texts import RICH, write_corpus

from masksearch.cli.main import main
from masksearch.errors import MaskSearchError
from masksearch.ramp.run.stage import run_mask
from masksearch.ramp.settings import MaskSettings

pytest.importorskip("openai")


@pytest.fixture
def endpoint(monkeypatch):
    """A server that lists the years of a text, but answers nonsense for texts about the towns in its set
    `ill`."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    ill = set()

    def reply(body, number):
        text = body["messages"][1]["content"]
        if any(f"town{town} " in text for town in ill):
            return say("I would rather not.")
        years = [{"text": year, "category": "DATE"} for year in re.findall(r"\b1\d{3}\b", text)]
        return say(json.dumps({"spans": years}))

    with Endpoint(reply) as server:
        server.ill = ill
        yield server


def command(corpus, output, server):
    return [
        *("mask", corpus, "-o", str(output), "--extractor", "llm", "--llm", server.url, "--llm-model", "m"),
        *("--shard-size", "15", "--max-words", "0", "--masks", "1-2", "-q"),
    ]


@pytest.mark.slow
def test_a_later_run_of_the_same_command_takes_up_what_was_set_aside(tmp_path, endpoint):
    corpus = write_corpus(tmp_path / "c.jsonl", RICH[:40])
    assert main(command(corpus, tmp_path / "whole.jsonl", endpoint)) == 0
    assert not (tmp_path / "whole.jsonl.work" / "rejects.jsonl").exists()

    endpoint.ill.update((7, 8, 21))
    assert main(command(corpus, tmp_path / "t.jsonl", endpoint)) == 0
    work = tmp_path / "t.jsonl.work"
    rejects = [json.loads(line) for line in (work / "rejects.jsonl").read_text().splitlines()]
    assert [row["doc_id"] for row in rejects] == ["d7", "d8", "d21"]
    assert all(row["reason"] for row in rejects)
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 37

    endpoint.ill.clear()
    asked = len(endpoint.requests)
    assert main(command(corpus, tmp_path / "t.jsonl", endpoint)) == 0
    assert len(endpoint.requests) - asked == 3
    assert (tmp_path / "t.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not (work / "rejects.jsonl").exists()


def test_an_endpoint_that_answers_nothing_ends_the_run_and_the_next_one_goes_on(tmp_path, endpoint):
    corpus = write_corpus(tmp_path / "c.jsonl", RICH[:40])
    settings = MaskSettings(
        corpus=corpus,
        extractors=("llm",),
        llm=endpoint.url,
        llm_model="m",
        shard_size=20,
        max_words=0,
        masks="1",
    )
    endpoint.ill.update(range(20, 40))
    with pytest.raises(MaskSearchError, match="20 documents in a row were set aside"):
        run_mask(settings, tmp_path / "t.jsonl", tmp_path / "work")
    assert not (tmp_path / "t.jsonl").exists()
    endpoint.ill.clear()
    asked = len(endpoint.requests)
    run_mask(settings, tmp_path / "t.jsonl", tmp_path / "work")
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 40
    assert len(endpoint.requests) - asked == 20  # not for the first twenty, whose shard is written
