import json

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from curate import record
from curate.contamination import review
from curate.errors import ConfigError, InputError
from curate.record import VERDICT
from curate.stages import decontaminate
from curate.stages.decontaminate import RULES, Settings, decide, items, measure, measured_by, reviewed
from curate.text import content_hashes

DUCKS = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends"
    " every day with four. How much in dollars does she make every day at the farmers' market?"
)
BRIDGE = "Which engineer drew the plans of the long stone bridge across the wide river at Avignon?"
LIGHT = "Who invented the telescope?"
ITEMS = [
    {"ask": DUCKS, "say": "She makes 18 dollars."},
    {"ask": BRIDGE, "say": "Saint Benedict"},
    {"ask": LIGHT, "say": "Hans Lippershey"},
    {"ask": "Who are you?"},
    {"ask": ""},
]


@pytest.fixture
def test_file(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, ITEMS)))
    return path


@pytest.fixture
def settings(test_file):
    def make(**changed):
        tests = {"mine": {"path": test_file, "question": "ask", "answer": "say"}}
        return Settings(**{"tests": tests, "encoder": None, **changed})

    return make


def rows(*texts, **columns):
    pairs = [text if isinstance(text, tuple) else (text, "I cannot say.") for text in texts]
    made = [{"key": str(n), "prompt": p, "response": r, **columns} for n, (p, r) in enumerate(pairs)]
    return record.examples("s", made)


def gray_row():
    """BRIDGE in other words at its beginning: fourteen of sixteen words are left."""
    return rows(
        "Say whose plans the long stone bridge across the wide river at Avignon was built by, which engineer drew it"
    )


def decision(frame, settings):
    return decide(measure(frame, settings), settings)


def found(frame, settings):
    """Row number, rule and the item of each verdict."""
    place = {id_: n for n, id_ in enumerate(frame["id"])}
    verdicts = decision(frame, settings).verdicts
    named = [(place[v["id"]], v["rule"], v["detail"].partition(":")[0]) for v in verdicts.iter_rows(named=True)]
    return sorted(named)


def test_a_copy_in_any_dress_is_a_duplicate(settings):
    frame = rows(
        DUCKS,
        f"Please solve:\n\n**{DUCKS.upper()}**\n\nThink first.",
        ("Write a riddle.", f"Here it is. {DUCKS}"),
        DUCKS.replace("three", "3").replace(". ", ".\n"),
    )
    assert found(frame, settings()) == [(n, "leak_duplicate", "mine/1") for n in range(4)]


def test_changed_numbers_are_similar_and_never_a_duplicate(settings):
    frame = rows(
        DUCKS.replace("16", "18"), DUCKS.replace("three", "five").replace("16", "20"), DUCKS.replace("four", "12")
    )
    assert {rule for _, rule, _ in found(frame, settings())} == {"leak_similar"}
    strict = settings(near_copy=0.5)
    assert {rule for _, rule, _ in found(frame, strict)} == {"leak_similar"}
    detail = decision(frame, settings()).scores["leak_detail"]
    assert any("numbers 16 -> 18" in line for line in detail)


def test_a_number_that_is_left_out_makes_it_no_duplicate(settings):
    assert found(rows(DUCKS.replace("16 ", "")), settings()) == [(0, "leak_gray_area", "mine/1")]


def test_other_names_or_another_question_in_the_same_wording_are_similar(settings):
    frame = rows(BRIDGE.replace("Avignon", "Cologne"), DUCKS.rpartition("How")[0] + "What colour has the barn door?")
    assert found(frame, settings(coverage=0.6)) == [(0, "leak_similar", "mine/2"), (1, "leak_similar", "mine/1")]


def test_most_of_the_wording_is_the_gray_area(settings):
    frame = gray_row()
    assert found(frame, settings()) == [(0, "leak_gray_area", "mine/2")]


