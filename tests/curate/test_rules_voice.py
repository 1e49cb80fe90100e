"""First person, references to others, titles and refusals: what counts and what only looks like it."""

import polars as pl
import pytest

from curate.rules import masks, voice


def count(expression, text):
    frame = pl.DataFrame({"text": [text]}).with_columns(voice=masks.voice(masks.prose(pl.col("text"))))
    return frame.select(expression(pl.col("voice"))).item()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I brew with my own yeast, and it never failed me.", 3),
        ("I'm sure; I’ve tried it myself.", 3),
        ("i think it works, but i'm no expert", 2),
        ("A friend of mine did.", 1),
        ("저는 이 방법을 씁니다. 내가 해 보니 우리 집에서도 됩니다.", 3),
        ("**Note:** I never tried it.", 1),
        ("However: I never tried it.", 1),
    ],
)
def test_first_person_words_are_counted(text, expected):
    assert count(voice.first_person, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The disk is bound by I/O, not by the CPU.",
        "Part I begins in London; World War I ended in 1918 under Elizabeth I and Nicholas I.",
        "A type I error is a false alarm, and Type-I superconductors expel fields.",
        "I. Introduction\nII. Methods",
        "Volumes I and II, I–IV, copper(I) oxide, Cu I, S-I-L, A.I. and I.e. are no pronouns.",
        "Ohm's law says I = V/R and P = I²R.",
        'The waiter said "I will bring my best" and left.',
        "She wrote: “I never saw my house again.”",
        "He answered 'I don't know, it is my first day'.",
        "> I think you should not\n\nThat line was a quotation.",
        "Waiter: I bring the menu.\nGuest: My wife and I would like tea.",
        "— I am late.\n— Never mind.",
        "Say *I have been there* rather than *I have gone there*.",
        "Set it so:\n```python\nI = my_matrix  # me\n```\nand use `I` and `my`.",
        "The inertia $I$ and the current \\(I\\) differ.",
        "Open My Documents and Find My iPhone.",
        "Rémy met Jérôme; the economy and the enemy grew; time and again.",
        "하나는 크고 문제가 작다. 어제가 좋았다. 우리나라 냄새가 나는 음식.",
    ],
)
def test_what_only_looks_like_the_first_person_is_not_counted(text):
    assert count(voice.first_person, text) == 0


@pytest.mark.parametrize(
    "text",
    [
        "As mentioned above, boil it first.",
        "The other answers cover the theory.",
        "Another answer says the opposite.",
        "The accepted answer is wrong.",
        "@brewmaster is right about the yeast.",
        "This was asked on Stack Overflow, too.",
        "See StackExchange for details.",
        "As the OP noted, it foams.",
        "Please upvote if it helped.",
        "This question is too broad.",
        "See the comments below for a proof.",
        "Dave's answer gives the numbers.",
        "See my other answer for the code.",
        "It has already been answered.",
        "Kamil gives details in his answer.",
        "As pointed out by others, it rusts.",
        "Ask on r/homebrewing instead.",
        "위의 답변처럼 하면 됩니다.",
    ],
)
def test_references_to_others_and_to_the_site_are_counted(text):
    assert count(voice.refers_to_others, text) >= 1


@pytest.mark.parametrize(
    "text",
    [
        "The answer is 42, and other numbers give other results.",
        "Ask your students to explain their answer to the class.",
        "To answer this question, historians look at letters.",
        "Write to someone@example.org or use the @property decorator.",
        "An op amp needs two supplies; the OP amp is cheap.",
        "Add comments to your code so that readers follow.",
        "The question of free will is old.",
        "Use `@user` as a placeholder.",
        "Mentioned in the Bible, the fig is an old fruit.",
        "The stack overflowed because the recursion never ends.",
        "Vote in person or by mail.",
        "The ratio of and/or gates is w/r/t time.",
    ],
)
def test_what_only_looks_like_a_reference_is_not_counted(text):
    assert count(voice.refers_to_others, text) == 0


@pytest.mark.parametrize(
    ("title", "tags", "expected"),
    [
        ("How long does beer keep in an open keg?", ["keg", "beer"], True),
        ("What is the difference between ale and lager?", [], True),
        ("왜 맥주는 거품이 나나요?", [], True),
        ("How do I fix this?", [], False),
        ("Which of the following is right?", [], False),
        ("Why does my beer taste sour?", [], False),
        ("Beer foam", [], False),
        ("python pandas data-frame merge", ["python", "pandas", "data-frame", "merge"], False),
        ("How to merge two frames [closed]", [], False),
        (None, [], None),
    ],
)
def test_a_title_must_stand_by_itself(title, tags, expected):
    frame = pl.DataFrame({"title": [title], "tags": [tags]}, schema={"title": pl.String, "tags": pl.List(pl.String)})
    assert frame.select(voice.EXPRESSIONS["self_contained_title"]).item() is expected


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I do not have opinions.",
        "I'm sorry, but I cannot help with that.",
        "I am unable to provide medical advice.",
        "I'm just an AI and have no body.",
        "That is against my programming.",
        "I cannot assist you with this request.",
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    ],
)
def test_refusals_are_found(text):
    assert count(voice.refusal, text)


@pytest.mark.parametrize(
    "text",
    [
        "I cannot stress enough how hot the oil gets.",
        "GPT-2 was trained as a language model, and later models followed.",
        'The robot replied: "As an AI, I have no soul."',
        "I can't help laughing when it foams.",
        "Sorry for the delay; here is the recipe.",
        "As an air filter, I would take paper.",
        "AI is changing medicine; as an assistant, it reads scans.",
    ],
)
def test_what_only_sounds_like_a_refusal_is_none(text):
    assert not count(voice.refusal, text)


def test_the_cheap_pick_of_rows_leaves_no_first_person_word_out():
    texts = [
        "I am",
        "my",
        "My",
        "MY",
        "me",
        "Me",
        "myself",
        "of mine",
        "i'm",
        "i think",
        "나는 ",
        "저의",
        "우리",
        "제 생각",
    ]
    frame = pl.DataFrame({"voice": [f"so {text} it" for text in texts]})
    found = frame.select(voice.first_person(pl.col("voice")).alias("count"), voice.may_be_first_person.alias("may"))
    assert found.filter(pl.col("count") == 0).is_empty()
    assert found["may"].all()
