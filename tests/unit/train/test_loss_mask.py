"""Every model token carries loss and no other token does, for any trajectory and several tokenizers."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.tiny import CHATML, make_tiny_tokenizer

from masksearch.agent.prompts import messages
from masksearch.llm.token_session import decode, encode_plain, encode_prompt
from masksearch.train.loss_mask import IGNORED, encode_trajectory, encode_turns, message_end
from masksearch.types import MaskedTask, Question, Trajectory, Turn, task_json


@functools.cache
def tokenizers():
    larger = make_tiny_tokenizer(
        ["the quick brown fox discovers radium </search> in <answer>"] * 3, CHATML, vocab_size=700
    )
    return {
        "tiny": make_tiny_tokenizer(),
        "without template": make_tiny_tokenizer(chat_template=None),
        "larger": larger,
    }


NAMES = ["tiny", "without template", "larger"]
QUESTION = Question(id="q", question="Who discovered radium?", answers=("Marie Curie",))
MASKED = MaskedTask(
    id="t", doc_id="d", title="A", text="A is [mask].", answers=("x",), masks=1, original="A is x."
)
TEXT = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(
            ["<think>", "</answer>", "<|im_end|>", "<|endoftext|>", "\n", " ", "radium", "é", "東"]
        ),
        max_size=8,
    ).map("".join),
).filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))
TURNS = st.lists(st.builds(Turn, role=st.sampled_from(["model", "tool"]), text=TEXT), max_size=6)


def trajectory(turns, task=QUESTION, **extra):
    return Trajectory(
        id="x", task={**task_json(task), **extra}, turns=tuple(turns), answer="", status="answered"
    )


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=80, deadline=None)
@given(turns=TURNS)
def test_labels_stand_on_model_tokens_only(name, turns):
    tokenizer = tokenizers()[name]
    row = encode_trajectory(tokenizer, trajectory(turns))
    assert len(row.input_ids) == len(row.labels)
    # The expected tokens, turn by turn, as a rollout builds a session.
    prompt = encode_prompt(tokenizer, messages(QUESTION, "agent", "spans"))
    ids, written = list(prompt), [False] * len(prompt)
    for turn in turns:
        piece = encode_plain(tokenizer, turn.text)
        ids += piece
        written += [turn.role == "model"] * len(piece)
    if turns and turns[-1].role == "model":
        ids.append(tokenizer.eos_token_id)
        written.append(True)
    assert row.input_ids == ids
    assert row.labels == [token if model else IGNORED for token, model in zip(ids, written, strict=True)]
    learnt = [label for label in row.labels if label != IGNORED]
    assert decode(tokenizer, learnt) == "".join(turn.text for turn in turns if turn.role == "model")
    special = set(tokenizer.all_special_ids)
    ended = bool(turns) and turns[-1].role == "model"
    assert [token for token in row.input_ids[len(prompt) :] if token in special] == [
        tokenizer.eos_token_id
    ] * ended


def test_a_hand_case():
    tokenizer = tokenizers()["tiny"]
    turns = [Turn(role="model", text="ab"), Turn(role="tool", text="cd"), Turn(role="model", text="e")]
    one = {letter: tokenizer.convert_tokens_to_ids(letter) for letter in "abcde"}
    row = encode_turns(tokenizer, [1, 9], turns, 2)
    pieces = [encode_plain(tokenizer, text) for text in ("ab", "cd", "e")]
    assert pieces[2] == [one["e"]]
    assert row.input_ids == [1, 9, *pieces[0], *pieces[1], one["e"], 2]
    assert row.labels == [-100, -100, *pieces[0], *[-100] * len(pieces[1]), one["e"], 2]
    assert encode_turns(tokenizer, [1], turns, None).labels[-1] == one["e"]
    assert encode_turns(tokenizer, [1], turns[:2], 2).input_ids[-1] != 2
    assert encode_turns(tokenizer, [1], [], 2).input_ids == [1]


def test_the_prompt_is_that_of_the_answer_form():
    tokenizer = tokenizers()["tiny"]
    turns = [Turn(role="model", text="x")]
    for form in ("spans", "paragraph"):
        row = encode_trajectory(tokenizer, trajectory(turns, MASKED, answer_form=form))
        prompt = encode_prompt(tokenizer, messages(MASKED, "agent", form))
        assert row.input_ids[: len(prompt)] == prompt
    assert encode_trajectory(tokenizer, trajectory(turns, MASKED)) == encode_trajectory(
        tokenizer, trajectory(turns, MASKED, answer_form="spans")
    )


def test_the_prompt_names_the_tools_that_were_offered():
    tokenizer = tokenizers()["tiny"]
    turns = [Turn(role="model", text="x")]
    row = encode_trajectory(tokenizer, trajectory(turns).model_copy(update={"tools": ("search", "open")}))
    prompt = encode_prompt(tokenizer, messages(QUESTION, "agent-open", "spans"))
    assert row.input_ids[: len(prompt)] == prompt
    assert row != encode_trajectory(tokenizer, trajectory(turns))


def test_the_end_of_a_message():
    tokenizer = make_tiny_tokenizer()
    assert message_end(tokenizer) == tokenizer.convert_tokens_to_ids("<|im_end|>")
    tokenizer.eos_token = "<|endoftext|>"
    assert message_end(tokenizer) == tokenizer.convert_tokens_to_ids(
        "<|im_end|>"
    )  # the template's, not the end of text
    tokenizer.chat_template = None
    assert message_end(tokenizer) == tokenizer.convert_tokens_to_ids("<|endoftext|>")
    tokenizer.eos_token = None
    assert message_end(tokenizer) is None