def test_rows_that_share_common_phrases_are_clean(settings):
    frame = rows(
        "How much in dollars does a farmer make every day?",
        "She eats breakfast every morning. Which engineer was it? Name a bridge across the Rhine.",
        ("Tell me about ducks", "Ducks lay eggs, per day about one, for breakfast every morning."),
        "",
    )
    result = decision(frame, settings())
    assert result.verdicts.height == 0
    assert result.scores.height == 0


def test_a_short_item_counts_as_a_turn_or_a_sentence_of_the_user_only(settings):
    frame = rows(
        "who invented the telescope",
        f"Classify this question.\n{LIGHT}",
        "Say who invented the telescope in Holland",
        ("Ask me something.", LIGHT),
        "Who are you?",
        "Who are you? Say it in a poem.",
    )
    assert found(frame, settings()) == [
        (0, "leak_duplicate", "mine/3"),
        (1, "leak_duplicate", "mine/3"),
        (4, "leak_duplicate", "mine/4"),
    ]


def test_a_statement_that_shares_half_a_run_with_a_question_is_no_leak_but_a_prompt_is(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"ask": "The greenhouse gases that contribute to global warming are"}))
    chosen = Settings(tests={"t": {"path": path, "question": "ask"}}, encoder=None)
    text = "greenhouse gases that further contribute to global warming"
    assert found(rows(("Explain the Arctic.", f"It is due to {text}."), f"Name {text}"), chosen) == [
        (1, "leak_gray_area", "t/1")
    ]


def test_a_question_is_not_put_together_from_two_turns(settings):
    start, end = "Which engineer drew the plans of the long stone", "bridge across the wide river at Avignon?"
    both = settings(parts=("question", "question_and_answer"))
    assert found(rows((start, end)), both) == [(0, "leak_gray_area", "mine/2 (question and answer)")]
    assert found(rows((start, end)), settings()) == []


def test_an_earlier_turn_and_a_system_text_are_searched_too(settings):
    history = [{"role": "user", "content": DUCKS}, {"role": "assistant", "content": "18"}]
    frame = pl.concat([rows("And then?", history=history), rows("Go on.", system=BRIDGE).with_columns(id=pl.lit("x"))])
    assert [rule for _, rule, _ in found(frame, settings())] == ["leak_duplicate"] * 2


def test_all_rows_of_an_item_and_all_items_of_a_row_are_found(settings):
    frame = rows(*[f"{n}. {DUCKS}" for n in "abcdefg"], f"{DUCKS}\n\n{BRIDGE}\n\n{LIGHT}")
    leaks = decontaminate.leaks(measure(frame, settings()), settings())
    assert leaks["item"].value_counts().sort("item").rows() == [("mine/1", 8), ("mine/2", 1), ("mine/3", 1)]
    result = decision(frame, settings())
    assert result.verdicts.height == 8
    assert result.scores.filter(pl.col("leak_pairs") == 3).height == 1


def test_a_row_has_one_verdict_a_category_with_its_strongest_pair(settings):
    frame = rows(f"{DUCKS.replace('16', '18')} {BRIDGE} {LIGHT}")
    verdicts = decision(frame, settings()).verdicts.sort("rule")
    assert verdicts.schema == VERDICT
    assert verdicts["rule"].to_list() == ["leak_duplicate", "leak_similar"]
    assert verdicts["value"][0] == 1.0
    assert verdicts["limit"].to_list() == [0.75, 0.75]
    assert verdicts["other"].null_count() == 2
    assert verdicts["detail"][0] == "mine/2: coverage 1.0, run 16"


def test_only_the_categories_that_the_recipe_names_leave(settings):
    frame = rows(DUCKS, DUCKS.replace("16", "18"))
    assert found(frame, settings(drop=("similar",))) == [(1, "leak_similar", "mine/1")]
    assert found(frame, settings(drop=())) == []
    assert decision(frame, settings(drop=())).scores.height == 2


def test_each_limit_moves_what_is_a_leak_without_another_measurement(settings):
    frame = gray_row()
    corpus = measure(frame, settings())
    (weighted,) = decide(corpus, settings()).scores["leak_coverage"]
    assert decide(corpus, settings(coverage=weighted + 0.01)).verdicts.height == 0
    assert decide(corpus, settings(near_copy=weighted - 0.01)).verdicts["rule"].to_list() == ["leak_duplicate"]
    same = [measured_by(settings(coverage=0.9)), measured_by(settings(drop=()))]
    assert same == [measured_by(settings())] * 2


