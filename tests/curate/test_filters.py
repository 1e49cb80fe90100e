"""The stage: settings, profiles, verdicts, and what holds for all rules."""

import pickle

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from curate.errors import ConfigError
from curate.record import examples
from curate.rules.table import BY_NAME, TABLE, markdown
from curate.stages import filters
from curate.stages.filters import Limits, Settings

LONG = "Boil the wort for an hour, cool it down, add the yeast and wait for two weeks before you bottle it."
OFF = Settings(languages=(), **{rule.name: None for rule in TABLE if rule.name != "language"})


def rows(*given, source="s"):
    return examples(
        source, [{"key": str(i), "prompt": "How is beer made?", "response": LONG, **row} for i, row in enumerate(given)]
    )


def judged(frame, settings):
    measured = filters.measure(frame, settings)
    corpus = frame.select("source", *filters.GIVEN).hstack(measured).select("id", *filters.NEEDS)
    return filters.decide(corpus, settings).verdicts


def failed(frame, settings):
    return [
        (frame["key"][frame["id"].index_of(id_)], rule)
        for id_, rule in judged(frame, settings).select("id", "rule").iter_rows()
    ]


def only(**given):
    return OFF.model_copy(update=given)


@pytest.mark.parametrize(
    ("setting", "fails", "passes"),
    [
        ({"min_chars": 5}, {"response": "Four"}, {"response": "Fives"}),
        ({"max_chars": 5}, {"response": "Sixths"}, {"response": "Fives"}),
        ({"min_words": 3}, {"response": "Two words"}, {"response": "Three whole words"}),
        ({"max_words": 3}, {"response": "Now four whole words"}, {"response": "Three whole words"}),
        ({"min_tokens": 3}, {"response": "two words"}, {"response": "two words."}),
        ({"max_tokens": 3}, {"response": "two words, still"}, {"response": "two words."}),
        ({"min_prompt_chars": 3}, {"prompt": "Hi"}, {"prompt": "Hi!"}),
        ({"max_prompt_chars": 3}, {"prompt": "Hi!!"}, {"prompt": "Hi!"}),
        ({"min_score": 10}, {"score": 9}, {"score": 10}),
        ({"self_contained_title": True}, {"title": "How do I fix this thing?"}, {"title": "How do I fix a keg?"}),
        ({"first_person": 0}, {"response": "I boil it."}, {"response": "Part I says: boil it."}),
        ({"refers_to_others": 0}, {"response": "The other answer is wrong."}, {"response": "The answer is 4."}),
        ({"languages": ("en",)}, {"response": "Das Bier wird eine Stunde lang gekocht und danach mit Hefe versetzt, " * 3}, {}),
        ({"deleted": True}, {"flags": ["removed"]}, {"flags": ["bot"]}),
        ({"deleted": True}, {"response": "[deleted]"}, {"response": "It was [deleted]"}),
        ({"bot": True}, {"flags": ["bot"]}, {"flags": []}),
        ({"over_18": True}, {"flags": ["over_18"]}, {"flags": ["bot"]}),
        ({"stickied": True}, {"flags": ["stickied"]}, {"flags": ["bot"]}),
        ({"nsfw": 0}, {"prompt": "[NSFW] What happened?"}, {"response": "Breast cancer screening saves lives."}),
    ],
)  # fmt: skip
def test_a_row_fails_its_rule_and_a_near_miss_passes(setting, fails, passes):
    rule = "language" if "languages" in setting else next(iter(setting))
    assert failed(rows(fails, passes), only(**setting)) == [("0", rule)]


def test_sarcasm_is_compared_with_its_limit():
    frame = rows({"response": "Oh sure, because that worked SO well last time... /s"}, {})
    assert failed(frame, only(sarcasm=0.5)) == [("0", "sarcasm")]


def test_all_failing_rules_of_a_row_are_recorded_with_value_and_limit():
    found = judged(rows({"response": "I see.", "score": 2}), only(min_chars=10, first_person=0, min_score=3))
    assert found.select("stage", "rule", "value", "limit").rows() == [
        ("filters", "min_chars", 6.0, 10.0),
        ("filters", "min_score", 2.0, 3.0),
        ("filters", "first_person", 1.0, 0.0),
    ]


