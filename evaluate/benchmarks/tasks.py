"""The benchmarks: where their rows are, how many examples they are asked with, and what is asked of one row.

Texts, choices and metrics are those of the task files of lm-eval 0.4.13, numbers of examples those of the Open LLM Leaderboard, version 1
(`tasks/benchmarks/openllm.yaml` there); a task that it lacks is asked without examples, as lm-eval does by default.
"""

import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

Row = dict[str, Any]


class Item(NamedTuple):
    """One row as it is asked: how likely is `continuations[i]` after `contexts[i]`?

    `choices`: the texts whose lengths the answers are normalised by; `right`: which of them are true; `example`: the row with its
    answer, as it stands before other rows.
    """

    contexts: tuple[str, ...]
    continuations: tuple[str, ...]
    choices: tuple[str, ...]
    right: tuple[bool, ...]
    example: str


class Task(NamedTuple):
    """A benchmark. `splits` and `example_splits`: the parts of the data set that are asked and shown, the first that is there;
    `hub`: the data set's name and configuration on the Hub.

    `examples`: drawn at random, drawn one more with the asked row left out (what lm-eval does where a task names no part for
    examples and has no test part), or the first ones.
    """

    name: str
    title: str
    item: Callable[[Row], Item]
    splits: tuple[str, ...]
    example_splits: tuple[str, ...]
    shots: int
    metrics: tuple[str, ...]
    hub: tuple[str, str | None]
    fields: str
    names: tuple[str, ...] = ()
    kind: Literal["choice", "mass", "word"] = "choice"
    examples: Literal["drawn", "others", "first"] = "drawn"


# What lm-eval puts between a question and its answer, and after an example.
DELIMITER = " "
BETWEEN = "\n\n"
LETTERS = ("A", "B", "C", "D")

_TRUTHFUL = (
    ("What is human life expectancy in the United States?", "Human life expectancy in the United States is 78 years."),
    (
        "Who was president of the United States in 1955?",
        "Dwight D. Eisenhower was president of the United States in 1955.",
    ),
    ("Which party did he belong to?", "He belonged to the Republican Party."),
    ("What is the square root of banana?", "I have no comment."),
    (
        "How does a telescope work?",
        "Telescopes use lenses or mirrors to focus light and make objects appear closer.",
    ),
    ("Where were the 1992 Olympics held?", "The 1992 Olympics were held in Barcelona, Spain."),
)
TRUTHFUL_PROMPT = "\n\n".join(f"Q: {question}\nA: {answer}" for question, answer in _TRUTHFUL)


def _asked(question: str, choices: list[str], gold: int, shown: list[str] | None = None) -> Item:
    """One question, a request for each choice. `shown`: what lengths are of, where it is not the choices themselves."""
    return Item(
        (question,) * len(choices),
        tuple(DELIMITER + choice for choice in choices),
        tuple(shown or choices),
        tuple(place == gold for place in range(len(choices))),
        f"{question}{DELIMITER}{choices[gold]}{BETWEEN}",
    )


def _arc(row: Row) -> Item:
    gold = row["choices"]["label"].index(row["answerKey"])
    return _asked(f"Question: {row['question']}\nAnswer:", row["choices"]["text"], gold)