def test_answers_are_searched_for_where_the_recipe_says_so(settings):
    frame = rows(("Who?", "Saint Benedict"), ("What?", "She makes 18 dollars."))
    assert found(frame, settings()) == []
    both = rows((BRIDGE, "Saint Benedict"))
    assert found(both, settings(parts=("question_and_answer",))) == [
        (0, "leak_duplicate", "mine/2 (question and answer)")
    ]
    assert found(rows((BRIDGE, "nobody knows")), settings(parts=("question_and_answer",)))[0][1] == "leak_gray_area"


def test_a_long_answer_is_found_in_a_response(tmp_path):
    answer = "The bridge was planned by a shepherd boy who heard a voice during an eclipse of the sun"
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"ask": BRIDGE, "say": answer}))
    made = Settings(tests={"mine": {"path": path, "question": "ask", "answer": "say"}}, encoder=None, parts=("answer",))
    assert found(rows(("Tell a story.", answer)), made) == [(0, "leak_duplicate", "mine/1 (answer)")]


def test_the_evidence_says_that_the_answer_is_given(settings):
    result = decision(rows((BRIDGE, "It was Saint  Benedict, they say.")), settings())
    assert result.verdicts["detail"].to_list() == ["mine/2: coverage 1.0, run 16, answer given"]


def test_the_length_of_a_run_is_a_setting(settings):
    frame = rows("Say which engineer drew the plans of that grey bridge across the wide river at Avignon please")
    assert found(frame, settings(ngram=5)) == [(0, "leak_gray_area", "mine/2")]
    assert found(frame, settings(ngram=8)) == []


def test_without_test_sets_nothing_is_measured_and_nothing_leaves():
    frame = rows(DUCKS)
    corpus = measure(frame, Settings())
    assert corpus.select(pl.all().is_null().sum()).row(0) == (0, 1, 1)
    assert decide(corpus, Settings()).verdicts.height == 0
    assert measured_by(Settings()) == []


def test_an_empty_shard_has_the_schema_of_a_full_one(settings):
    full = measure(rows(DUCKS), settings())
    assert measure(rows(DUCKS).clear(), settings()).schema == full.schema
    assert measure(rows(DUCKS), Settings()).schema == full.schema
    assert decide(full.clear(), settings()).verdicts.schema == VERDICT


def test_shards_and_the_order_of_rows_make_no_difference(settings):
    frame = rows(DUCKS, "clean", BRIDGE, DUCKS.replace("16", "18"), LIGHT)
    whole = measure(frame, settings())
    assert_frame_equal(pl.concat([measure(frame[:2], settings()), measure(frame[2:], settings())]), whole)
    backwards = decide(whole.reverse(), settings())
    assert_frame_equal(decide(whole, settings()).verdicts.sort("id", "rule"), backwards.verdicts.sort("id", "rule"))
    assert_frame_equal(decide(whole, settings()).scores.sort("id"), backwards.scores.sort("id"))


def test_a_changed_test_file_is_measured_again(settings, test_file):
    frame = rows("What is the capital of the kingdom of Bhutan in the high mountains?")
    before = measured_by(settings())
    assert found(frame, settings()) == []
    with test_file.open("a") as handle:
        handle.write("\n" + json.dumps({"ask": frame["prompt"][0]}))
    assert measured_by(settings()) != before
    assert found(frame, settings()) == [(0, "leak_duplicate", "mine/6")]


def test_chinese_is_matched_by_characters(tmp_path):
    path = tmp_path / "zh.csv"
    path.write_text("frage\n大众社会理论表明媒体操纵大众为被动的消费者\n")
    made = Settings(tests={"zh": {"path": path, "question": "frage"}}, encoder=None)
    assert found(rows("请回答：大众社会理论表明媒体操纵大众为被动的消费者。谢谢"), made) == [
        (0, "leak_duplicate", "zh/1")
    ]