def test_a_flag_is_recorded_as_one_against_zero_and_a_title_as_zero_against_one():
    found = judged(rows({"flags": ["bot"], "title": "Fix this"}), only(bot=True, self_contained_title=True))
    assert found.select("rule", "value", "limit").rows() == [("self_contained_title", 0.0, 1.0), ("bot", 1.0, 0.0)]


def test_the_language_found_is_the_detail():
    korean = "맥주는 맥아와 홉과 효모와 물로 만드는 술입니다. 먼저 맥아를 끓인 다음 홉을 넣고 식혀서 효모를 넣습니다."
    found = judged(rows({"response": korean}), only(languages=("en",)))
    assert found.select("rule", "detail").rows() == [("language", "ko")]
    assert judged(rows({"response": korean}), only(languages=("en", "ko"))).is_empty()
    assert judged(rows({"response": korean}), only(languages=())).is_empty()


def test_a_list_of_names_in_no_language_passes():
    frame = rows(
        {"prompt": "Name cheeses.", "response": "Gouda, brie, edam"},
        {"response": "5gA1zV7m"},
        {"response": "x = 1\ny = 2"},
    )
    assert judged(frame, only(languages=("en",))).is_empty()


def test_a_mean_word_length_beyond_either_limit_names_that_limit():
    frame = rows({"response": "a b " * 60}, {"response": "internationalisation " * 60})
    found = judged(frame, only(word_length=(3.0, 10.0)))
    assert found.select("value", "limit").rows() == [(1.0, 3.0), (20.0, 10.0)]


def test_a_profile_changes_one_limit_of_one_source():
    frame = pl.concat([rows({"response": "Short."}, source="a"), rows({"response": "Short."}, source="b")])
    settings = only(min_chars=10, profiles={"a": Limits(min_chars=3), "b": Limits(max_chars=3)})
    assert judged(frame, settings).select("id", "rule").rows() == [
        (frame["id"][1], "min_chars"),
        (frame["id"][1], "max_chars"),
    ]


def test_an_explicit_null_in_a_profile_switches_a_rule_off():
    frame = pl.concat([rows({"response": "Short."}, source="a"), rows({"response": "Short."}, source="b")])
    settings = only(min_chars=10, profiles={"a": Limits(min_chars=None)})
    assert judged(frame, settings)["id"].to_list() == [frame["id"][1]]


def test_a_profile_can_allow_other_languages():
    german = {"response": "Das Bier wird eine Stunde lang gekocht und danach mit der Hefe versetzt. " * 3}
    frame = pl.concat([rows(german, source="a"), rows(german, source="b")])
    settings = only(languages=("en",), profiles={"a": Limits(languages=("de",))})
    assert judged(frame, settings)["id"].to_list() == [frame["id"][1]]


def test_rules_that_are_off_drop_nothing_and_measure_nothing():
    frame = rows({"response": "", "prompt": "", "flags": ["bot", "deleted"], "score": -5})
    assert judged(frame, OFF).is_empty()
    measured = filters.measure(frame, OFF)
    assert [name for name in measured.columns if measured[name].null_count() == 0] == ["id", "response_chars"]


def test_an_unknown_score_or_title_is_no_reason_to_drop():
    assert judged(rows({"score": None, "title": None}), only(min_score=10, self_contained_title=True)).is_empty()


def test_a_limit_on_what_was_not_measured_is_refused():
    frame = rows({})
    corpus = frame.select("source", *filters.GIVEN).hstack(filters.measure(frame, OFF))
    with pytest.raises(ConfigError, match=r"filters\.max_tokens: response_tokens was not measured in this run"):
        filters.decide(corpus, only(max_tokens=5))


def test_a_missing_tokenizer_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"tokenizer .*/tokenizer\.json is not there"):
        filters.measure(rows({}), only(max_tokens=5, tokenizer=tmp_path))


