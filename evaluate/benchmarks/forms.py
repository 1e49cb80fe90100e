"""The forms that benchmarks are passed on in, each row brought into the fields of the data set on the Hub.

Beside those: LLM Foundry's (query, choices, gold), LLM-Adapters' ARC, QLoRA's MMLU, TruthfulQA's own table and `mc_task.json`.
"""

import re
from collections.abc import Sequence
from typing import TypeVar

from curate.errors import InputError

from .tasks import LETTERS, Row, Task

T = TypeVar("T")

_ADAPTERS = re.compile(
    r"Please choose the correct answer to the question: (?P<question>.*?)\s*\n\n(?P<answers>Answer1: .*?)\s*\n\nAnswer format:",
    re.DOTALL,
)
_QLORA = re.compile(
    r"(?:The following are multiple choice questions.*?\n\n)?(?P<question>.*)"
    r"\nA\. (?P<a>.*)\nB\. (?P<b>.*)\nC\. (?P<c>.*)\nD\. (?P<d>.*)\nAnswer:\s*",
    re.DOTALL,
)


def canonical(row: Row, task: Task) -> Row:
    """The row in the fields of the Hub's data set. Raises InputError where it is in no form that is known here."""
    try:
        return _READERS[task.name](row)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"no row of {task.name}: expected {task.fields}; its fields: {', '.join(map(str, row))} ({_said(error)})"
        ) from error


def _said(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:120]


def _arc(row: Row) -> Row:
    if "instruction" in row:
        found = _must(_ADAPTERS.match(row["instruction"]), "an instruction that asks for answer1, answer2 …")
        choices = re.split(r"\s*Answer\d+: ", found["answers"])[1:]
        return _lettered(found["question"], choices, int(str(row["answer"]).removeprefix("answer")) - 1)
    if "query" in row:
        return _lettered(_without(row["query"]), _texts(row["choices"]), _place(row["gold"], row["choices"]))
    if isinstance(row["question"], dict):
        stem, given = row["question"]["stem"], row["question"]["choices"]
        both = {"text": [one["text"] for one in given], "label": [one["label"] for one in given]}
        return _arc({"question": stem, "choices": both, "answerKey": row["answerKey"]})
    labels, texts = [str(label) for label in row["choices"]["label"]], _texts(row["choices"]["text"])
    key = str(row["answerKey"])
    labels.index(key)
    _same_length(labels, texts)
    return {"question": _text(row["question"]), "choices": {"text": texts, "label": labels}, "answerKey": key}


def _lettered(question: str, choices: list[str], gold: int) -> Row:
    labels = [chr(ord("A") + place) for place in range(len(choices))]
    return {"question": question, "choices": {"text": choices, "label": labels}, "answerKey": labels[gold]}


def _hellaswag(row: Row) -> Row:
    if "query" in row:
        label, mark, context = _text(row["query"]).partition(": ")
        _must(mark, "a query that begins with its activity and a colon")
        # What is tidy already stays so when it is tidied again.
        return {"activity_label": label, "ctx_a": context, "ctx_b": "", "endings": _texts(row["choices"]),
                "label": str(_place(row["gold"], row["choices"]))}  # fmt: skip
    endings = _texts(row["endings"])
    fields = {name: _text(row[name]) for name in ("activity_label", "ctx_a", "ctx_b")}
    return {**fields, "endings": endings, "label": str(_place(int(row["label"]), endings))}


def _mmlu(row: Row) -> Row:
    if "input" in row:
        found = _must(_QLORA.fullmatch(row["input"]), "an input of a question and the lines A. to D.")
        choices = [found[letter] for letter in "abcd"]
        return {"question": found["question"], "subject": _text(row["subject"]), "choices": choices,
                "answer": LETTERS.index(str(row["output"]).strip())}  # fmt: skip
    choices = _texts(row["choices"]) if "choices" in row else _texts([row[letter] for letter in LETTERS])
    _same_length(LETTERS, choices)
    answer = row["answer"]
    if isinstance(answer, str):
        answer = LETTERS.index(answer.strip()) if answer.strip() in LETTERS else int(answer)
    subject = _text(row["subject"]).strip().replace(" ", "_")
    return {
        "question": _text(row["question"]),
        "subject": subject,
        "choices": choices,
        "answer": _place(answer, choices),
    }