# Meaning


@pytest.fixture
def by_first_letter(monkeypatch):
    """An encoder of three dimensions: two texts have the cosine 0.8 where one says `like` more, 1 where they begin alike."""

    def vectors(texts, settings):
        found = np.zeros((len(texts), 27), np.float32)
        for n, text in enumerate(texts):
            like = text.startswith("like ")
            first = text.removeprefix("like ")[:1].lower()
            found[n, ord(first) - ord("a") if "a" <= first <= "z" else 26] = 0.82 if like else 1
            found[n, 26] += np.sqrt(1 - 0.82**2) if like else 0
        return found

    monkeypatch.setattr("curate.embed.vectors", vectors)
    monkeypatch.setattr("curate.embed.fingerprint", lambda settings: f"letters {settings.model}")
    return {"model": "letters"}


def test_meaning_finds_what_shares_no_words_and_every_pair_of_it(settings, by_first_letter):
    frame = rows("like watchmen at night", "like jugglers in 1999", "zebras", DUCKS)
    chosen = settings(encoder=by_first_letter)
    leaks = decontaminate.leaks(measure(frame, chosen), chosen)
    assert leaks.select("item", "cosine", "category").sort("item", "cosine").rows() == [
        ("mine/1", 0.82, "gray_area"),
        ("mine/1", 1.0, "duplicate"),
        ("mine/2", 0.82, "gray_area"),
        ("mine/3", 0.82, "gray_area"),
        ("mine/4", 0.82, "gray_area"),
    ]
    verdicts = decide(measure(frame, chosen), chosen).verdicts.filter(pl.col("value") < 1)
    assert verdicts["value"].to_list() == [0.82, 0.82]
    assert verdicts["limit"].to_list() == [0.8, 0.8]
    assert decision(frame, settings(encoder=by_first_letter, cosine=0.9)).verdicts.height == 1
    assert decision(frame, settings()).verdicts.height == 1


def test_of_a_short_question_the_meaning_counts_with_its_choices_or_without(tmp_path, monkeypatch):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"ask": "Market economies", "of": ["are free", "are planned"]}))
    near = (0.9, np.sqrt(1 - 0.81))
    whole = "Market economies are free are planned"
    places = {"Market economies": (1, 0), "What of the markets?": near, whole: near}
    monkeypatch.setattr("curate.embed.fingerprint", lambda settings: "places")
    monkeypatch.setattr(
        "curate.embed.vectors",
        lambda texts, settings: np.array([places.get(text, (0, 1)) for text in texts], np.float32),
    )
    chosen = Settings(tests={"t": {"path": path, "question": "ask", "choices": "of"}})
    leaks = decontaminate.leaks(measure(rows("What of the markets?", whole), chosen), chosen)
    assert sorted(leaks.select("cosine", "whole", "run").rows()) == [(0.9, False, 0), (0.9, True, 6)]


def test_of_answers_no_meaning_is_compared(settings, by_first_letter):
    frame = rows("stars", (BRIDGE, "Saint Benedict"))
    chosen = settings(encoder=by_first_letter, parts=("answer", "question_and_answer"))
    leaks = decontaminate.leaks(measure(frame, chosen), chosen)
    assert leaks.select("item", "part", "cosine").rows() == [("mine/2", "question_and_answer", None)]


def test_another_encoder_is_another_measurement(settings, by_first_letter):
    assert (
        len({repr(measured_by(settings(encoder=encoder))) for encoder in (None, by_first_letter, {"model": "b"})}) == 3
    )


# Review


def written(tmp_path, *pairs):
    path = tmp_path / "contamination.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return path


def pair_of(frame, item="mine/2", decision=None):
    return {
        "content": content_hashes(frame)[0],
        "item": item,
        "category": "gray_area",
        "evidence": "seen",
        "decision": decision,
    }


