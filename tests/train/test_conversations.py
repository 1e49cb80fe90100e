import pytest

from curate import files
from curate.errors import InputError
from train.conversations import conversation, plain, rivals

ASKED = {"role": "user", "content": "Why?"}
ANSWERED = {"role": "assistant", "content": "Because."}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [ASKED, ANSWERED], "source": "forum", "license": "CC0-1.0"},
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "Because."}]},
        {"conversations": ["Why?", "Because."]},
        {"instruction": "Why?", "input": "", "output": "Because.", "history": []},
        {"prompt": "Why?", "response": "Because.", "system": None, "history": None},
        {"question": "Why?", "answer": "Because."},
        {"messages": [ASKED, ANSWERED, {"role": "user", "content": "And then?"}]},
    ],
)
def test_a_question_and_its_answer_read_the_same_in_every_form(row):
    assert conversation(row) == [ASKED, ANSWERED]


def test_system_history_and_input_stand_where_curate_puts_them():
    row = {
        "system": "Be brief.",
        "history": [["Hm?", "Ah."]],
        "instruction": "Why?",
        "input": "The sky.",
        "output": "Because.",
    }
    assert conversation(row) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hm?"},
        {"role": "assistant", "content": "Ah."},
        {"role": "user", "content": "Why?\n\nThe sky."},
        ANSWERED,
    ]


def test_the_fields_of_curates_examples_are_read_as_its_own_messages():
    from curate.chat import to_messages

    row = {"system": "Be brief.", "history": [ASKED, ANSWERED], "prompt": "And?", "response": "So."}
    assert conversation(row) == to_messages(row)


def test_tools_and_calls_are_put_into_words():
    call = {"role": "assistant", "content": None, "tool_calls": [{"name": "search"}]}
    turns = conversation({"messages": [ASKED, call, {"role": "tool", "content": "42"}, ANSWERED], "tools": "[search]"})
    assert turns[0] == {"role": "system", "content": "Available tools:\n[search]"}
    assert turns[2] == {"role": "assistant", "content": '[{"name":"search"}]'}
    assert turns[3:] == [{"role": "tool", "content": "42"}, ANSWERED]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"txt": "x"}, "no conversation; its fields: txt. Expected messages"),
        ({"instruction": "Why?"}, r"instruction without an answer \(output, response"),
        ({"messages": [ASKED]}, "has no assistant turn"),
        ({"messages": "Why?"}, "messages is text; expected a list"),
        ({"messages": []}, "the conversation of 0 turns has no assistant turn"),
        ({"messages": [{"role": "asistant", "content": "x"}]}, "turn 1 of messages .*Did you mean 'assistant'"),
        ({"messages": [{"content": "x"}]}, "turn 1 of messages has no known role .* It has content"),
        (
            {"messages": [ASKED, {"role": "assistant", "content": {"a": 1}}]},
            "turn 2 of messages is an object; expected text",
        ),
        ({"instruction": "Why?", "output": 5}, "output is a number; expected text"),
        ({"instruction": "Why?", "output": "x", "history": [["one"]]}, "turn 1 of history has 1 texts"),
    ],
)
def test_a_row_that_is_no_conversation_says_what_was_expected(row, message):
    with pytest.raises(InputError, match=message):
        conversation(row)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Why?", "chosen": "Because.", "rejected": "No."},
        {"messages": [ASKED], "chosen": ANSWERED, "rejected": {"role": "assistant", "content": "No."}},
        {"prompt": "Why?", "chosen": [ASKED, ANSWERED], "rejected": [ASKED, {"role": "assistant", "content": "No."}]},
        {"chosen": [ASKED, ANSWERED], "rejected": [ASKED, {"role": "assistant", "content": "No."}]},
        {
            "conversations": [{"from": "human", "value": "Why?"}],
            "chosen": {"from": "gpt", "value": "Because."},
            "rejected": {"from": "gpt", "value": "No."},
        },
        {"prompt": "Why?", "answers": [{"content": "No.", "score": 0}, {"content": "Because.", "score": 1}]},
    ],
)
def test_rival_answers_come_with_their_prompt_the_best_first(row):
    assert rivals(row) == ([ASKED], [("Because.", 1.0), ("No.", 0.0)])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "Why?", "chosen": "Because."}, "no rejected; its fields: prompt, chosen"),
        ({"chosen": "a", "rejected": "b"}, "no prompt: expected prompt or messages"),
        ({"prompt": "How?", "chosen": [ASKED, ANSWERED], "rejected": "No."}, "in chosen are not the prompt"),
        ({"prompt": "Why?", "chosen": [ASKED], "rejected": "No."}, "chosen ends with a user turn"),
        ({"prompt": "Why?", "answers": []}, "answers is nothing; expected a list"),
        ({"prompt": "Why?", "answers": [{"content": "x"}]}, "answer 1 has no number as its score"),
        ({"prompt": "Why?", "answers": [{"content": "x", "score": float("inf")}]}, "answer 1 has no number"),
        ({"answers": [{"content": "x", "score": 1}]}, "the row has no prompt; its fields: answers"),
    ],
)
def test_a_row_without_a_preference_says_what_was_expected(row, message):
    with pytest.raises(InputError, match=message):
        rivals(row)


def test_plain_text_is_a_field_with_words_in_it():
    assert plain({"text": " Once.\n"}) == " Once.\n"
    with pytest.raises(InputError, match=r"the row has no text; its fields: messages"):
        plain({"messages": []})
    with pytest.raises(InputError, match="the text is empty"):
        plain({"text": " \n"})


def test_real_sets_are_read_whole(shared_data):
    def read(reader, path):
        return [reader(row) for _, row in files.rows(shared_data(path))]

    # LIMA's 1,029 conversations, 29 of them with several turns.
    lengths = [len(turns) for turns in read(conversation, "instruction/lima/lima.json")]
    assert (len(lengths), sum(length > 2 for length in lengths)) == (1029, 29)
    assert {len(answers) for _, answers in read(rivals, "instruction/llamafactory_demo/dpo_en_demo.json")} == {2}
