"""Spans listed by a model at an endpoint, over real HTTP on loopback."""

import json
import threading
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.endpoint import Answer, Endpoint, fail, say
from kit.waiting import LONG, nowhere, wait_for

from masksearch.errors import ModelError, UsageError
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Failure
from masksearch.ramp.spans.llm import LlmSpans, locate, make, read_answer
from masksearch.types import Passage

pytest.importorskip("openai")
KEY = "sk-very-secret-4711"
BARTO = "Andrew Barto, an English fan of English tea, studied at Michigan in 1970; it was in Michiganland."
GOOD = [
    {"text": "Andrew Barto", "category": "PERSON"},
    {"text": "1970", "category": "date"},
    {"text": "tea", "category": "DRINK"},
    {"text": "English", "category": "MISC"},  # occurs twice
    {"text": "Richard Sutton", "category": "PERSON"},  # not in the text
    {"text": "1970", "category": "DATE"},  # listed before
    {"text": "Michi", "category": "ORG"},  # inside a word
    {"text": "Michigan", "category": "ORG"},  # once as a word
]


def completion(content):
    """Builds a chat completion whose message is a text, or a value as JSON."""
    return say(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    servers = []

    def start(reply, **given):
        servers.append(Endpoint(reply, **given))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def passages(*texts, language="en"):
    return [
        Passage(id=str(number), doc_id="d", title="T", text=text, language=language)
        for number, text in enumerate(texts)
    ]


def extractor(url, retries=1, **settings):
    return LlmSpans(
        MaskSettings(extractors=("llm",), llm=url, llm_model="m", **settings), timeout=LONG, retries=retries
    )


def shown(passage, spans):
    return [(passage.text[span.start : span.end], span.category) for span in spans]


def test_spans_are_checked_against_the_text_and_what_is_dropped_is_counted(serve):
    server = serve(lambda body, number: completion({"spans": GOOD}))
    extract = extractor(server.url)
    (barto,) = passages(BARTO)
    (spans,) = extract([barto])
    assert shown(barto, spans) == [
        ("Andrew Barto", "PERSON"),
        ("tea", "OTHER"),
        ("Michigan", "ORG"),
        ("1970", "DATE"),
    ]
    assert extract.dropped == {
        "stands more than once": 1,
        "not in the text": 1,
        "listed twice": 1,
        "inside a word": 1,
    }
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body["messages"][1] == {"role": "user", "content": BARTO}
    assert body["response_format"] == {"type": "json_object"}
    assert (body["model"], body["temperature"]) == ("m", 0)
    assert KEY not in json.dumps(body)


@pytest.mark.parametrize(
    ("language", "name"), [("en", "English"), ("es", "Spanish"), ("fr", "French"), ("zh", "Chinese")]
)
def test_the_prompt_names_the_language(serve, language, name):
    server = serve(lambda body, number: completion({"spans": [{"text": "乌尔姆", "category": "GPE"}]}))
    (one,) = passages("爱因斯坦出生于乌尔姆。", language=language)
    list(extractor(server.url)([one]))
    assert f"The text is in {name}." in server.requests[0][2]["messages"][0]["content"]


def test_chinese_has_no_word_boundaries(serve):
    server = serve(lambda body, number: completion([{"text": "乌尔姆", "category": "GPE"}]))
    (one,) = passages("爱因斯坦出生于乌尔姆。", language="zh")
    assert shown(one, next(iter(extractor(server.url)([one])))) == [("乌尔姆", "GPE")]


def test_nonsense_is_asked_for_once_more_then_set_aside(serve):
    def reply(body, number):
        text = body["messages"][1]["content"]
        if text == "never":
            return completion("Sure! Here are the spans: none.")
        return completion("No.") if len(body["messages"]) == 2 else completion({"spans": ["tea"]})

    server = serve(reply)
    first, second = list(extractor(server.url)(passages("Some tea.", "never")))
    assert [span.category for span in first] == ["OTHER"]
    assert isinstance(second, Failure)
    assert "no JSON" in second.reason
    assert len(server.requests) == 4
    repair = next(body["messages"] for _, _, body in server.requests if len(body["messages"]) == 4)
    assert [message["role"] for message in repair] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize(
    "content", ["not JSON at all", "[]", '{"choices": []}', '{"choices": [{"message": null}]}', ""]
)
def test_a_reply_that_is_no_completion_is_a_failure(serve, content):
    server = serve(lambda body, number: content)
    (row,) = extractor(server.url, retries=0)(passages(BARTO))
    assert isinstance(row, Failure)
    assert server.url in row.reason


def test_a_busy_endpoint_is_asked_again_when_it_says(serve):
    busy = Answer({"error": "busy"}, 429, {"Retry-After": "1"})
    server = serve([busy, completion({"spans": ["tea"]})])
    start = time.monotonic()
    (row,) = extractor(server.url)(passages(BARTO))
    assert len(row) == 1
    assert len(server.requests) == 2
    assert time.monotonic() - start >= 1


def test_an_endpoint_that_fails_for_ever(serve):
    server = serve([Answer({"error": KEY}, 500, {"retry-after-ms": "5"})])
    extract = extractor(server.url, retries=2, concurrency=1)
    rows = list(extract(passages(*"abcdefghijkl")))
    assert rows == [Failure(f"The endpoint {server.url} answered 500.")] * 12
    assert len(server.requests) == 8 * 3  # an outage: no request for the remaining passages
    assert list(extract(passages("a"))) == rows[:1]
    assert len(server.requests) == 9 * 3  # the next call sends requests again


def test_an_endpoint_that_fails_for_some(serve):
    def reply(body, number):
        return fail(500) if body["messages"][1]["content"] == "bad" else completion({"spans": []})

    server = serve(reply)
    rows = list(extractor(server.url, retries=0, concurrency=2)(passages("a", "bad", "b", "bad", "c")))
    assert [isinstance(row, Failure) for row in rows] == [False, True, False, True, False]


def test_an_endpoint_that_is_down():
    url = f"{nowhere()}/v1"
    rows = list(extractor(url, retries=0)(passages("a", "b")))
    assert rows == [Failure(f"The endpoint {url} cannot be reached.")] * 2


@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_ends_the_run(serve, status):
    server = serve([Answer({"error": KEY}, status)])
    with pytest.raises(ModelError, match=f"answered {status} for model 'm'") as caught:
        list(extractor(server.url)(passages("a", "b")))
    assert KEY not in str(caught.value)


def test_a_server_without_the_json_mode_is_asked_without_it(serve):
    def reply(body, number):
        return fail(400, "response_format") if "response_format" in body else completion({"spans": []})

    server = serve(reply)
    extract = extractor(server.url, concurrency=1)
    assert list(extract(passages("a", "b"))) == [[], []]
    assert ["response_format" in body for _, _, body in server.requests] == [True, False, False]


def test_many_are_asked_at_a_time_and_come_back_in_order(serve):
    def reply(body, number):
        time.sleep(0.01 * (number % 3))
        return completion({"spans": [body["messages"][1]["content"].split()[1]]})

    server = serve(reply, together=8)
    texts = [f"text n{number}x here" for number in range(40)]
    rows = list(extractor(server.url, concurrency=8)(passages(*texts)))
    assert [text[row[0].start : row[0].end] for text, row in zip(texts, rows, strict=True)] == [
        f"n{number}x" for number in range(40)
    ]
    assert server.most == 8


def test_leaving_early_takes_back_what_is_not_asked_yet(serve):
    left = threading.Event()

    def reply(body, number):
        assert number < 5 or left.wait(LONG)
        return completion({"spans": []})

    server = serve(reply)
    extract = extractor(server.url, concurrency=2)
    rows = extract(passages(*"abcdefghijklmnopqrstuvwxyz"))
    assert next(rows) == []
    wait_for(lambda: len(server.requests) == 7)
    rows.close()
    left.set()
    assert list(extract(passages("z"))) == [[]]  # the extractor is usable afterwards
    asked = [body["messages"][1]["content"] for body in server.bodies]
    assert len(asked) == 8
    assert asked[-1] == "z"


def test_wrong_use():
    with pytest.raises(UsageError, match="--llm-model"):
        make(MaskSettings(extractors=("llm",), llm="http://127.0.0.1:1/v1"))
    with pytest.raises(UsageError, match="--llm needs the base URL"):
        make(MaskSettings(extractors=("llm",), llm_model="m"))


@pytest.mark.parametrize(
    ("answer", "listed"),
    [
        ('{"spans": [{"text": "a", "category": "PERSON"}]}', [("a", "PERSON")]),
        ('```json\n{"spans": [{"text": "a", "type": "LOC"}]}\n```', [("a", "LOC")]),
        (
            '<think>{"spans": ["x"]} [maybe]</think>Here [1] it is: '
            '{"entities": ["a", {"span": "b"}, 7, null, {"text": 3}]} I hope {so}',
            [("a", ""), ("b", "")],
        ),
        ('["a"]', [("a", "")]),
        ('{"spans": []}', []),
        ('{"spans": [{"text": "a"', None),
        ("{'spans': ['a']}", None),
        ("__import__('os').system('true')", None),
        ("[" * 5000, None),
        ("", None),
    ],
)
def test_reading_answers(answer, listed):
    assert read_answer(answer) == listed


@given(
    st.text(alphabet='ab .-国é[]{}"', max_size=40),
    st.lists(st.tuples(st.text(alphabet="ab .-国é[", max_size=4), st.text(max_size=3)), max_size=6),
)
def test_located_spans_stand_where_they_say(text, listed):
    dropped = Counter()
    spans = locate(text, listed, dropped)
    assert len(spans) + sum(dropped.values()) == len(listed)
    pieces = [text[span.start : span.end] for span in spans]
    assert set(pieces) <= {piece.strip() for piece, _ in listed}
    assert len(set(pieces)) == len(pieces)
