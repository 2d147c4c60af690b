"""POST /ask as the page uses it, kept answers, slots and queue, loading, metrics."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kit.agent_server import ANSWER, SEARCH, TURNS, Slow, asking, events, scripted, settings
from kit.serving_fakes import Broken, Server, index, running
from kit.waiting import LONG, wait_for

from masksearch.errors import UsageError
from masksearch.llm.base import Policy
from masksearch.serving.run import serve
from masksearch.serving.settings import ServeSettings, check_model_given


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with asking(scripted(*TURNS)) as server:
        yield server


def test_steps_come_as_events_and_the_record_at_the_end(server: Server) -> None:
    found = events(server, "Who discovered radium?")
    steps = [data for name, data in found if name == "step"]
    assert [step["step"] for step in steps] == ["started", "thought", "search", "results", "thought"]
    assert steps[2]["query"] == "who discovered radium"
    assert steps[3]["hits"][0]["title"] == "Marie Curie"
    name, record = found[-1]
    assert name == "record"
    assert (record["answer"], record["grounded"], record["fault"]) == ("Marie Curie", True, "")
    assert record["sources"][0]["id"] == "p0"
    assert record["steps"] == steps[1:]
    assert record["searches"] == 1


def test_an_answer_is_kept_under_an_id_that_cannot_be_guessed(server: Server) -> None:
    record = events(server, "Who discovered radium?")[-1][1]
    assert len(record["id"]) >= 16
    assert httpx.get(f"{server.url}/answers/{record['id']}", timeout=LONG).json() == record
    missing = httpx.get(f"{server.url}/answers/none", timeout=LONG)
    assert missing.status_code == 404
    assert "ask the question again" in missing.json()["detail"]


def test_only_the_last_answers_are_kept() -> None:
    with asking(scripted(*TURNS), settings(kept_answers=2)) as server:
        ids = [events(server, f"Question {number}?")[-1][1]["id"] for number in range(3)]
        statuses = [httpx.get(f"{server.url}/answers/{key}", timeout=LONG).status_code for key in ids]
    assert statuses == [404, 200, 200]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b'{"question": ""}', 422, "empty"),
        (b'{"question": " \\n"}', 422, "empty"),
        (b'{"question": "' + b"x" * 2001 + b'"}', 422, "2,001 characters"),
        (b'{"question": 5}', 422, "question"),
        (b"{}", 422, "question"),
        (b"{", 400, "not JSON"),
        (b"x" * 10_000_000, 413, "8,000,000 bytes"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(
    server: Server, content: bytes, status: int, words: str
) -> None:
    response = httpx.post(f"{server.url}/ask", content=content, timeout=LONG)
    assert response.status_code == status
    assert words in response.json()["detail"]
    assert response.json()["detail"].endswith(".")


@pytest.mark.parametrize(
    ("turns", "status", "words"),
    [
        (("no tags",), "no_answer", "neither a search nor an answer"),
        ((SEARCH,) * 9, "too_many_searches", "no answer in 6 searches"),
    ],
)
def test_an_episode_without_an_answer_says_why(turns: tuple[str, ...], status: str, words: str) -> None:
    with asking(scripted(*turns)) as server:
        record = events(server, "Who?")[-1][1]
        assert record["status"] == status
        assert words in record["fault"]
        assert server.metric(f'masksearch_questions_total{{outcome="{status}"}}') == 1


def test_a_model_that_never_answers_is_a_fault_after_the_first_event() -> None:
    with asking(Slow(), settings(question_timeout=0.2)) as server:
        found = events(server, "Who?")
    assert found[0] == ("step", {"step": "started"})
    assert found[-1][0] == "fault"
    assert "did not answer within 0.2 seconds" in found[-1][1]["detail"]


def test_a_note_is_a_step_and_in_the_record(server: Server) -> None:
    found = events(server, "Кто открыл радий?")
    steps = [data for name, data in found if name == "step"]
    record = found[-1][1]
    (note,) = record["notes"]
    assert note.startswith("The index has no word of this question (its language is 'en')")
    assert steps[1] == {"step": "note", "text": note}
    assert record["steps"] == steps[1:]
    assert (record["answer"], record["fault"]) == ("Marie Curie", "")
    assert events(server, "Who discovered radium?")[-1][1]["notes"] == []


def test_an_index_of_another_corpus_is_a_note_of_every_answer(tmp_path: Path) -> None:
    mark = {"name": "mine", "parent": "", "retrievers": ["bm25-0123456789ab"]}
    (tmp_path / "masksearch.json").write_text(json.dumps(mark), encoding="utf-8")
    with asking(scripted(*TURNS), settings(model=str(tmp_path))) as server:
        (note,) = events(server, "Who discovered radium?")[-1][1]["notes"]
        changed = {"messages": [{"role": "user", "content": "Who?"}], "temperature": 1}
        answer = httpx.post(f"{server.url}/v1/chat/completions", json=changed, timeout=LONG).json()
    assert note.startswith("The model was trained with the index bm25-0123456789ab, but this index is bm25-")
    assert answer["masksearch"]["notes"] == [note]


def test_a_bug_is_a_fault_without_its_words() -> None:
    class Buggy:
        name = "buggy"

        async def open(self, messages: Any, sampling: Any) -> Any:
            raise ZeroDivisionError("secret")

    with asking(Buggy()) as server:
        found = events(server, "Who?")
    assert found[-1] == ("fault", {"detail": "The server failed at this request. Its log holds the error."})


def test_a_search_that_fails_is_a_step() -> None:
    turns = ("<think>I look.</think>\n<search>denied</search>", ANSWER)
    with asking(scripted(*turns), searcher=Broken()) as server:
        steps = events(server, "Who?")[-1][1]["steps"]
    assert steps[2]["hits"] == []
    assert "failed" in steps[2]["text"]


def test_slots_are_shared_further_questions_wait_and_the_rest_come_again() -> None:
    slow = Slow()
    with asking(slow, settings(decode_slots=2, max_questions=1)) as server:
        answers: list[list[tuple[str, Any]]] = []
        threads = [threading.Thread(target=lambda: answers.append(events(server, "Who?"))) for _ in range(3)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            wait_for(
                lambda number=number: (
                    server.metric("masksearch_running_questions")
                    + server.metric("masksearch_waiting_questions")
                    == number
                )
            )
        assert server.metric("masksearch_waiting_questions") == 1
        assert slow.opened == 2
        refused = httpx.post(f"{server.url}/ask", json={"question": "Who?"}, timeout=LONG)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert "3 of at most 3 questions" in refused.json()["detail"]
        # Searches do not wait for the model.
        assert server.retrieve("radium").status_code == 200
        slow.gate.set()
        for thread in threads:
            thread.join(LONG)
        assert [answer[-1][0] for answer in answers] == ["record"] * 3
        assert sum(answer[0] == ("step", {"step": "waiting", "ahead": 0}) for answer in answers) == 1
        assert server.metric('masksearch_questions_total{outcome="answered"}') == 3
        assert server.metric('masksearch_http_requests_total{path="/ask",status="200"}') == 3
        assert server.metric('masksearch_http_requests_total{path="/ask",status="503"}') == 1
        assert slow.running == 0


def test_a_waiting_client_that_goes_away_leaves_the_queue() -> None:
    slow = Slow()
    with asking(slow, settings(decode_slots=1)) as server:
        first = threading.Thread(target=events, args=(server, "Who?"))
        first.start()
        wait_for(lambda: slow.opened == 1)
        with server.connect() as connection:
            body = b'{"question": "Who else?"}'
            connection.sendall(
                b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            wait_for(lambda: server.metric("masksearch_waiting_questions") == 1)
        wait_for(lambda: server.metric("masksearch_waiting_questions") == 0)
        slow.gate.set()
        first.join(LONG)
        assert slow.opened == 1


def test_the_server_lives_before_it_is_ready() -> None:
    gate = threading.Event()

    def load() -> Policy:
        assert gate.wait(LONG)
        return scripted(*TURNS)

    with asking(load, until_ready=False) as server:
        health = httpx.get(f"{server.url}/health", timeout=LONG)
        assert (health.status_code, health.json()["status"]) == (200, "ok")
        assert server.retrieve("radium").status_code == 200
        ready = httpx.get(f"{server.url}/ready", timeout=LONG)
        assert (ready.status_code, ready.headers["retry-after"]) == (503, "3")
        asked = httpx.post(f"{server.url}/ask", json={"question": "Who?"}, timeout=LONG)
        assert (asked.status_code, asked.json()) == (503, ready.json())
        gate.set()
        wait_for(lambda: httpx.get(f"{server.url}/ready", timeout=LONG).status_code == 200)
        assert events(server, "Who?")[-1][0] == "record"


def test_a_server_without_a_model_is_ready_and_has_no_question() -> None:
    with running(index()) as server:
        assert httpx.get(f"{server.url}/ready", timeout=LONG).json() == {"status": "ready"}
        assert httpx.post(f"{server.url}/ask", json={"question": "Who?"}, timeout=LONG).status_code == 404
        assert httpx.get(f"{server.url}/v1/models", timeout=LONG).status_code == 404


def test_paths_are_counted_without_their_ids(server: Server) -> None:
    httpx.get(f"{server.url}/answers/a-secret-id", timeout=LONG)
    assert server.metric('masksearch_http_requests_total{path="/answers/",status="404"}') >= 1
    assert "a-secret-id" not in httpx.get(f"{server.url}/metrics", timeout=LONG).text


def test_the_new_routes_are_documented(server: Server) -> None:
    paths = httpx.get(f"{server.url}/openapi.json", timeout=LONG).json()["paths"]
    assert {"/ask", "/answers/{key}", "/ready", "/v1/models", "/v1/chat/completions"} <= set(paths)


def test_settings_of_a_model_are_refused_without_one() -> None:
    with pytest.raises(UsageError, match="--llm, --page-title would have no effect"):
        serve(index(), ServeSettings(page_title="Ask us", llm="http://x/v1", port=0))
    check_model_given(ServeSettings(model="m", page_title="Ask us"))
    check_model_given(ServeSettings(port=0, search={"cache": "x"}))
