"""OpenAssistant trees and flat messages."""

import json

import pytest

from curate.sources.instructions.forms import Options
from curate.sources.instructions.oasst import MESSAGES, TREES
from curate.sources.instructions.recognise import known_forms, recognise


def message(name, role, parent=None, text=None, **more):
    return {"message_id": name, "parent_id": parent, "role": role, "text": text or name, **more}


# q ── a1 (rank 1)
#   └─ a0 (rank 0) ── p ── b1 (rank 1)
#                 │     └─ b0 (rank 0)
#                 └─ lost (nobody answered)
MESSAGE = [
    message("q", "prompter", lang="en"),
    message("a1", "assistant", "q", rank=1),
    message("a0", "assistant", "q", rank=0),
    message("lost", "prompter", "a0"),
    message("p", "prompter", "a0"),
    message("b1", "assistant", "p", rank=1),
    message("b0", "assistant", "p", rank=0, lang="en"),
]


def nest(messages, name="q"):
    """The same messages as a tree."""
    (found,) = (row for row in messages if row["message_id"] == name)
    replies = [nest(messages, row["message_id"]) for row in messages if row["parent_id"] == name]
    return {**found, "replies": replies}


def trees(*roots, paths="best"):
    rows = [(n, {"message_tree_id": r["message_id"], "prompt": r}) for n, r in enumerate(roots, start=1)]
    return list(TREES.read(lambda: iter(rows), Options("t.jsonl", paths=paths)))


def flat(messages, paths="best"):
    rows = list(enumerate(messages, start=1))
    return list(MESSAGES.read(lambda: iter(rows), Options("m.jsonl", paths=paths)))


def talk(columns):
    return [turn["content"] for turn in columns["history"]] + [columns["prompt"], columns["response"]]


def test_the_best_path_of_a_tree_is_the_example_and_the_rest_are_rejects():
    readings = trees(nest(MESSAGE))
    (example,) = (reading for _, reading in readings if not reading.rule)
    assert (talk(example.columns), example.part) == (["q", "a0", "p", "b0"], "")
    rest = [(r.part, r.rule, r.columns.get("value"), r.columns.get("limit"), r.other) for _, r in readings if r.rule]
    assert rest == [
        ("#a1", "not_best_path", 1.0, 0.0, ":1"),
        ("#lost", "no_answer", None, None, ""),
        ("#b1", "not_best_path", 1.0, 0.0, ":1"),
    ]


@pytest.mark.parametrize("order", [MESSAGE, MESSAGE[::-1], MESSAGE[3:] + MESSAGE[:3]])
def test_flat_messages_in_any_order_give_the_same_example(order):
    readings = flat(order)
    number = {row["message_id"]: n for n, row in enumerate(order, start=1)}
    assert [(n, talk(r.columns)) for n, r in readings if not r.rule] == [(number["b0"], ["q", "a0", "p", "b0"])]
    assert {(n, r.rule, r.other) for n, r in readings if r.rule} == {
        (number["a1"], "not_best_path", f":{number['b0']}"),
        (number["b1"], "not_best_path", f":{number['b0']}"),
        (number["lost"], "no_answer", ""),
    }


def test_all_paths_give_an_example_for_every_last_answer():
    tree = [(r.part, talk(r.columns)) for _, r in trees(nest(MESSAGE), paths="all") if not r.rule]
    assert tree == [("#a1", ["q", "a1"]), ("#b1", ["q", "a0", "p", "b1"]), ("#b0", ["q", "a0", "p", "b0"])]
    rows = [(n, talk(r.columns)) for n, r in flat(MESSAGE, paths="all") if not r.rule]
    assert rows == [(2, ["q", "a1"]), (6, ["q", "a0", "p", "b1"]), (7, ["q", "a0", "p", "b0"])]


def test_trees_whose_messages_are_mixed_up_in_the_file_are_told_apart():
    other = [message("x", "prompter"), message("y", "assistant", "x")]
    mixed = [other[0], *MESSAGE, other[1]]
    assert [talk(r.columns) for _, r in flat(mixed) if not r.rule] == [["q", "a0", "p", "b0"], ["x", "y"]]


def test_without_ranks_the_smallest_id_wins_and_a_deleted_answer_comes_last():
    rows = [
        message("q", "prompter"),
        message("a", "assistant", "q", deleted=True, rank=0),
        message("c", "assistant", "q"),
        message("b", "assistant", "q", rank=float("nan")),
    ]
    assert [talk(r.columns) for _, r in flat(rows) if not r.rule] == [["q", "b"]]


