"""Each form of instruction set, by rows written out."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import record
from curate.chat import to_messages
from curate.errors import InputError
from curate.files import Unreadable
from curate.sources.instructions.forms import Options
from curate.sources.instructions.recognise import known_forms, recognise

USER, ASSISTANT = "user", "assistant"


def read(*rows, form=None):
    """Name of the form that is recognised, and what its reader makes of the rows."""
    head = list(enumerate(rows, start=1))
    found = recognise("set.json", head, known_forms(), Options("set.json"), form).form
    return found.name, [reading for _, reading in found.read(lambda: iter(head), Options("set.json"))]


def one(row, form=None):
    """Form, prompt, response and history (as pairs of role and text) of a single row."""
    name, (reading,) = read(row, form=form)
    assert not reading.rule, reading
    history = [(turn["role"], turn["content"]) for turn in reading.columns.get("history", [])]
    return name, reading.columns["prompt"], reading.columns["response"], history


def rule(row, form=None):
    name, (reading,) = read(row, form=form)
    return name, reading.rule, reading.columns["detail"]


def test_alpaca_joins_instruction_and_input_with_a_blank_line():
    row = {"instruction": "Translate to French.", "input": "Good morning.", "output": "Bonjour."}
    assert one(row) == ("alpaca", "Translate to French.\n\nGood morning.", "Bonjour.", [])
    assert one({**row, "input": ""}) == ("alpaca", "Translate to French.", "Bonjour.", [])


def test_alpaca_has_response_for_output_system_and_history():
    row = {
        "instruction": "And of Spain?",
        "response": "Madrid.",
        "system": "Be brief.",
        "history": [["Capital of France?", "Paris."]],
    }
    name, (reading,) = read(row)
    assert name == "alpaca"
    assert reading.columns["system"] == "Be brief."
    assert reading.columns["history"] == [
        {"role": USER, "content": "Capital of France?"},
        {"role": ASSISTANT, "content": "Paris."},
    ]


@pytest.mark.parametrize("missing", [None, math.nan, "", "  "])
def test_null_nan_and_empty_input_are_the_same(missing):
    assert one({"instruction": "Say hello.", "input": missing, "output": "Hello."})[1] == "Say hello."


@pytest.mark.parametrize("missing", [None, math.nan, ""])
def test_an_empty_answer_is_not_unreadable(missing):
    assert one({"instruction": "Say nothing.", "input": "", "output": missing})[2] == ""


def test_the_source_of_an_open_platypus_row_is_its_stratum():
    _, (reading,) = read({"instruction": "1 + 1?", "input": "", "output": "2", "data_source": "MATH/PRM-800K"})
    assert reading.columns["stratum"] == "MATH/PRM-800K"


@pytest.mark.parametrize(("context", "response"), [("context", "response"), ("input", "output")])
def test_dolly_in_both_spellings(context, response):
    row = {"instruction": "Who is it about?", context: "Ada wrote programs.", response: "Ada.", "category": "closed_qa"}
    assert one(row) == ("dolly", "Who is it about?\n\nAda wrote programs.", "Ada.", [])
    assert read(row)[1][0].columns["stratum"] == "closed_qa"


@pytest.mark.parametrize("human", ["human", "user", "prompter"])
@pytest.mark.parametrize("gpt", ["gpt", "assistant", "bot", "chatgpt", "bing", "bard"])
@pytest.mark.parametrize("text", ["value", "text", "content"])
def test_sharegpt_in_all_spellings_of_roles_and_texts(human, gpt, text):
    row = {"conversations": [{"from": human, text: "Why?"}, {"from": gpt, text: "Because."}]}
    assert one(row) == ("sharegpt", "Why?", "Because.", [])


@pytest.mark.parametrize("column", ["conversations", "conversation", "items"])
def test_sharegpt_under_three_column_names(column):
    assert one({column: [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]})[0] == "sharegpt"


def test_sharegpt_keeps_calls_observations_and_the_descriptions_of_tools():
    row = {
        "conversations": [
            {"from": "human", "value": "Weather in Oslo?"},
            {"from": "function_call", "value": '{"name": "weather"}'},
            {"from": "observation", "value": "3 degrees"},
            {"from": "gpt", "value": "It is 3 degrees."},
            {"from": "human", "value": "Thanks."},
            {"from": "gpt", "value": "Gladly."},
        ],
        "system": "Be kind.",
        "tools": '[{"name": "weather"}]',
    }
    assert one(row)[1:] == (
        "Thanks.",
        "Gladly.",
        [
            ("user", "Weather in Oslo?"),
            ("assistant", '{"name": "weather"}'),
            ("tool", "3 degrees"),
            ("assistant", "It is 3 degrees."),
        ],
    )
    assert read(row)[1][0].columns["system"] == 'Be kind.\n\nAvailable tools:\n[{"name": "weather"}]'


def test_swift_writes_a_conversation_as_pairs():
    row = {"conversation": [{"human": "1?", "assistant": "one"}, {"human": "2?", "assistant": "two"}]}
    assert one(row) == ("sharegpt", "2?", "two", [("user", "1?"), ("assistant", "one")])


def test_messages_have_parts_developer_and_tool_calls():
    call = {"type": "function", "function": {"name": "add", "arguments": "{}"}}
    row = {
        "messages": [
            {"role": "developer", "content": "Use tools."},
            {"role": "user", "content": [{"type": "text", "text": "1 + "}, {"type": "text", "text": "1?"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "2"},
            {"role": "assistant", "content": "Two."},
        ]
    }
    name, (reading,) = read(row)
    assert name == "messages"
    assert reading.columns["system"] == "Use tools."
    assert reading.columns["history"] == [
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "content": '[{"type":"function","function":{"name":"add","arguments":"{}"}}]'},
    ]
    assert (reading.columns["prompt"], reading.columns["response"]) == ("2", "Two.")


def test_a_picture_in_a_message_makes_the_row_unreadable():
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "x"}}]
    row = {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "A cat."}]}
    assert rule(row) == (
        "messages",
        "unreadable",
        "turn 1 of messages holds a part that is not text (image_url); only text can be used",
    )


def test_a_row_that_comes_with_a_picture_is_unreadable():
    assert rule({"question": "How long is AB?", "answer": "3", "picture": "ab.png"})[1:] == (
        "unreadable",
        "the row comes with picture; only text can be used",
    )


def test_query_response_with_history():
    row = {"query": "And 2?", "response": "two", "history": [["1?", "one"]], "system": None}
    assert one(row) == ("query_response", "And 2?", "two", [("user", "1?"), ("assistant", "one")])


def test_lima_alternates_and_a_question_without_answer_at_the_end_is_left_out_and_flagged():
    row = {"conversations": ["Why?", "Because.", "Really?"], "source": "stackexchange"}
    assert one(row) == ("lima", "Why?", "Because.", [])
    columns = read(row)[1][0].columns
    assert (columns["flags"], columns["stratum"]) == (["trailing_question"], "stackexchange")


def test_a_lone_question_has_no_answer():
    assert rule({"conversations": ["Why?"], "source": ""}) == ("lima", "no_answer", "no assistant turn")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Why?", "chosen": "Because.", "rejected": "No idea."},
        {"conversations": [{"from": "human", "value": "Why?"}], "chosen": {"from": "gpt", "value": "Because."}},
        {"prompt": [{"role": "user", "content": "Why?"}], "chosen": [{"role": "assistant", "content": "Because."}]},
        {
            "prompt": "Why?",
            "chosen": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}],
            "messages": [],
        },
        {"instruction": "Why?", "input": "", "chosen": "Because.", "rejected": ""},
    ],
)
def test_of_a_pair_the_preferred_answer_is_taken(row):
    assert one(row) == ("preference", "Why?", "Because.", [])


def test_an_answer_that_was_not_wanted_is_rejected():
    talk = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    assert one({"messages": talk, "label": True}) == ("kto", "Why?", "Because.", [])
    assert rule({"messages": talk, "label": False}) == ("kto", "not_preferred", "label is false")
    assert rule({"prompt": "Why?", "completion": "Because.", "label": "False"})[1] == "not_preferred"
    assert rule({"messages": talk, "label": None})[1:] == ("unreadable", "label is nothing; expected true or false")


def test_p3_has_inputs_and_targets():
    assert one({"inputs": "Is it big?", "targets": "yes", "task": "boolq"}) == ("p3", "Is it big?", "yes", [])
    tokens = {"inputs": [3, 1], "inputs_pretokenized": "Is it big?", "targets": [2], "targets_pretokenized": "yes"}
    assert one(tokens) == ("p3", "Is it big?", "yes", [])
    assert one({"definition": "Answer.", "inputs": "Is it big?", "targets": "yes"})[1] == "Answer.\n\nIs it big?"


def test_every_instance_of_a_seed_task_is_an_example():
    instances = [{"input": "eggs", "output": "Omelette."}, {"input": "", "output": "Toast."}, "?"]
    name, readings = read({"id": "t", "instruction": "Suggest a breakfast.", "instances": instances})
    assert name == "seed_tasks"
    assert [(r.part, r.rule, r.columns.get("prompt")) for r in readings] == [
        ("#1", "", "Suggest a breakfast.\n\neggs"),
        ("#2", "", "Suggest a breakfast."),
        ("#3", "unreadable", None),
    ]


@pytest.mark.parametrize(
    ("answer", "text"), [(11760, "11760"), (0.5, "0.5"), (True, "True"), ([1, 2], "[1, 2]"), ("(a)", "(a)")]
)
def test_answers_that_are_numbers_become_text(answer, text):
    row = {"question": "How much?", "answer": answer, "field": "Math", "subfield": "Algebra"}
    assert one(row) == ("question_answer", "How much?", text, [])
    columns = read(row)[1][0].columns
    assert (columns["group"], columns["stratum"]) == ("Math", "Algebra")


@pytest.mark.parametrize("answer", ["response", "completion", "output", "answer"])
def test_prompt_with_any_name_for_the_answer(answer):
    assert one({"prompt": "Why?", answer: "Because."}) == ("prompt_response", "Why?", "Because.", [])


def test_input_is_a_text_or_the_messages_before_the_output():
    assert one({"input": "Why?", "output": "Because."}) == ("input_output", "Why?", "Because.", [])
    row = {"input": [{"role": "user", "content": "Why?"}], "output": "Because.", "system_prompt": "Be brief."}
    assert one(row) == ("input_output", "Why?", "Because.", [])
    assert read(row)[1][0].columns["system"] == "Be brief."


def test_a_scibench_problem_has_its_solution_before_the_answer_with_its_unit():
    row = {"problem_text": "How far?", "answer_latex": " 5", "answer_number": "5", "unit": "$\\mathrm{m}$ "}
    assert one(row) == ("scibench", "How far?", "5 $\\mathrm{m}$", [])
    assert one({**row, "solution": "Add 2 and 3."})[2] == "Add 2 and 3.\n\n5 $\\mathrm{m}$"


def test_a_list_in_a_table_cell_is_read_as_json():
    cell = '[{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]'
    assert one({"messages": cell}) == ("messages", "Why?", "Because.", [])


def test_facts_beside_the_conversation_are_kept():
    row = {"prompt": "a", "response": "b", "score": 4.5, "license": "MIT", "url": "https://e.org/1", "tags": ["x", 1]}
    columns = read(row)[1][0].columns
    assert {name: columns[name] for name in ("score", "license", "url", "tags")} == {
        "score": 5,
        "license": "MIT",
        "url": "https://e.org/1",
        "tags": ["x"],
    }
    assert read({**row, "score": math.nan})[1][0].columns["score"] is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"instruction": "x"}, "the row has no output|response; found instruction"),
        ({"instruction": {"a": 1}, "output": "y"}, "instruction is an object; expected text"),
        ({"instruction": "x", "output": ["y", "z"]}, "output is a list; expected text"),
        ({"instruction": "x", "output": "y", "history": [["q"]]}, "turn 1 of history has 1 texts; expected a question and its answer"),
        ({"instruction": "x", "output": "y", "history": "q: a"}, "history is text; expected a list"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_fit_says_what_was_expected_and_what_was_found(row, reason):
    good = {"instruction": "x", "output": "y"}
    name, readings = read(good, row)
    assert name == "alpaca"
    assert [(reading.rule, reading.columns.get("detail")) for reading in readings] == [
        ("", None),
        ("unreadable", reason),
    ]


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([{"from": "alien", "value": "x"}], "turn 1 of conversations has no known role in `from` or `role`, found 'alien'"),
        ([{"from": "human"}, 3], "turn 2 of conversations is a number"),
        ([{"from": "gpt", "value": "x"}], "the conversation has no question followed by an answer"),
        ([{"from": "human", "value": {"a": 1}}], "turn 1 of conversations is an object; expected text"),
    ],
)  # fmt: skip
def test_a_conversation_that_cannot_be_read_names_the_turn(turns, reason):
    name, found, detail = rule({"conversations": turns})
    assert (name, found) == ("sharegpt", "unreadable")
    assert reason in detail


def test_coverage_counts_the_rows_that_can_be_read():
    rows = [
        (1, {"prompt": "a", "response": "b"}),
        (2, {"prompt": "a", "response": {}}),
        (3, {"prompt": "a", "response": {"b": 1}}),
    ]
    found = recognise("set.json", [*rows, (4, Unreadable("not JSON"))], known_forms(), Options())
    assert (found.form.name, found.rows, found.covered) == ("prompt_response", 4, 2)
    assert found.remark == "2 of 4 rows cannot be read; row 3: response is an object; expected text"


def test_a_mixture_of_forms_is_refused_with_the_shares():
    rows = [{"instruction": "a", "output": "b"}, {"query": "a", "response": "b"}, {"messages": [{"role": "user"}]}]
    with pytest.raises(
        InputError,
        match=r"set.json: a mixture: of its first 3 readable rows .* \(1 messages, 1 alpaca, 1 query_response\)",
    ):
        read(*rows)
    name, readings = read(*rows, form="alpaca")
    assert (name, [reading.rule for reading in readings]) == ("alpaca", ["", "unreadable", "unreadable"])


def test_unknown_columns_are_answered_with_the_nearest_forms_and_how_to_name_columns():
    with pytest.raises(InputError) as error:
        read({"prompt": "a", "reply": "b"})
    assert "set.json: its rows fit no known form. Columns found: prompt, reply." in str(error.value)
    assert "Nearest forms: prompt_response needs prompt, response|output|completion|answer; " in str(error.value)
    assert "columns: {prompt: ONE OF THEM, response: ANOTHER}" in str(error.value)


def test_a_form_that_fits_no_row_is_refused():
    with pytest.raises(
        InputError, match=r"not one of its first 1 rows fits form 'messages', which needs messages. Columns found: a"
    ):
        read({"a": "b"}, form="messages")
    with pytest.raises(InputError, match=r"form 'mesages' is not known. Did you mean 'messages'?"):
        read({"a": "b"}, form="mesages")


# Text with at least one character that is not white space; a blank turn means that nothing was said.
texts = st.text(min_size=1, max_size=20).filter(lambda text: text.strip() != "")
conversations = st.tuples(st.none() | texts, st.lists(st.tuples(texts, texts), min_size=1, max_size=4))


@given(conversations)
def test_a_conversation_written_in_any_chat_form_loads_to_the_same_example(conversation):
    system, pairs = conversation
    (*earlier, (prompt, response)) = pairs
    turns = [turn for pair in pairs for turn in zip(("human", "gpt"), pair, strict=True)]
    example = {
        "system": system,
        "history": [
            {"role": r, "content": t} for pair in earlier for r, t in zip((USER, ASSISTANT), pair, strict=True)
        ],
        "prompt": prompt,
        "response": response,
    }
    written = {
        "alpaca": {
            "instruction": prompt,
            "input": "",
            "output": response,
            "system": system,
            "history": list(earlier and map(list, earlier)),
        },
        "sharegpt": {"conversations": [{"from": role, "value": text} for role, text in turns], "system": system},
        "messages": {"messages": to_messages(example)},
        "query_response": {
            "query": prompt,
            "response": response,
            "system": system,
            "history": [list(p) for p in earlier],
        },
        "lima": {"conversations": [text for _, text in turns], "system": system},
    }
    for form, row in written.items():
        name, (reading,) = read(row)
        assert name == form
        assert {column: reading.columns[column] for column in example} == example


COLUMNS = sorted(
    {name for form in known_forms() for group in form.needs for name in group}
    | {"history", "tools", "system", "replies", "rank", "emojis", "labels", "score", "tags"}
)
KEYS = [*COLUMNS, "from", "role", "value", "content", "human", "assistant", "tool_calls", "type", "name"]
SAID = st.sampled_from(
    ["", "human", "gpt", "user", "assistant", "prompter", "text", "a", "[", '[{"from": "human"}]', "true"]
)
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.just(10**400) | SAID,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_whatever_stands_in_a_row_it_is_an_example_or_a_reject_never_a_crash(data):
    form = data.draw(st.sampled_from(known_forms()))
    needed = {group[0]: data.draw(values) for group in form.needs}
    row = needed | data.draw(st.dictionaries(st.sampled_from(COLUMNS), values, max_size=4))
    form.fits(row)
    options = Options("f", instances_per_task=1, positive_examples=1)
    for number, reading in form.read(lambda: iter([(1, row)]), options):
        make = record.rejects if reading.rule else record.examples
        columns = {
            name: value for name, value in reading.columns.items() if name in record.EXAMPLE or reading.rule == ""
        }
        assert make("set", [{"key": f"f:{number}{reading.part}", **columns}]).height == 1
        assert reading.rule or isinstance(reading.columns["response"], str)


def test_a_loose_form_does_not_win_by_the_broken_rows_of_a_strict_one():
    """One alpaca record has lost its instruction: it is unreadable, and the file stays alpaca."""
    from curate.sources.instructions.forms import Options
    from curate.sources.instructions.recognise import known_forms, recognise

    rows = [{"instruction": "Name a fruit.", "input": "", "output": "A pear."} for _ in range(5)]
    rows.append({"input": "apples, pears", "output": "Fruits."})
    found = recognise("a.json", list(enumerate(rows, start=1)), known_forms(), Options())
    assert (found.form.name, found.rows, found.covered) == ("alpaca", 6, 5)
