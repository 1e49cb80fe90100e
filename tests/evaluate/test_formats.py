import json
import math

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from curate import chat
from curate.errors import ConfigError, InputError
from evaluate import formats, record

PAIR = {"instruction": "Hi", "output_1": "Hello.", "generator_1": "base", "output_2": "Hi!", "generator_2": "mine"}


@pytest.fixture
def file(tmp_path):
    """A file of JSON lines (one array where the name ends in .json), or of the text given."""

    def write(name, *rows):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(rows[0], str):
            path.write_text(rows[0], encoding="utf-8", newline="")
        elif name.endswith(".json"):
            path.write_text(json.dumps(rows), encoding="utf-8")
        else:
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def annotation(**fields):
    return {**PAIR, "dataset": "koala", "annotator": "judge", "preference": 1.25, **fields}


def choice(**logprobs):
    top = [{"token": token, "logprob": math.log(p)} for token, p in logprobs.items()]
    return {"logprobs": {"content": [{"token": top[0]["token"], "top_logprobs": top}]}}


# AlpacaEval


def test_an_annotation_prefers_the_baseline_by_two_less_its_preference(file):
    frame = formats.read([file("annotations.json", annotation(price_per_example=0.01))])
    row = frame.row(0, named=True)
    assert frame.schema == record.JUDGED
    assert (row["model_a"], row["model_b"], row["probability"], row["verdict"]) == ("base", "mine", 0.75, "a")
    assert (row["judge"], row["category"], row["cost"]) == ("judge", "koala", 0.01)
    assert (row["instruction"], row["output_a"], row["output_b"]) == ("Hi", "Hello.", "Hi!")
    assert row["prompt_id"] == chat.prompt_id([{"role": "user", "content": "Hi"}])


def test_a_draw_is_half_whether_written_as_one_and_a_half_or_as_zero(file):
    frame = formats.read([file("annotations.json", annotation(preference=1.5), annotation(preference=0))])
    assert frame["verdict"].to_list() == ["tie", "tie"]
    assert frame["probability"].to_list() == [0.5, 0.5]


def test_a_null_preference_is_a_failure_and_tells_whether_the_judge_spoke(file):
    silent = annotation(preference=None, raw_completion=None)
    absent = annotation(preference=None)
    spoke = annotation(preference=None, raw_completion="I cannot choose.")
    frame = formats.read([file("annotations.json", silent, absent, spoke)])
    assert frame["status"].to_list() == ["api_error", "api_error", "parse_failed"]
    assert frame["verdict"].null_count() == frame["probability"].null_count() == 3


def test_a_preference_outside_its_scale_is_refused(file):
    with pytest.raises(InputError, match="record 2: preference is 3; expected 1 to 2"):
        formats.read([file("annotations.json", annotation(), annotation(preference=3))])
    with pytest.raises(InputError, match="record 1: preference is True; expected a number or null"):
        formats.read([file("a.json", annotation(preference=True))])


def test_the_answer_shown_first_is_read_off_the_token_probabilities(file):
    said = choice(m=0.25, M=0.75)
    unclear = choice(m=0.5, M=0.5)
    rows = [
        annotation(preference=1.75, raw_completion=said),  # P(a) is P(m): a was shown as m
        annotation(preference=1.25, raw_completion=said),
        annotation(preference=1.5, raw_completion=unclear),
        annotation(preference=1.0, raw_completion=choice(m=1.0)),
        annotation(preference=1.1, raw_completion=choice(x=1.0)),
        annotation(preference=1.1, raw_completion="m"),
    ]
    frame = formats.read([file("annotations.json", *rows)])
    assert frame["first"].to_list() == ["a", "b", None, "a", None, None]


def test_an_instruction_that_stands_twice_keeps_both_rows(file):
    frame = formats.read(
        [file("annotations.json", annotation(), annotation(preference=2), annotation(instruction="Bye"))]
    )
    assert frame["sample"].to_list() == [0, 1, 0]
    assert frame["prompt_id"].n_unique() == 2


def test_an_answer_that_is_a_boolean_or_null_is_read(file):
    frame = formats.read([file("annotations.json", annotation(output_2=True), annotation(output_2=None))])
    assert frame["output_b"].to_list() == ["true", None]
    outputs = [{"instruction": "a", "output": False, "generator": "x"}, {"instruction": "b", "output": None}]
    answers = formats.alpaca_eval.outputs(file("mine/model_outputs.json", *outputs))
    assert answers.select("generator", "output").rows() == [("x", "false"), ("mine", None)]