def _truthful(row: Row) -> Row:
    if "Best Answer" in row:
        best, wrong = row["Best Answer"].strip(), _listed(row["Incorrect Answers"])
        true = _listed(row["Correct Answers"])
        return {"question": row["Question"].strip(), "mc1_targets": _targets([best], wrong),
                "mc2_targets": _targets(true if best in true else [best, *true], wrong)}  # fmt: skip
    one, two = _labelled(row["mc1_targets"]), _labelled(row["mc2_targets"])
    if one["labels"][0] != 1 or 1 in one["labels"][1:]:
        raise ValueError("mc1_targets: expected the first choice to be the only true one")
    if set(two["labels"]) != {0, 1}:
        raise ValueError("mc2_targets: expected true and false choices")
    return {"question": _text(row["question"]), "mc1_targets": one, "mc2_targets": two}


def _labelled(targets: Row) -> Row:
    if "choices" not in targets:
        targets = {"choices": list(targets), "labels": list(targets.values())}
    choices, labels = _texts(targets["choices"]), [int(label) for label in targets["labels"]]
    _same_length(choices, labels)
    return {"choices": choices, "labels": labels}


def _targets(true: list[str], false: list[str]) -> Row:
    _must(true and false, "true and false answers")
    return {"choices": [*true, *false], "labels": [1] * len(true) + [0] * len(false)}


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _piqa(row: Row) -> Row:
    if "query" in row:
        first, second = _texts(row["choices"])
        goal = _without(row["query"]).removesuffix("\n")
        return {"goal": goal, "sol1": first, "sol2": second, "label": _place(row["gold"], row["choices"])}
    texts = {name: _text(row[name]) for name in ("goal", "sol1", "sol2")}
    return {**texts, "label": _place(int(row["label"]), "12")}


def _winogrande(row: Row) -> Row:
    if "context_options" in row:
        first, second = _texts(row["context_options"])
        words = first.split(" "), second.split(" ")
        shared = 0
        while shared < min(map(len, words)) and words[0][shared] == words[1][shared]:
            shared += 1
        before = " ".join([*words[0][:shared], ""])
        sentence = f"{before}_ {_text(row['continuation'])}"
        return {"sentence": sentence, "option1": first[len(before) :], "option2": second[len(before) :],
                "answer": str(_place(row["gold"], "12") + 1)}  # fmt: skip
    texts = {name: _text(row[name]) for name in ("sentence", "option1", "option2")}
    _must("_" in texts["sentence"], "a sentence with a gap (_)")
    return {**texts, "answer": str(_place(int(row["answer"]) - 1, "12") + 1)}


def _lambada(row: Row) -> Row:
    text = f"{row['context']} {row['continuation']}" if "continuation" in row else _text(row["text"])
    _must(text.rpartition(" ")[0], "a text of two words or more")
    return {"text": text}


def _without(query: str) -> str:
    return _text(query).removeprefix("Question: ")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {str(value)[:40]!r}")
    return value


def _texts(values: Sequence[object]) -> list[str]:
    if isinstance(values, str):
        raise TypeError("expected a list of texts, found one text")
    return [_text(value) for value in values]


def _place(gold: int, choices: Sequence[object]) -> int:
    if isinstance(gold, bool) or gold != int(gold) or not 0 <= gold < len(choices):
        raise ValueError(f"the answer is number {gold} of {len(choices)} choices")
    return int(gold)


def _same_length(one: Sequence[object], other: Sequence[object]) -> None:
    if len(one) != len(other):
        raise ValueError(f"{len(other)} choices where {len(one)} are expected")


def _must(found: T | None, what: str) -> T:
    if not found:
        raise ValueError(f"expected {what}")
    return found


_READERS = {
    "arc_challenge": _arc,
    "arc_easy": _arc,
    "hellaswag": _hellaswag,
    "mmlu": _mmlu,
    "truthfulqa_mc1": _truthful,
    "truthfulqa_mc2": _truthful,
    "piqa": _piqa,
    "winogrande": _winogrande,
    "lambada": _lambada,
}
