"""Columns to messages and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import chat
from curate.errors import InputError
from curate.record import examples

TEXT = st.text(min_size=1, max_size=5)
HISTORY = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(
    lambda pairs: [
        turn for q, a in pairs for turn in ({"role": "user", "content": q}, {"role": "assistant", "content": a})
    ]
)


@given(st.none() | TEXT, HISTORY, TEXT, st.sampled_from([None, "tool"]), TEXT)
def test_columns_survive_the_way_to_messages_and_back(system, history, prompt, role, response):
    example = {"system": system, "history": history, "prompt": prompt, "prompt_role": role, "response": response}
    assert chat.from_messages(chat.to_messages(example)) == example


@given(st.lists(st.tuples(st.none() | TEXT, HISTORY, TEXT, st.sampled_from([None, "tool"]), TEXT), max_size=4))
def test_the_expression_and_the_function_agree(rows):
    names = ("system", "history", "prompt", "prompt_role", "response")
    frame = examples("s", [{"key": str(i), **dict(zip(names, row, strict=True))} for i, row in enumerate(rows)])
    assert frame.select(chat.messages())["messages"].to_list() == [chat.to_messages(row) for row in frame.to_dicts()]


def test_turns_after_the_last_answer_are_left_out():
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "x"},
    ]
    assert chat.to_messages(chat.from_messages(messages)) == messages[:2]


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([{"role": "robot", "content": "x"}], "message 1 has role 'robot'; expected one of system, user"),
        ([{"role": "user", "content": None}], "message 1 has no text content"),
        ([{"role": "user", "content": "x"}], "no question followed by an answer"),
        ([{"role": "assistant", "content": "x"}], "no question followed by an answer"),
    ],
)
def test_what_is_no_conversation_is_refused_with_its_reason(messages, complaint):
    with pytest.raises(InputError, match=complaint):
        chat.from_messages(messages)


def test_a_prompt_of_one_turn_is_named_by_its_text_alone():
    # printf Hello | b2sum -l 64
    assert chat.prompt_id([{"role": "user", "content": "Hello"}]) == "3c5c8a1fdb206886"
    assert chat.prompt_id([{"role": "user", "content": "Name a gem."}]) == "1ab2d0ae64d5ff9b"


def test_a_prompt_of_several_turns_is_named_by_their_json():
    turns = [("user", "Grüße"), ("assistant", "Hi"), ("user", "And?")]
    messages = [{"content": content, "role": role, "extra": "no part of it"} for role, content in turns]
    text = json.dumps([{"role": role, "content": content} for role, content in turns], ensure_ascii=False)
    # The same bytes through b2sum -l 64.
    assert text.startswith('[{"role": "user", "content": "Grüße"}, {"role": "assistant"')
    assert chat.prompt_id(messages) == "9116ce1ababd50c6"
    assert chat.prompt_id(messages) != chat.prompt_id(messages[-1:])


def test_a_system_prompt_makes_another_prompt_of_the_same_words():
    alone = [{"role": "user", "content": "Hello"}]
    assert chat.prompt_id([{"role": "system", "content": ""}, *alone]) != chat.prompt_id(alone)
    assert chat.prompt_id([{"role": "system", "content": "Hello"}]) != chat.prompt_id(alone)