# Any file that AlpacaEval could have written, and some that it would not.
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
annotations = st.fixed_dictionaries(
    {
        "instruction": st.text(min_size=1),
        "generator_1": st.just("base"),
        "generator_2": st.sampled_from(["x", "y"]),
        "output_1": st.text() | st.booleans() | st.none(),
        "output_2": st.text(),
        "preference": st.none() | st.floats(1, 2) | st.sampled_from([0, 0.0, 1, 2]),
    },
    optional={
        "annotator": st.sampled_from(["j", None]),
        "dataset": st.none() | st.text(),
        "price_per_example": st.none() | st.floats(0, 1),
        "time_per_example": st.none() | st.floats(0, 1),
        "raw_completion": st.just('{"name": "text that is JSON"}') | json_values,
        "metadata": json_values,
    },
)


@given(rows=st.lists(annotations, min_size=1, max_size=4))
def test_annotations_are_written_as_they_were_read(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("annotations")
    (folder / "in.json").write_bytes(orjson.dumps(rows))
    formats.alpaca_eval.write_annotations(formats.alpaca_eval.annotations(folder / "in.json"), folder / "out.json")
    # Compared as text: 1, 1.0 and true are equal in Python.
    written = json.loads((folder / "out.json").read_text())
    assert [json.dumps(row, sort_keys=True) for row in written] == [json.dumps(row, sort_keys=True) for row in rows]


def test_judgements_of_our_own_are_written_as_annotations(file, tmp_path):
    judged = {"prompt_id": "p", "model_a": "base", "model_b": "mine", "judge": "j", "status": "ok", "instruction": "Hi"}
    rows = [{**judged, "verdict": "tie"}, {**judged, "verdict": "b"}, {**judged, "status": "truncated"}]
    frame = formats.read([file("records.jsonl", *rows)])
    formats.alpaca_eval.write_annotations(frame, tmp_path / "annotations.json")
    again = json.loads((tmp_path / "annotations.json").read_text())
    assert [row["preference"] for row in again] == [1.5, 2.0, None]
    assert again[0]["generator_2"] == "mine"
    with pytest.raises(InputError, match="need two models and the instruction"):
        formats.alpaca_eval.write_annotations(frame.with_columns(instruction=None), tmp_path / "x.json")


def test_several_outputs_of_one_record_are_samples_and_input_follows_the_instruction(file):
    path = file("sft.json", {"instruction": "Add", "input": "1, 2", "output": ["3", "three"]})
    answers = formats.alpaca_eval.outputs(path)
    assert answers.select("generator", "sample", "output").rows() == [("sft", 0, "3"), ("sft", 1, "three")]
    assert answers["instruction"].to_list() == ["Add\n\n1, 2"] * 2


def test_outputs_are_written_as_they_were_read(file, tmp_path):
    rows = [
        {"instruction": "Hi", "output": "Hello\u2028there", "generator": "x", "dataset": "koala"},
        {"instruction": "Hi", "output": None, "generator": "x", "dataset": None},
    ]
    answers = formats.alpaca_eval.outputs(file("model_outputs.json", *rows))
    formats.alpaca_eval.write_outputs(answers, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == rows


def test_a_published_leaderboard_is_numbers_by_model(file):
    text = ",win_rate,mode,lc_standard_error\nalpaca-7b,2.591450540223603,minimal,\nx,3.5,,0.25\n"
    table = formats.alpaca_eval.leaderboard(file("leaderboard.csv", text))
    assert table.columns == ["model", "win_rate", "mode", "lc_standard_error"]
    assert table.rows() == [("alpaca-7b", 2.591450540223603, "minimal", None), ("x", 3.5, None, 0.25)]
    with pytest.raises(InputError, match="no column win_rate"):
        formats.alpaca_eval.leaderboard(file("other.csv", "a,b\n1,2\n"))


def test_the_real_annotations_are_read_and_written_without_loss_and_show_the_seeded_order(shared_data, tmp_path):
    path = shared_data("evaluation/alpaca_eval/alpaca-7b/weighted_alpaca_eval_gpt4_turbo/annotations.json")
    frame = formats.read([path])
    formats.alpaca_eval.write_annotations(frame, tmp_path / "out.json")
    assert orjson.loads((tmp_path / "out.json").read_bytes()) == orjson.loads(path.read_bytes())
    shown = frame.filter(pl.col("first").is_not_null())
    # 3 of 805 are draws without a completion; of the others every order is the one that the seed gives.
    assert shown.height == 802
    assert [formats.alpaca_eval.first_shown(text) for text in shown["instruction"]] == shown["first"].to_list()


# FastChat

SINGLE = {"question_id": 81, "model": "x", "judge": ["gpt-4", "single-v1"], "user_prompt": "…", "judgment": "[[7]]"}
GAMES = {
    "question_id": 81, "model_1": "x", "model_2": "y", "g1_winner": "model_1", "g2_winner": "tie",
    "judge": ["gpt-4", "pair-v2"], "g1_user_prompt": "p", "g1_judgment": "[[A]]", "g2_user_prompt": "q",
    "g2_judgment": "[[C]]", "turn": 1, "tstamp": 1687222.5,
}  # fmt: skip


def test_a_single_judgement_has_a_score_and_a_failed_one_none(file):
    rows = [
        {**SINGLE, "score": 7, "turn": 2, "tstamp": 1.5},
        {**SINGLE, "score": -1, "turn": 1, "judgment": "no number"},
        {**SINGLE, "score": -1, "turn": 1, "judgment": "$ERROR$"},
    ]
    frame = formats.read([file("gpt-4_single.jsonl", *rows)])
    assert frame["score"].to_list() == [7.0, None, None]
    assert frame["status"].to_list() == ["ok", "parse_failed", "api_error"]
    assert frame.select("prompt_id", "model_a", "model_b", "judge", "template", "turn").row(0) == (
        "81", "x", None, "gpt-4", "single-v1", 2,
    )  # fmt: skip


def test_a_pair_is_two_judgements_the_second_in_the_other_order(file):
    failed = {**GAMES, "question_id": 82, "g2_winner": "error", "g2_judgment": "$ERROR$"}
    frame = formats.read([file("gpt-4_pair.jsonl", GAMES, failed)])
    assert frame.select("prompt_id", "first", "verdict", "status", "raw").rows() == [
        ("81", "a", "a", "ok", "[[A]]"),
        ("81", "b", "tie", "ok", "[[C]]"),
        ("82", "a", "a", "ok", "[[A]]"),
        ("82", "b", None, "api_error", "$ERROR$"),
    ]
    with pytest.raises(InputError, match="record 1: g1_winner is 'A'; expected model_1, model_2, tie, error"):
        formats.read([file("bad_pair.jsonl", {**GAMES, "g1_winner": "A"})])


def test_fastchat_judgements_are_written_as_they_were_read(file, tmp_path):
    singles = [{**SINGLE, "score": 7.5, "turn": 2, "tstamp": 1.5}, {**SINGLE, "score": -1, "turn": 1, "judge": "me"}]
    pairs = [GAMES, {**GAMES, "question_id": "x-1", "g2_winner": "error"}, {**GAMES, "turn": 2}]
    for rows, name in ((singles, "single"), (pairs, "pair")):
        path = file(f"{name}.jsonl", *rows)
        getattr(formats.fastchat, f"write_{name}")(formats.read([path]), tmp_path / "out.jsonl")
        assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().split("\n")[:-1]] == rows


def test_a_pair_judged_in_one_order_cannot_be_written_as_fastchats(file, tmp_path):
    frame = formats.read([file("pair.jsonl", GAMES)]).head(1)
    with pytest.raises(InputError, match="one judgement in each order; not so: 81, x, y, gpt-4"):
        formats.fastchat.write_pair(frame, tmp_path / "out.jsonl")


def test_questions_answers_and_judgements_of_fastchat_come_together(file):
    question = {"question_id": 81, "category": "writing", "turns": ["Write.", "Again."]}
    answers = [
        {"question_id": 81, "model_id": name, "choices": [{"index": 0, "turns": [f"{name} 1", f"{name} 2"]}]}
        for name in ("x", "y", "x")
    ]
    answers[2]["choices"][0]["turns"] = ["x anew", "x anew too"]
    paths = [
        file("question.jsonl", question),
        file("answers.jsonl", *answers),
        file("pair.jsonl", {**GAMES, "turn": 2}),
    ]
    loaded = formats.load(paths, "fastchat")
    assert loaded.prompts["follow_ups"].to_list() == [["Again."]]
    row = loaded.judgements.row(1, named=True)
    assert (row["instruction"], row["output_a"], row["output_b"]) == ("Write.", "x anew too", "y 2")
    assert loaded.files.select("form", "kind", "rows").rows() == [
        ("FastChat questions", "prompts", 1),
        ("FastChat answers", "answers", 4),
        ("FastChat judgements of pairs", "judgements", 2),
    ]


def test_the_questions_and_answers_of_2023_are_read(file):
    path = file("question.jsonl", {"question_id": 1, "text": "How?", "category": "generic"})
    prompts = formats.sniff(path).read(path)
    assert prompts.select("prompt_id", "instruction", "category").row(0) == ("1", "How?", "generic")
    path = file("answer.jsonl", {"question_id": 1, "model_id": "x", "answer_id": "a", "text": "So."})
    assert formats.sniff(path).read(path)["output"].to_list() == ["So."]


# Arenas


def test_a_battle_has_outputs_and_counts_and_both_kinds_of_tie(file):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    parts = [turns[0], {"role": "assistant", "content": [{"type": "text", "text": "Hey"}, {"type": "image"}]}]
    counts = {
        "sum_assistant_a_tokens": 5, "header_count_a": {"h1": 1, "h2": 2}, "list_count_a": {"ordered": 1, "unordered": 0},
        "bold_count_a": {"**": 4, "__": 0}, "sum_assistant_b_tokens": 6, "header_count_b": {}, "list_count_b": {},
        "bold_count_b": {},
    }  # fmt: skip
    battle = {"question_id": "q", "model_a": "x", "model_b": "y", "winner": "model_b", "judge": "voter", "turn": 1}
    rows = [
        {**battle, "conversation_a": turns, "conversation_b": parts, "conv_metadata": counts, "language": "English"},
        {**battle, "winner": "tie (bothbad)"},
        {**battle, "winner": "both_bad"},
    ]
    frame = formats.read([file("battles.json", *rows)], "arena")
    assert frame["verdict"].to_list() == ["b", "tie", "tie"]
    assert frame["raw"].to_list() == ["model_b", "tie (bothbad)", "both_bad"]
    row = frame.row(0, named=True)
    assert (row["instruction"], row["output_a"], row["output_b"], row["category"]) == ("Hi", "Hello", "Hey", "English")
    assert row["style_a"] == {"tokens": 5, "headers": 3, "lists": 1, "bold": 4}
    assert frame["style_b"].to_list() == [{"tokens": 6, "headers": 0, "lists": 0, "bold": 0}, None, None]
    with pytest.raises(InputError, match="record 1: winner is 'x'; expected model_a, model_b, tie"):
        formats.read([file("bad.json", {**battle, "winner": "x"})])


@pytest.mark.parametrize(
    ("label", "game_1", "game_2"),
    [
        ("A>>B", ("a", 3.0), ("b", 3.0)),
        ("A>B", ("a", 1.0), ("b", 1.0)),
        ("A=B", ("tie", 1.0), ("tie", 1.0)),
        ("B=A", ("tie", 1.0), ("tie", 1.0)),
        ("A<B", ("b", 1.0), ("a", 1.0)),
        ("B>>A", ("b", 3.0), ("a", 3.0)),
        ("B<<A", ("a", 3.0), ("b", 3.0)),
    ],
)
def test_an_arena_hard_label_is_read_from_the_baselines_side(file, label, game_1, game_2):
    games = [{"score": label, "judgment": {"answer": f"[[{label}]]"}}] * 2
    row = {"uid": "u", "category": "hard", "judge": "gpt", "model": "mine", "baseline": "o3", "games": games}
    frame = formats.read([file("mine.jsonl", row)])
    assert frame.select("model_a", "model_b", "first").rows() == [("o3", "mine", "a"), ("o3", "mine", "b")]
    assert frame.select("verdict", "weight").rows() == [game_1, game_2]


def test_an_arena_hard_game_without_a_label_failed(file):
    games = [None, {"score": None, "judgment": {"answer": "Hm."}}]
    row = {"uid": "u", "judge": "gpt", "model": "mine", "baseline": "o3", "games": games}
    frame = formats.read([file("mine.jsonl", row)])
    assert frame["status"].to_list() == ["api_error", "parse_failed"]
    with pytest.raises(InputError, match="expected the two games"):
        formats.read([file("one.jsonl", {**row, "games": games[:1]})])


def test_a_line_of_json_ends_at_a_newline_and_nowhere_else(file):
    # U+2028 ends a line for str.splitlines; arena-hard's answers hold it. The last line has no newline.
    answer = (
        '{"uid": "u", "model": "x", "messages": [{"role": "assistant", "content": {"answer": "one\u2028two\u0085"}}]}'
    )
    other = answer.replace('"u"', '"v"')
    path = file("answers.jsonl", f"{answer}\n\n{other}")
    answers = formats.sniff(path).read(path)
    assert answers.select("prompt_id", "output").rows() == [("u", "one\u2028two\u0085"), ("v", "one\u2028two\u0085")]


def test_a_table_of_votes_is_read(file):
    frame = formats.read([file("votes.csv", "left,right,winner,prompt,worker\nx,y,left,p,w\ny,x,tie,p,w\n")])
    assert frame.select("prompt_id", "model_a", "verdict", "judge").rows() == [
        ("p", "x", "a", "w"),
        ("p", "y", "tie", "w"),
    ]
    frame = formats.read([file("bare.csv", "left,right,winner\nx,y,right\nx,y,tie\n")])
    assert frame.select("prompt_id", "verdict", "judge").row(0) == ("row 1", "b", "unknown voter")


def test_a_vote_without_a_model_is_refused(file):
    with pytest.raises(InputError, match="record 2: no left; the record has right, winner"):
        formats.read([file("votes.csv", "left,right,winner\nx,y,left\n,y,left\n")])


# Our own


def test_our_judgements_are_written_and_read_again(file, tmp_path):
    judged = {"prompt_id": "p", "model_a": "x", "model_b": "y", "judge": "j", "status": "ok", "probability": 0.5}
    frame = formats.read([file("in.jsonl", {**judged, "cost": 1, "note": "kept"}, {**judged, "prompt_id": "q"})])
    assert frame["cost"].to_list() == [1.0, None]
    assert json.loads(frame["extra"][0])["set"] == {"note": "kept"}
    formats.own.write_judgements(frame, tmp_path / "out.jsonl")
    assert_frame_equal(formats.read([tmp_path / "out.jsonl"]).drop("extra"), frame.drop("extra"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("turn", "1", 'record 2: turn is "1"; expected a whole number or null'),
        ("turn", 2**63, "record 2: turn is 9223372036854775808, which is too large a number"),
        ("probability", True, "record 2: probability is true; expected a number or null"),
        ("judge", 4, "record 2: judge is 4; expected text or null"),
    ],
)
def test_a_field_of_the_wrong_type_is_named_with_its_record(file, field, value, message):
    judged = {"prompt_id": "p", "model_a": "x", "model_b": "y", "judge": "j", "status": "ok", "probability": 0.5}
    with pytest.raises(InputError, match=message):
        formats.read([file("in.jsonl", judged, {**judged, field: value})])


def test_answers_are_written_and_read_again_and_fill_in_what_judgements_lack(file, tmp_path):
    answer = {"prompt_id": "p", "instruction": "Hi", "messages": [{"role": "user", "content": "Hi"}], "output": "Hello"}
    more = {"generator": "x", "finish": "stop", "tokens": 3, "decoding": {"top_p": 0.9}, "seed": 1}
    path = file("answers.jsonl", {**answer, **more}, {**answer, **more, "generator": "y", "output": None})
    answers = formats.own.answers(path)
    formats.own.write_answers(answers, tmp_path / "again.jsonl")
    assert_frame_equal(formats.own.answers(tmp_path / "again.jsonl"), answers)
    judged = {"prompt_id": "p", "model_a": "x", "model_b": "y", "judge": "j", "status": "ok", "verdict": "b"}
    frame = formats.read([file("records.jsonl", judged), path])
    assert frame.select("instruction", "output_a", "output_b").row(0) == ("Hi", "Hello", None)


def test_prompts_of_every_usual_form_are_one_list_of_turns(file):
    hello = [{"role": "user", "content": "Hello"}]
    rows = [
        {"instruction": "Hello", "output": "an answer that is no part of it"},
        {"prompt": "Hello", "id": 7},
        {"messages": hello},
        {"conversations": ["Hello"]},
        {"conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi"}]},
    ]
    frames = [formats.own.prompts(file(f"{i}.jsonl", row)) for i, row in enumerate(rows)]
    prompts = pl.concat(frames)
    assert prompts["messages"].to_list() == [hello] * 5
    named = chat.prompt_id(hello)
    assert prompts["prompt_id"].to_list() == [named, "7", named, named, named]
    assert prompts["reference"].to_list() == [[], [], [], [], ["Hi"]]