def test_a_deleted_or_synthetic_message_anywhere_on_the_path_leaves_a_flag():
    labels = {
        "spam": {"value": 0.7, "count": 3},
        "humor": {"value": 0.5, "count": 2},
        "quality": {"value": 0.1, "count": 3},
    }
    rows = [
        message("q", "prompter", deleted=True),
        message("a", "assistant", "q", synthetic=True, labels=labels, lang="de", emojis={"+1": 5, "-1": 2}),
    ]
    ((_, reading),) = flat(rows)
    columns = reading.columns
    assert columns["flags"] == ["deleted", "synthetic", "spam"]
    assert (columns["tags"], columns["stratum"], columns["score"]) == (["humor"], "de", 3)


def test_labels_and_emojis_as_parallel_lists_are_read_too():
    labels = {"name": ["spam", "humor"], "value": [0.0, 1.0], "count": [3, 3]}
    rows = [
        message("q", "prompter"),
        message("a", "assistant", "q", labels=labels, emojis={"name": ["+1", "-1"], "count": [1, 4]}),
    ]
    ((_, reading),) = flat(rows)
    assert (reading.columns["flags"], reading.columns["tags"], reading.columns["score"]) == ([], ["humor"], -3)


def test_a_question_that_nobody_answered_is_no_answer():
    assert [(r.part, r.rule) for _, r in trees(nest(MESSAGE[:1]))] == [("", "no_answer")]
    assert [(n, r.rule) for n, r in flat(MESSAGE[:1])] == [(1, "no_answer")]


def test_messages_without_a_way_to_a_question_are_no_question():
    rows = [
        message("a", "assistant", "gone"),
        message("b", "prompter", "a"),
        message("c", "assistant", "d"),
        message("d", "prompter", "c"),
    ]
    readings = flat(rows)
    assert sorted((n, r.rule) for n, r in readings) == [(n, "no_question") for n in (1, 2, 3, 4)]
    assert "message gone is missing" in readings[0][1].columns["detail"]


def test_bad_messages_are_unreadable_with_the_reason():
    rows = [
        message("q", "prompter"),
        message("q", "assistant"),
        {"text": "?"},
        message("a", "robot", "q"),
        {"message_id": "b", "parent_id": "q", "role": "assistant", "text": None},
    ]
    assert [(n, r.rule, r.columns["detail"]) for n, r in flat(rows)] == [
        (2, "unreadable", "message q was read before, in row 1"),
        (3, "unreadable", "the row has no message_id; found text"),
        (4, "unreadable", "message 'a' has role 'robot'; expected a message_id, and role prompter or assistant"),
        (5, "unreadable", "message b has no text"),
        (1, "no_answer", "nobody answered"),
    ]


def test_a_tree_with_a_bad_or_repeated_message_is_unreadable():
    bad = {**message("q", "prompter"), "replies": [{"message_id": "a", "role": "assistant"}]}
    twice = {**message("q", "prompter"), "replies": [message("q", "assistant")]}
    assert [(r.rule, r.columns["detail"]) for _, r in trees(bad, twice)] == [
        ("unreadable", "message a has no text"),
        ("unreadable", "message q stands twice in its tree"),
    ]


def test_trees_roots_with_replies_and_flat_rows_are_told_apart():
    def form(*rows):
        return recognise("f", list(enumerate(rows, start=1)), known_forms(), Options()).form.name

    tree = nest(MESSAGE)
    assert form({"message_tree_id": "q", "tree_state": "ready_for_export", "prompt": tree}) == "oasst_trees"
    assert form(tree) == "oasst_trees"
    assert form(*MESSAGE) == "oasst_messages"


def test_real_trees_give_one_example_each_in_both_files(shared_data):
    found = {}
    for file in ("en_100_tree.jsonl", "en_100_message.jsonl"):
        lines = shared_data(f"instruction/oasst/{file}").read_text().splitlines()
        rows = list(enumerate(map(json.loads, lines), start=1))
        found[file] = [(n, r.rule, r.columns.get("response")) for n, r in TREES.read(lambda: iter(rows), Options())]  # noqa: B023
    assert found["en_100_tree.jsonl"] == found["en_100_message.jsonl"]
    examples = [n for n, rule, _ in found["en_100_tree.jsonl"] if not rule]
    assert examples == list(range(1, 101))


def test_real_trees_made_flat_give_the_same_answers(shared_data):
    lines = shared_data("instruction/oasst/en_100_tree.jsonl").read_text().splitlines()
    roots = [json.loads(line)["prompt"] for line in lines]
    messages, todo = [], [(root, None) for root in reversed(roots)]
    while todo:
        node, parent = todo.pop()
        messages.append({**node, "parent_id": parent, "replies": None})
        todo += [(reply, node["message_id"]) for reply in reversed(node["replies"])]
    assert len(messages) == 1167
    flat_answers = [r.columns["response"] for _, r in flat(messages) if not r.rule]
    assert flat_answers == [r.columns["response"] for _, r in trees(*roots) if not r.rule]