def varied():
    texts = [
        "I see.",
        LONG,
        "",
        "As an AI, I cannot.",
        LONG * 4,
        "[deleted]",
        "x\n" * 20,
        "漢字です。これは日本語の文章です。",
        "8 * 2 = 17",
        LONG + "`I`",
    ]
    return rows(
        *(
            {"response": text, "prompt": "What is 8 * 2?", "title": "Why is it so foamy?", "score": i}
            for i, text in enumerate(texts)
        )
    )


EVERYTHING = Settings(
    min_chars=10, min_words=2, max_tokens=50, first_person=0, refers_to_others=0, sarcasm=0.5, self_contained_title=True, bullet_lines=0.9
)  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 7])
def test_measuring_shards_is_measuring_the_whole(size):
    frame = varied()
    whole = filters.measure(frame, EVERYTHING)
    parts = [filters.measure(frame[start : start + size], EVERYTHING) for start in range(0, frame.height, size)]
    assert_frame_equal(pl.concat(parts), whole)
    assert_frame_equal(filters.measure(frame.reverse(), EVERYTHING).reverse(), whole)
    assert whole["id"].to_list() == frame["id"].to_list()


def test_an_empty_shard_has_the_same_columns():
    frame = varied()
    assert filters.measure(frame.clear(), EVERYTHING).schema == filters.measure(frame, EVERYTHING).schema
    assert judged(frame.clear(), EVERYTHING).is_empty()


def test_decide_reads_only_what_it_needs():
    frame = varied()
    corpus = frame.select("source", *filters.GIVEN).hstack(filters.measure(frame, EVERYTHING))
    assert set(filters.NEEDS) <= set(corpus.columns)
    assert not {"prompt", "response", "history", "title"} & set(filters.NEEDS)


def test_the_trusted_set_check_counts_each_rule_and_all_together():
    frame = rows({"response": "Short."}, {"response": "I see."}, {}, {})
    settings = only(min_chars=10, profiles={"a": Limits(first_person=0)})
    assert filters.kill_rates(frame, settings, None).rows() == [("min_chars", 2, 0.5), ("any", 2, 0.5)]
    assert filters.kill_rates(frame, settings, "a").rows() == [
        ("min_chars", 2, 0.5),
        ("first_person", 1, 0.25),
        ("any", 2, 0.5),
    ]
    assert filters.kill_rates(frame.clear(), settings, None)["share"].to_list() == [0.0, 0.0]


def test_what_a_profile_leaves_out_survives_dumps_and_pickles():
    settings = Settings(profiles={"a": Limits(min_chars=None, first_person=0)})
    assert pickle.loads(pickle.dumps(settings)).profiles["a"].given() == {"min_chars": None, "first_person": 0}
    dumped = settings.model_dump(mode="json")
    assert dumped["profiles"] == {"a": {"min_chars": None, "first_person": 0}}
    assert Settings.model_validate(dumped) == settings


@pytest.mark.parametrize("wrong", [{"min_chars": -1}, {"min_char": 3}, {"profiles": {"a": {"sarcasm": "very"}}}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


def test_every_rule_has_a_setting_of_its_name_with_its_default_and_sentence():
    fields = Limits.model_fields
    assert set(fields) == {rule.name for rule in TABLE} - {"language"} | {"languages"}
    assert all(fields[name].description for name in fields)
    assert fields["languages"].default == BY_NAME["language"].default
    assert all(fields[rule.name].default == rule.default for rule in TABLE if rule.name != "language")


def test_the_page_of_rules_has_a_line_for_each():
    lines = markdown().splitlines()
    assert all(any(line.startswith(f"| `{rule.name}` |") and rule.sentence in line for line in lines) for rule in TABLE)


def test_little_of_lima_is_dropped_by_default(shared_data):
    import json

    raw = json.loads(shared_data("instruction/lima/lima.json").read_text())
    frame = examples(
        "lima", [{"key": str(i), "prompt": r["instruction"], "response": r["output"]} for i, r in enumerate(raw)]
    )
    rates = dict(filters.kill_rates(frame, Settings(), None).select("rule", "share").iter_rows())
    assert rates.pop("any") < 0.025
    assert max(rates, key=rates.get) == "language"  # ten answers in Portuguese, Spanish and German
    assert rates["language"] < 0.011