def test_a_prompt_that_ends_without_a_question_is_refused(file):
    with pytest.raises(InputError, match="record 1: the prompt does not end with a turn of the user"):
        formats.own.prompts(file("a.jsonl", {"messages": [{"role": "system", "content": "Be kind."}]}))
    with pytest.raises(InputError, match=r"record 1: turn 1 is .*; expected a role and its text"):
        formats.own.prompts(file("b.jsonl", {"messages": [{"role": "tool", "content": "x"}]}))
    with pytest.raises(
        InputError, match="record 1: no prompt; expected instruction, prompt, messages or conversations"
    ):
        formats.own.prompts(file("c.jsonl", {"question": "Hello"}))


# Which form


def test_an_unknown_form_is_told_what_it_has_and_what_was_expected(file):
    with pytest.raises(InputError, match=r"its records have a, b, which is no known form\. Expected .*votes"):
        formats.sniff(file("a.csv", "a,b\n1,2\n"))
    with pytest.raises(InputError, match="holds no records"):
        formats.sniff(file("empty.jsonl", ""))
    with pytest.raises(InputError, match="cannot be opened: No such file"):
        formats.sniff(file("a.csv", "a\n").with_name("absent.csv"))


def test_the_family_asked_for_is_the_one_that_is_read(file):
    path = file("annotations.json", annotation())
    assert formats.sniff(path, "alpaca_eval").name == "AlpacaEval annotations"
    with pytest.raises(InputError, match="no known form"):
        formats.sniff(path, "arena")
    with pytest.raises(ConfigError, match=r"--format is 'alpaca'\. Did you mean 'alpaca_eval'\?"):
        formats.sniff(path, "alpaca")


