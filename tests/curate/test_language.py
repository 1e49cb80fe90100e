import json
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langdetect.detector_factory import DetectorFactory
from polars.testing import assert_frame_equal

from curate.rules import language

ENGLISH = "You should have a look at the manual before you start, because it tells which of the two cables goes where."
GERMAN = "Wenn das Wasser kocht, gibt man die Nudeln hinein und rührt einmal um, damit nichts am Boden klebt."
KOREAN = "설명서를 먼저 읽고 나서 천천히 조립하는 것이 좋다. 이 방법은 시간이 조금 더 걸리지만 안정적이다."
JAPANESE = "まず説明書を読んでから、ゆっくり組み立てるのがいいと思います。雨が強かったので電車で帰りました。"
RUSSIAN = "Сначала нужно прочитать инструкцию, а потом спокойно начать работу, чтобы ничего не сломать."
CODE = "```python\nfor name in names:\n    print(name, file=out)\n```"
TEXTS = [
    ENGLISH,
    GERMAN,
    KOREAN,
    JAPANESE,
    RUSSIAN,
    CODE,
    "",
    "🙄🙄🙄",
    f"{ENGLISH} {GERMAN} {GERMAN}",
    "Sushi, ramen, udon, tempura.",
]


def languages(*texts: str | None) -> list[str]:
    return language.detect(pl.Series(texts, dtype=pl.String))["language"].to_list()


def refuse(texts: list[str]) -> list[tuple[str, float]]:
    raise AssertionError(f"the detector was asked about {texts}")


def test_each_text_gets_its_language_in_the_order_of_the_texts():
    assert languages(GERMAN, ENGLISH, KOREAN, JAPANESE, RUSSIAN) == ["de", "en", "ko", "ja", "ru"]


def test_the_columns_are_a_string_and_a_float():
    found = language.detect(pl.Series([ENGLISH]))
    assert found.schema == {"language": pl.String, "language_confidence": pl.Float64}
    assert found.row(0) == ("en", 1.0)


def test_no_text_gives_no_row():
    assert language.detect(pl.Series([], dtype=pl.String)).height == 0


@pytest.mark.parametrize(
    "text", [None, "", " \n ", "42", "Yes.", "🙄 😏 🎉", CODE, "`x = 1`", "https://example.org/the/and/of"]
)
def test_too_little_prose_is_undetermined_without_asking_the_detector(text):
    found = language.detect(pl.Series([text], dtype=pl.String), detector=refuse)
    assert found.row(0) == ("und", 0.0)


@pytest.mark.parametrize("text", [ENGLISH, KOREAN, JAPANESE])
def test_plain_cases_never_reach_the_detector(text):
    assert language.detect(pl.Series([text]), detector=refuse)["language_confidence"].to_list() == [1.0]


def test_code_inline_code_addresses_tags_and_formulas_are_not_prose():
    text = "Call `sorted(x)`\tat <b>once</b>,\n\nsee https://a.example/b?c=d and $x^2 + y$.\n```\nif x:\n```\nIt costs $5, not $10."
    assert language.prose(pl.Series([text])).to_list() == ["Call at once , see and . It costs $5, not $10."]


def test_an_unclosed_fence_is_code_to_the_end():
    assert language.prose(pl.Series(["Before.\n```\nimport os\n"])).to_list() == ["Before."]


def test_code_does_not_hide_the_language_of_the_prose_around_it():
    assert languages(f"{CODE}\n{GERMAN}\n{CODE}") == ["de"]


def test_a_text_that_is_mostly_german_is_not_settled_as_english():
    mixed = f"{GERMAN} {GERMAN} You have to do this at once. {GERMAN}"
    assert language.settle(pl.Series([mixed]))["settled"].to_list() == [None]
    assert languages(mixed) == ["de"]


def test_chinese_of_either_script_has_one_code():
    assert languages(
        "我们昨天晚上去了新开的餐厅吃饭，大家都觉得味道很好。", "我們昨天晚上去了新開的餐廳吃飯，大家都覺得味道很好。"
    ) == ["zh", "zh"]


def test_another_detector_is_asked_once_for_each_distinct_unclear_text():
    asked = []

    def detector(texts: list[str]) -> list[tuple[str, float]]:
        asked.extend(texts)
        return [("xx", 0.5) for _ in texts]

    found = language.detect(pl.Series([GERMAN, ENGLISH, GERMAN, RUSSIAN]), detector=detector)
    assert asked == [GERMAN, RUSSIAN]
    assert found.rows() == [("xx", 0.5), ("en", 1.0), ("xx", 0.5), ("xx", 0.5)]


def test_a_detector_that_skips_a_text_is_an_error():
    with pytest.raises(ValueError, match="answered 0 of 1 texts; expected one answer for each"):
        language.detect(pl.Series([GERMAN]), detector=lambda texts: [])


def test_langdetect_verdicts_do_not_depend_on_its_global_seed(monkeypatch):
    before = language.langdetect([GERMAN, TEXTS[-1]])
    monkeypatch.setattr(DetectorFactory, "seed", 12345)
    assert language.langdetect([GERMAN, TEXTS[-1]]) == before


def test_langdetect_finds_nothing_where_there_is_no_letter():
    assert language.langdetect(["12 + 30 = 42"]) == [("und", 0.0)]


def test_langdetect_is_loaded_only_when_a_text_needs_it():
    program = (
        "import sys, polars as pl; from curate.rules import language;"
        f"language.detect(pl.Series([{ENGLISH!r}])); assert 'langdetect' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(len(TEXTS))), cut=st.integers(0, len(TEXTS)))
def test_a_verdict_depends_on_neither_order_nor_neighbours(order, cut):
    whole = language.detect(pl.Series(TEXTS))
    shuffled = [TEXTS[i] for i in order]
    parts = [language.detect(pl.Series(part, dtype=pl.String)) for part in (shuffled[:cut], shuffled[cut:])]
    assert_frame_equal(pl.concat(parts), whole[list(order)])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=80), max_size=5))
def test_any_text_gets_exactly_one_verdict(texts):
    found = language.detect(pl.Series(texts, dtype=pl.String), detector=lambda unclear: [("xx", 0.5) for _ in unclear])
    assert found.height == len(texts)
    assert found.null_count().row(0) == (0, 0)


def test_settled_lima_answers_are_what_langdetect_says(shared_data):
    lima = json.loads(shared_data("instruction/lima/lima.json").read_text("utf-8"))
    settled = language.settle(language.prose(pl.Series([row["output"] for row in lima])))
    assert settled["settled"].is_not_null().mean() > 0.9
    known = settled.filter(pl.col("settled").is_in(["en"])).sort("prose").head(150)
    assert [code for code, _ in language.langdetect(known["prose"].to_list())] == ["en"] * 150