def test_gray_pairs_are_listed_for_review_and_others_are_not(settings):
    frame = pl.concat([gray_row(), rows(DUCKS).with_columns(id=pl.lit("x"))])
    made = reviewed(measure(frame, settings()), settings())
    (row,) = made.rows.iter_rows(named=True)
    assert row["item"] == "mine/2"
    assert row["content"] == content_hashes(frame)[0]
    assert row["decision"] is None
    assert row["evidence"].startswith("mine/2: coverage 0.")
    assert json.loads(review.lines(made)) == row
    assert made.stale.height == 0


def test_keep_overrides_a_leak_and_its_evidence_stays_in_the_scores(settings, tmp_path):
    frame = gray_row()
    kept = settings(review=written(tmp_path, pair_of(frame, decision="keep")))
    result = decision(frame, kept)
    assert result.verdicts.height == 0
    assert result.scores["leak_kept"].to_list() == [True]
    (row,) = reviewed(measure(frame, kept), kept).rows.iter_rows(named=True)
    assert row["decision"] == "keep"


def test_keep_of_one_pair_leaves_the_others(settings, tmp_path):
    frame = rows(f"{gray_row()['prompt'][0]} {DUCKS}")
    kept = settings(review=written(tmp_path, pair_of(frame, decision="keep")))
    assert found(frame, kept) == [(0, "leak_duplicate", "mine/1")]
    assert decision(frame, kept).scores["leak_kept"].to_list() == [False]


def test_drop_drops_whatever_the_limits_say(settings, tmp_path):
    frame = gray_row()
    path = written(tmp_path, pair_of(frame, decision="drop"))
    assert found(frame, settings(review=path, drop=())) == [(0, "leak_reviewed", "mine/2")]
    assert found(frame, settings(review=path, coverage=1.0)) == [(0, "leak_reviewed", "mine/2")]


def test_a_decision_on_a_text_that_is_gone_is_stale_and_kept(settings, tmp_path):
    frame = gray_row()
    gone = pair_of(rows("Another text that nobody has any more"), decision="drop")
    settled = pair_of(frame, item="mine/1", decision="keep")
    chosen = settings(review=written(tmp_path, gone, settled, pair_of(frame)))
    made = reviewed(measure(frame, chosen), chosen)
    assert dict(made.stale.select("item", "reason").iter_rows()) == {
        "mine/2": "no row has this text",
        "mine/1": "the pair is no leak any more",
    }
    assert made.rows.height == 3
    again = tmp_path / "again.jsonl"
    again.write_bytes(review.lines(made))
    assert_frame_equal(reviewed(measure(frame, chosen), settings(review=again)).rows, made.rows)


def test_a_decision_needs_no_measuring_but_its_file_is_looked_into_before_it(settings, tmp_path):
    kept = settings(review=written(tmp_path, pair_of(gray_row(), decision="keep")))
    assert measured_by(kept) == measured_by(settings())
    with pytest.raises(InputError, match=r"absent\.jsonl"):
        measured_by(settings(review=tmp_path / "absent.jsonl"))


def test_a_test_set_without_the_field_is_found_out_before_anything_is_measured(test_file, tmp_path):
    with pytest.raises(InputError, match="no field asked"):
        measured_by(Settings(tests={"mine": {"path": test_file, "question": "asked"}}, encoder=None))
    with pytest.raises(InputError, match="there is no such file"):
        measured_by(Settings(tests={"gsm8k": tmp_path / "absent.jsonl"}, encoder=None))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{"], "contamination.jsonl:1: not a line of JSON"),
        (
            [json.dumps({"item": "a"})],
            "contamination.jsonl:1: no content; expected a line of a run's contamination.jsonl",
        ),
        (
            [json.dumps({"content": "c", "item": "a", "decision": "maybe"})],
            "decision is 'maybe'; expected keep, drop or null",
        ),
        (
            [json.dumps({"content": "c", "item": "a", "decision": d}) for d in ("keep", "drop")],
            "contamination.jsonl:2: a was decided keep further up",
        ),
    ],
)
def test_a_review_that_cannot_be_read_is_an_error(settings, tmp_path, lines, message):
    path = tmp_path / "contamination.jsonl"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=message):
        decision(gray_row(), settings(review=path))