def test_files_without_judgements_are_no_leaderboard(file):
    path = file("model_outputs.json", {"instruction": "a", "output": "b", "generator": "x"})
    with pytest.raises(InputError, match=r"no judgements in .*model_outputs\.json \(AlpacaEval outputs\)"):
        formats.read([path])


def test_a_record_that_cannot_be_read_is_an_error_and_not_a_gap(file):
    good = '{"prompt_id": "p", "model_a": "x", "model_b": "y", "judge": "j", "status": "ok", "verdict": "a"}'
    with pytest.raises(InputError, match="record 2: not JSON"):
        formats.read([file("records.jsonl", f"{good}\n{{oops}}\n{good}\n")])


fields = sorted({"conversation_a", "conv_metadata", "choices", "turn", "uid", "raw_completion", "sample", "verdict"})
objects = st.dictionaries(
    st.sampled_from(["role", "content", "turns", "score", "judgment", "index"]), json_values, max_size=3
)


@pytest.mark.parametrize("form", formats.FORMS, ids=lambda form: form.name)
@settings(max_examples=20)
@given(data=st.data())
def test_whatever_the_fields_hold_a_reader_gives_rows_or_says_what_is_wrong(form, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "file.json"
    values = json_values | objects | st.lists(objects, max_size=2)
    needed = dict.fromkeys(sorted(form.fields), values)
    others = {name: values for name in fields if name not in needed}
    given_fields = st.fixed_dictionaries(needed, optional=others)
    path.write_bytes(orjson.dumps(data.draw(st.lists(given_fields, min_size=1, max_size=2))))
    try:
        frame = form.read(path)
    except InputError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - either outcome is right
    else:
        schema = {"judgements": record.JUDGED, "answers": record.ANSWER, "prompts": record.PROMPT}[form.kind]
        assert frame.schema in (schema, record.JUDGEMENT)