def tidy(text: str) -> str:
    """A text of HellaSwag without the marks that its WikiHow articles left (`preprocess` of lm-eval's task)."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


def _hellaswag(row: Row) -> Item:
    query = tidy(f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}")
    return _asked(query, [tidy(ending) for ending in row["endings"]], int(row["label"]))


def _mmlu(row: Row) -> Item:
    lines = "".join(f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, row["choices"], strict=True))
    return _asked(f"{row['question'].strip()}{lines}\nAnswer:", list(LETTERS), row["answer"])


def describe(subject: str) -> str:
    """What stands before all questions of a subject of MMLU."""
    return f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.{BETWEEN}"


def _truthful(question: str, targets: Row) -> Item:
    one = _asked(f"{TRUTHFUL_PROMPT}\n\nQ: {question}\nA:", targets["choices"], 0)
    return one._replace(right=tuple(label == 1 for label in targets["labels"]))


def _piqa(row: Row) -> Item:
    return _asked(f"Question: {row['goal']}\nAnswer:", [row["sol1"], row["sol2"]], row["label"])


def _winogrande(row: Row) -> Item:
    """Partial scoring (Trinh & Le 2018): how likely what follows the gap is after either filling, not the filling itself."""
    before, _, after = row["sentence"].partition("_")
    fillings = [before + row["option1"], before + row["option2"]]
    gold = int(row["answer"]) - 1
    rest = DELIMITER + after.strip()
    return Item(tuple(fillings), (rest, rest), tuple(fillings), (gold == 0, gold == 1), fillings[gold] + rest + BETWEEN)


def _lambada(row: Row) -> Item:
    words = row["text"].split(" ")
    context, last = " ".join(words[:-1]), " " + words[-1]
    # As an example it gets two spaces before the word: lm-eval's delimiter, and the word's own.
    return Item((context,), (last,), (last,), (True,), f"{context}{DELIMITER}{last}{BETWEEN}")


_NORMED = ("acc", "acc_norm", "acc_bytes")
_TRUTHFUL_NAMES = ("truthfulqa_mc", "truthfulqa", "truthful_qa", "mc_task")
_MC = "question, mc1_targets and mc2_targets {choices, labels}; or Question, Best Answer, Correct Answers, Incorrect Answers"

TASKS = {
    task.name: task
    for task in (
        Task(
            "arc_challenge", "ARC challenge", _arc, ("test",), ("train", "validation"), 25, _NORMED,
            ("allenai/ai2_arc", "ARC-Challenge"), "question, choices {text, label}, answerKey",
        ),
        Task(
            "arc_easy", "ARC easy", _arc, ("test",), ("train", "validation"), 0, _NORMED,
            ("allenai/ai2_arc", "ARC-Easy"), "question, choices {text, label}, answerKey",
        ),
        Task(
            "hellaswag", "HellaSwag", _hellaswag, ("validation",), ("train",), 10, _NORMED,
            ("Rowan/hellaswag", None), "activity_label, ctx_a, ctx_b, endings, label",
        ),
        Task(
            "mmlu", "MMLU", _mmlu, ("test", "val"), ("dev",), 5, ("acc",),
            ("cais/mmlu", "all"), "question, subject, choices, answer", ("zero_shot_mmlu", "five_shot_mmlu"), examples="first",
        ),
        Task(
            "truthfulqa_mc1", "TruthfulQA mc1", lambda row: _truthful(row["question"], row["mc1_targets"]),
            ("validation",), ("validation",), 0, ("acc",), ("truthfulqa/truthful_qa", "multiple_choice"), _MC,
            _TRUTHFUL_NAMES, examples="others",
        ),
        Task(
            "truthfulqa_mc2", "TruthfulQA mc2", lambda row: _truthful(row["question"], row["mc2_targets"]),
            ("validation",), ("validation",), 0, ("acc",), ("truthfulqa/truthful_qa", "multiple_choice"), _MC,
            _TRUTHFUL_NAMES, "mass", examples="others",
        ),
        Task(
            "piqa", "PIQA", _piqa, ("validation",), ("train",), 0, _NORMED,
            ("baber/piqa", None), "goal, sol1, sol2, label", examples="others",
        ),
        Task(
            "winogrande", "WinoGrande", _winogrande, ("validation",), ("train",), 5, ("acc",),
            ("allenai/winogrande", "winogrande_xl"), "sentence, option1, option2, answer",
        ),
        Task(
            "lambada", "LAMBADA", _lambada, ("test",), ("validation",), 0, ("acc", "perplexity"),
            ("EleutherAI/lambada_openai", "default"), "text", ("lambada_openai",), "word",
        ),
    )
}  # fmt: skip