def test_a_missing_review_is_an_error_and_an_empty_one_is_none(settings, tmp_path):
    with pytest.raises(InputError, match=r"absent\.jsonl"):
        decision(gray_row(), settings(review=tmp_path / "absent.jsonl"))
    assert decision(gray_row(), settings(review=written(tmp_path))).verdicts.height == 1


# Where test sets come from


def test_a_name_of_the_registry_needs_no_fields_and_a_path_may_stand_alone(tmp_path):
    path = tmp_path / "gsm.jsonl"
    path.write_text(json.dumps({"question": DUCKS, "answer": "#### 18"}))
    assert items(Settings(tests={"gsm8k": str(path)})).select("item", "question").rows() == [("gsm8k/1", DUCKS)]


def test_a_set_of_instructions_is_a_test_set_by_its_path_alone(tmp_path):
    path = tmp_path / "held_out.json"
    path.write_text(json.dumps([{"instruction": DUCKS, "input": "", "output": "18"}]))
    frame = items(Settings(tests={"held_out": path}))
    assert frame.select("item", "question", "answer").rows() == [("held_out/held_out.json:1", DUCKS, "18")]


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ({"gsm9k": None}, "gsm9k is not a test set known here, so it needs a path. Did you mean 'gsm8k'?"),
        ({"lima_test": None}, "lima_test needs a path: test.jsonl of"),
        ({"mine": {"path": "x", "answer": "a"}}, "without question"),
        ({"gsm8k": {"question": "ask"}}, "question without path"),
    ],
)
def test_a_test_set_that_cannot_be_found_is_refused_in_the_recipe(tests, message):
    with pytest.raises(ValueError, match=message):
        Settings(tests=tests)


def test_a_missing_file_and_a_missing_field_are_one_line_each(tmp_path, test_file):
    absent = Settings(tests={"gsm8k": tmp_path / "absent.jsonl"}, encoder=None)
    with pytest.raises(InputError, match=r"absent\.jsonl"):
        measure(rows(DUCKS), absent)
    with pytest.raises(InputError, match=r"mine\.jsonl:1: test set gsm8k: no field question or context"):
        measure(rows(DUCKS), Settings(tests={"gsm8k": test_file}, encoder=None))
    with pytest.raises(InputError, match=r"no field asked with the question\. Did you mean 'ask'"):
        measure(rows(DUCKS), Settings(tests={"mine": {"path": test_file, "question": "asked"}}, encoder=None))
    with pytest.raises((InputError, ConfigError), match=r"mine\.jsonl"):
        measure(rows(DUCKS), Settings(tests={"mine": test_file}, encoder=None))


def test_a_site_of_stack_exchange_can_be_a_test_set(shared_data):
    """LIMA record 277 is post 1810 of quantumcomputing, the answer to question 1806 (data README)."""
    posts = shared_data("raw/stackexchange/quantumcomputing/Posts.xml")
    records = json.loads(shared_data("instruction/lima/lima.json").read_text())[270:280]
    frame = rows(*[(row["instruction"], row["output"]) for row in records])
    titled = Settings(tests={"quantum": posts}, encoder=None)
    leaks = decontaminate.leaks(measure(rows("What is quantum gate teleportation?"), titled), titled)
    assert "quantum/quantumcomputing.stackexchange.com/a/1810#title" in leaks["item"].to_list()
    for parts in (("question",), ("answer",)):
        chosen = Settings(tests={"quantum": posts}, encoder=None, parts=parts)
        leaks = decontaminate.leaks(measure(frame, chosen), chosen)
        assert leaks["id"].unique().to_list() == [frame["id"][7]]
        assert leaks["category"].unique().to_list() == ["duplicate"]
        assert "quantum/quantumcomputing.stackexchange.com/a/1810" in leaks["item"].to_list()


def test_every_rule_is_a_sentence():
    assert all(text.endswith(".") for text in RULES.values())
