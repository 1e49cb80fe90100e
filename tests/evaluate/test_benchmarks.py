"""Benchmarks with known answers: the texts that are asked, their tokens, the figures, and lm-eval's numbers for them."""

import itertools
import json
import math
import random
from types import SimpleNamespace

import pytest

from curate.errors import ConfigError, InputError
from evaluate import reader
from evaluate.__main__ import main
from evaluate.benchmarks import forms, harness, measuring, metrics, requests, results, scoring, sharing, sources
from evaluate.benchmarks.scoring import Likelihood
from evaluate.benchmarks.tasks import TASKS
from evaluate.subjects import Subject
from tests.curate import language_models


def arc(question, texts, key):
    return {"question": question, "choices": {"text": texts, "label": list("ABCD")[: len(texts)]}, "answerKey": key}


def mmlu(subject, question, choices, answer):
    return {"question": question, "subject": subject, "choices": choices, "answer": answer}


def truthful(question, best, others, wrong):
    return {
        "question": question,
        "mc1_targets": {"choices": [best, *wrong], "labels": [1] + [0] * len(wrong)},
        "mc2_targets": {"choices": [best, *others, *wrong], "labels": [1] * (1 + len(others)) + [0] * len(wrong)},
    }


ARC = [
    arc("What do cats like to drink?", ["red paint", "milk", "sand", "a big stone"], "B"),
    arc("Where do fish live?", ["in the water", "on the moon", "in a tree"], "A"),
    arc("What shines in the day?", ["the sun", "a shoe", "the moon", "bread"], "A"),
]
ARC_SHOWN = [
    arc("What falls from clouds?", ["rain", "dogs", "cars", "beds"], "A"),
    arc("What is cold?", ["fire", "ice", "soup", "tea"], "B"),
    arc("Who flies?", ["a cow", "a stone", "a bird", "a fish"], "C"),
    arc("What can you eat?", ["a rock", "glass", "wood", "an apple"], "D"),
]
HELLASWAG = [
    {
        "activity_label": "Baking a cake",
        "ctx_a": "A mom and her girl stand in the kitchen. [title] Mix it.",
        "ctx_b": "the girl",
        "endings": [
            "puts the  cake [step] in the oven.",
            "runs into the sea.",
            "sings to a car.",
            "sleeps in the oven.",
        ],
        "label": "0",
    },
    {
        "activity_label": "Playing ball",
        "ctx_a": "Tim and Sue are in the park.",
        "ctx_b": "they",
        "endings": ["eat the ball.", "throw the ball and run.", "cook the park.", "are very very blue."],
        "label": "1",
    },
]
HELLASWAG_SHOWN = [
    {
        "activity_label": "Running",
        "ctx_a": "A boy runs.",
        "ctx_b": "he",
        "endings": ["falls.", "is a hat."],
        "label": "0",
    },
    {
        "activity_label": "Swimming",
        "ctx_a": "A dog swims.",
        "ctx_b": "it",
        "endings": ["reads.", "gets wet."],
        "label": "1",
    },
]
MMLU = [
    mmlu("farm_animals", " What says moo? ", ["a cow", "a hen", "a cat", "a pig"], 0),
    mmlu("farm_animals", "What has wool?", ["a dog", "a sheep", "a hen", "a fish"], 1),
    mmlu("big_numbers", "What is two and two?", ["one", "two", "three", "four"], 3),
    mmlu("big_numbers", "What is one and one?", ["two", "one", "ten", "four"], 0),
    mmlu("big_numbers", "What is ten less one?", ["two", "nine", "ten", "four"], 1),
]
MMLU_SHOWN = [
    mmlu("big_numbers", "What is three less two?", ["one", "two", "three", "four"], 0),
    mmlu("farm_animals", "What lays eggs?", ["a cow", "a dog", "a hen", "a pig"], 2),
]
TRUTHFUL = [
    truthful("Can pigs fly?", "No, pigs cannot fly", ["Pigs have no wings"], ["Yes, pigs fly at night"]),
    truthful("What is the moon made of?", "It is made of rock", [], ["It is made of cheese", "It is made of milk"]),
]
PIQA = [
    {"goal": "To open a door", "sol1": "turn the knob and pull", "sol2": "eat the knob", "label": 0},
    {"goal": "To get dry", "sol1": "jump into the lake", "sol2": "use a towel", "label": 1},
]
WINOGRANDE = [
    {"sentence": "Tom gave the ball to Ben because _ was kind.", "option1": "Tom", "option2": "Ben", "answer": "1"},
    {
        "sentence": "The cup did not fit in the box as the _ was too small.",
        "option1": "cup",
        "option2": "box",
        "answer": "2",
    },
]
WINOGRANDE_SHOWN = [
    {"sentence": "Lily ran from the dog since the _ was mad.", "option1": "dog", "option2": "girl", "answer": "1"},
    {"sentence": "Sue hid from Mia as _ was sad.", "option1": "Sue", "option2": "Mia", "answer": "2"},
]
LAMBADA = [
    {"text": "Lily had a red ball. She loved to play with her ball"},
    {"text": "Once upon a time, there was a little girl named Lily"},
]
ROWS = {
    "arc_challenge": (ARC, ARC_SHOWN, 2),
    "hellaswag": (HELLASWAG, HELLASWAG_SHOWN, 1),
    "mmlu": (MMLU, MMLU_SHOWN, 1),
    "truthfulqa_mc1": (TRUTHFUL, [], 0),
    "truthfulqa_mc2": (TRUTHFUL, [], 0),
    "piqa": (PIQA, [], 0),
    "winogrande": (WINOGRANDE, WINOGRANDE_SHOWN, 2),
    "lambada": (LAMBADA, [], 0),
}
# What lm-eval 0.4.13 gives for these rows with stories260K in float32, a batch of 8 (benchmarks/lm_eval.py does the same with real rows).
LIKELIHOODS = {
    "arc_challenge": [
        [-20.170715, -12.583178, -12.035746, -14.333583],
        [-13.079284, -20.44606, -13.178301],
        [-10.345275, -14.165449, -15.322917, -11.872693],
    ],
    "hellaswag": [
        [-18.518036, -18.193674, -25.128748, -23.485979],
        [-12.851093, -16.39707, -16.571136, -17.447803],
    ],
    "mmlu": [
        [-3.395038, -2.92805, -3.757333, -3.193564],
        [-3.516246, -3.048623, -3.824571, -3.419209],
        [-2.980486, -3.368681, -4.01356, -3.52306],
        [-3.034482, -3.284907, -4.019216, -3.391723],
        [-2.931788, -3.372514, -3.98081, -3.466113],
    ],
    "truthfulqa_mc1": [[-31.5896, -35.168808], [-21.081356, -21.816137, -21.203224]],
    "truthfulqa_mc2": [[-31.5896, -32.803413, -35.168808], [-21.081356, -21.816137, -21.203224]],
    "piqa": [[-35.139046, -29.143957], [-20.980064, -24.623476]],
    "winogrande": [[-8.755177, -9.002438], [-10.405321, -8.3095]],
    "lambada": [[-1.35674], [-0.0766]],
}
FIGURES = {
    ("arc_challenge", "acc"): (2 / 3, 1 / 3),
    ("arc_challenge", "acc_norm"): (2 / 3, 1 / 3),
    ("arc_challenge", "acc_bytes"): (2 / 3, 1 / 3),
    ("hellaswag", "acc"): (0.0, 0.0),
    ("hellaswag", "acc_norm"): (1.0, 0.0),
    ("hellaswag", "acc_bytes"): (1.0, 0.0),
    ("mmlu", "acc"): (0.4, 0.27888667551135854),
    ("mmlu", "acc_unweighted"): (0.41666666666666663, 0.3004626062886658),
    ("truthfulqa_mc1", "acc"): (1.0, 0.0),
    ("truthfulqa_mc2", "acc"): (0.700899844784169, 0.2780445950787029),
    ("piqa", "acc"): (0.0, 0.0),
    ("piqa", "acc_norm"): (0.5, 0.5),
    ("piqa", "acc_bytes"): (0.5, 0.5),
    ("winogrande", "acc"): (1.0, 0.0),
    ("lambada", "acc"): (0.5, 0.5),
    # Its error is drawn by lm-eval, and is not the delta method's.
    ("lambada", "perplexity"): (2.0476030648537695, None),
}


def asked(*names):
    found = []
    for name in names or ROWS:
        rows, pool, shots = ROWS[name]
        task = TASKS[name]
        found.append(
            measuring.Asked(task, shots, list(requests.questions(task, rows, pool, shots)), rows, pool, "here", None)
        )
    return found


def only(name, place=0, shots=None):
    rows, pool, usual = ROWS[name]
    return list(requests.questions(TASKS[name], rows, pool, usual if shots is None else shots))[place].item


def test_the_numbers_are_lm_evals(shared_data):
    model = Subject("stories", str(shared_data("models/stories260K/hf")))
    rows = measuring.measure(asked(), [model], reader.Settings("none", None, "float32"))
    for row in rows:
        # Both are sums of single-precision numbers, made in passes of other shapes.
        assert row["nats"] == pytest.approx(LIKELIHOODS[row["task"]][row["row"]], abs=3e-5), (row["task"], row["row"])
    assert [row["task"] for row in rows if any(row["greedy"])] == ["mmlu"] * 4 + ["lambada"]
    found = {(row["task"], row["metric"]): (row["value"], row["stderr"]) for row in results.figures(rows)}
    assert found.keys() == FIGURES.keys()
    for key, (value, error) in FIGURES.items():
        assert found[key][0] == pytest.approx(value, abs=1e-5), key
        assert error is None or found[key][1] == pytest.approx(error, abs=1e-5), key


def test_examples_are_drawn_in_one_stream_through_the_rows():
    chance = random.Random(1234)
    for question in asked("arc_challenge")[0].questions:
        first, second = chance.sample(ARC_SHOWN, 2)
        lead = ""
        for row in (first, second):
            answer = row["choices"]["text"]["ABCD".index(row["answerKey"])]
            lead += f"Question: {row['question']}\nAnswer: {answer}\n\n"
        row = ARC[question.number]
        assert set(question.item.contexts) == {f"{lead}Question: {row['question']}\nAnswer:"}
        assert question.item.continuations == tuple(f" {text}" for text in row["choices"]["text"])


def test_hellaswag_is_tidied():
    item = only("hellaswag", shots=0)
    assert item.contexts[0] == "Baking a cake: A mom and her girl stand in the kitchen.. Mix it. The girl"
    # What is in brackets goes, then two spaces become one.
    assert item.choices[0] == "puts the cake in the oven."
    assert item.continuations[1] == " runs into the sea."
    assert item.right == (True, False, False, False)


def test_mmlu_is_asked_after_the_first_examples_of_its_subject():
    assert only("mmlu").contexts[0] == (
        "The following are multiple choice questions (with answers) about farm animals.\n\n"
        "What lays eggs?\nA. a cow\nB. a dog\nC. a hen\nD. a pig\nAnswer: C\n\n"
        "What says moo?\nA. a cow\nB. a hen\nC. a cat\nD. a pig\nAnswer:"
    )
    assert only("mmlu").continuations == (" A", " B", " C", " D")


def test_truthfulqa_comes_after_six_answers_that_are_always_the_same():
    context = only("truthfulqa_mc2").contexts[0]
    assert context.startswith("Q: What is human life expectancy in the United States?\nA: Human life")
    assert context.endswith("held in Barcelona, Spain.\n\nQ: Can pigs fly?\nA:")
    assert context.count("\n\nQ: ") == 6
    assert only("truthfulqa_mc2").right == (True, True, False)


def test_winogrande_asks_for_what_follows_the_gap():
    item = only("winogrande", 1, shots=0)
    assert item.contexts == ("The cup did not fit in the box as the cup", "The cup did not fit in the box as the box")
    assert item.continuations == (" was too small.", " was too small.")
    assert item.right == (False, True)
    assert item.example == "The cup did not fit in the box as the box was too small.\n\n"


def test_lambada_asks_for_the_last_word_and_as_an_example_has_two_spaces_before_it():
    item = only("lambada")
    assert (item.contexts, item.continuations) == (("Lily had a red ball. She loved to play with her",), (" ball",))
    assert item.example.endswith("with her  ball\n\n")


def test_a_row_is_no_example_of_itself():
    pool = [*PIQA, {**PIQA[0], "goal": "To sit"}]
    found = list(requests.questions(TASKS["piqa"], pool, pool, 2))
    for question in found:
        own = pool[question.number]["goal"]
        assert question.item.contexts[0].count(own) == 1
        assert question.item.contexts[0].count("\nAnswer: ") == 2


def test_a_limit_is_one_of_each_subject():
    found = requests.questions(TASKS["mmlu"], MMLU, [], 0, limit=1)
    assert [(one.number, one.subject) for one in found] == [(0, "farm_animals"), (2, "big_numbers")]


def test_too_few_examples_are_said():
    with pytest.raises(
        ConfigError, match="mmlu, farm_animals: 2 rows for examples are needed and there are 1; take fewer: --shots"
    ):
        list(requests.questions(TASKS["mmlu"], MMLU, MMLU_SHOWN, 2))


def test_neighbours_that_begin_alike_are_a_group(tiny, monkeypatch):
    model = loaded(tiny)
    monkeypatch.setitem(sharing.LEAST, "cpu", 3)
    rows = [(1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 7), (1, 2, 3, 9, 9), (1, 2, 8, 8), (5, 5, 5, 5), (5, 5, 5, 6)]
    found = list(sharing.groups(rows, [5, 4, 4, 3, 3, 2], model))
    # The first three share 3 tokens; the fourth only 2; of the last the logits are wanted from its third token on.
    assert found == [([0, 1, 2], 3), ([3], 0), ([4], 0), ([5], 0)]
    monkeypatch.setitem(sharing.models.PASS_TOKENS, "cpu", 4)
    # Of 4 tokens a pass holds two rests of 2.
    assert next(sharing.groups(rows[:3], [5, 4, 4], model)) == ([0, 1], 4)


class Hand:
    """A tokenizer of seven pieces, the longest first; with special tokens, `<s>` goes before."""

    PIECES = ("<s>", "ab", " b", "a", "b", " ", "c")

    def __call__(self, texts, *, add_special_tokens=True, **_):
        return SimpleNamespace(input_ids=[self.encode(text, add_special_tokens=add_special_tokens) for text in texts])

    def encode(self, text, *, add_special_tokens=True, **_):
        ids = [0] if add_special_tokens else []
        while text:
            number = next(i for i, piece in enumerate(self.PIECES) if text.startswith(piece))
            ids.append(number)
            text = text[len(self.PIECES[number]) :]
        return ids

    def decode(self, number):
        return self.PIECES[number]


@pytest.mark.parametrize(
    ("context", "continuation", "before", "after"),
    [
        # The space and the b are one token.
        ("c", " b", [0, 6], [2]),
        # Spaces that end the context go to the continuation.
        ("c ", "b", [0, 6], [2]),
        # a and b become one token: the context keeps the length that it has by itself, and b is what is left.
        ("ca", "bc", [0, 6, 3], [6]),
        # A text that brings its BOS token gets no second one.
        ("<s>c", " b", [0, 6], [2]),
        # Nothing before: the BOS token is.
        ("", "bc", [0], [4, 6]),
        ("", "<s>bc", [0], [4, 6]),
        ("  ", "b", [0], [5, 2]),
    ],
)
def test_context_and_continuation_are_told_apart_as_lm_eval_does(context, continuation, before, after):
    assert scoring.encode([(context, continuation)], Hand(), 0) == [(before, after)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A model with a window of 64 tokens."""
    return language_models.causal(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def loaded(folder, **settings):
    return reader.load(Subject("tiny", str(folder)), reader.Settings("none", **settings)).model


def test_what_does_not_fit_loses_its_beginning(tiny):
    model = loaded(tiny)._replace(tokenizer=Hand(), window=4)
    assert scoring.fitting([("ccccc", "bb"), ("c", "bb")], model) == [([6, 6, 6], [4, 4]), ([0, 6], [4, 4])]
    with pytest.raises(InputError, match=r"the answer 'ccccc' is longer than the model's window \(5 tokens of 4\)"):
        scoring.fitting([("c", "ccccc")], model)
    with pytest.raises(InputError, match="has no token of its own"):
        scoring.fitting([("c", "")], model)


def test_requests_that_share_tokens_have_the_likelihoods_that_they_have_alone(tiny, monkeypatch):
    import torch

    model = loaded(tiny)
    # The first three differ in their last token; the fourth is the first, cut elsewhere.
    given = [([0, 9, 8], [7, 5]), ([0, 9, 8], [7, 6]), ([0, 9, 8], [7, 4]), ([0, 9], [8, 7, 5]), ([0, 9, 3], [2, 2, 7])]
    given += [([0], [9]), ([0, 9, 8, 3, 3, 3, 3], [5]), ([0, 9, 8, 3, 3, 3, 4], [5, 6])]
    monkeypatch.setitem(sharing.LEAST, "cpu", 1)
    assert sharing.is_able(model)
    found = scoring.likelihoods(given, model)
    assert [one.nats for one in scoring.likelihoods(given, model, share=True)] == pytest.approx(
        [one.nats for one in found], abs=1e-5
    )
    for (before, ids), one in zip(given, found, strict=True):
        with torch.inference_mode():
            logits = model.network(input_ids=torch.tensor([before + ids])).logits[0].double().log_softmax(-1)
        places = range(len(before) - 1, len(before) + len(ids) - 1)
        assert one.nats == pytest.approx(float(sum(logits[p, i] for p, i in zip(places, ids, strict=True))), abs=1e-5)
        assert one.greedy == all(int(logits[p].argmax()) == i for p, i in zip(places, ids, strict=True))


def test_a_sum_has_no_rounding_but_the_models(tiny):
    """Of scores that a model gives, whatever they follow: single precision's sums are off by 1e-5 and more here."""
    import torch

    scores = torch.randn(50, 50, generator=torch.Generator().manual_seed(1)) * 30
    ids = torch.randint(50, (500,), generator=torch.Generator().manual_seed(2)).tolist()

    def network(input_ids):
        return SimpleNamespace(logits=scores[input_ids])

    (found,) = scoring.likelihoods([([0], ids)], loaded(tiny)._replace(network=network, window=500))
    each = [
        [math.exp(score) for score in (scores[before].double() - float(scores[before, now])).tolist()]
        for before, now in itertools.pairwise([0, *ids])
    ]
    assert found.nats == pytest.approx(-math.fsum(math.log(math.fsum(one)) for one in each), abs=1e-9)
    assert not found.greedy


def test_double_precision_is_the_same_but_for_rounding(tiny):
    given, model = asked("arc_challenge", "lambada"), [Subject("tiny", str(tiny))]
    single, double = (
        [value for row in measuring.measure(given, model, reader.Settings("none", None, kind)) for value in row["nats"]]
        for kind in ("float32", "float64")
    )
    assert single == pytest.approx(double, abs=1e-4)
    assert all(one != other for one, other in zip(single, double, strict=True))


def item(choices, right, *nats):
    texts = tuple(choices)
    chosen = tuple(place in right for place in range(len(texts)))
    return only("piqa")._replace(choices=texts, right=chosen), [Likelihood(one, greedy=False) for one in nats]


def test_marks_by_hand():
    # By the sum the first; by the character the second (-6/3 = -2 < -3/2 … > -5/4); by the byte the third (é has two).
    given = item(["ab", "abcd", "éé"], [1], -3.0, -5.0, -5.2)
    assert metrics.marks(TASKS["piqa"], *given) == {"acc": 0, "acc_norm": 1, "acc_bytes": 1}
    given = item(["ab", "abc", "éé"], [2], -3.0, -4.2, -4.8)
    assert metrics.marks(TASKS["piqa"], *given) == {"acc": 0, "acc_norm": 0, "acc_bytes": 1}
    # Of equals the first.
    assert metrics.marks(TASKS["piqa"], *item(["a", "b"], [1], -2.0, -2.0))["acc"] == 0
    # 3/4 and 1/8 of e^-800 times 8/7: too small for a float, and still the same shares.
    given = item(["a", "b", "c"], [0, 2], *(-800 + math.log(share) for share in (6 / 8, 1 / 8, 1 / 8)))
    assert metrics.marks(TASKS["truthfulqa_mc2"], *given)["acc"] == pytest.approx(7 / 8)


def test_means_and_errors_by_hand():
    assert metrics.mean([1, 0, 1, 0]) == (0.5, pytest.approx(math.sqrt(1 / 3) / 2))
    assert metrics.mean([1]) == (1, None)
    groups = {"one": [1, 1, 0, 0], "two": [1, 0]}
    # (4 · 1/4 + 2 · 1/4) / (6 - 2) is the variance inside, of 6 rows.
    assert metrics.weighted(groups) == (0.5, pytest.approx(math.sqrt(1.5 / 4 / 6)))
    assert metrics.unweighted(groups) == (0.5, pytest.approx(math.sqrt(1 / 12 + 1 / 4) / 2))
    assert metrics.weighted({"one": [1], "two": [1, 0]})[1] is None
    assert metrics.perplexity([-1.0, -1.0]) == (pytest.approx(math.e), 0)


def test_intervals_stay_where_shares_can_be():
    # 0 of 10: Wilson's upper end is z² / (n + z²).
    assert metrics.interval(0, 0, 10, share=True) == (0, pytest.approx(0.27753, abs=1e-5))
    low, high = metrics.interval(0.99, 0.02, 25, share=True)
    assert 0.8 < low < 0.99 < high < 1
    assert metrics.interval(0.5, None, 10, share=True) is None
    assert metrics.interval(10, 1, 5, share=False) == (
        pytest.approx(10 / 1.21654, abs=1e-3),
        pytest.approx(12.1654, abs=1e-3),
    )
    # An error thousands of times the value says nothing.
    assert metrics.interval(10, 1e6, 5, share=False) is None


QLORA = "The following are multiple choice questions (with answers) about  farm animals.\n\n{}\nA. a\nB. b\nC. c\nD. d\nAnswer:"
FORMS = [
    (
        "arc_easy",
        {"query": "Question: What is cold?", "choices": ["fire", "ice"], "gold": 1},
        arc("What is cold?", ["fire", "ice"], "B"),
    ),
    (
        "arc_challenge",
        {
            "question": {"stem": "Why?", "choices": [{"text": "a", "label": "1"}, {"text": "b", "label": "2"}]},
            "answerKey": "2",
        },
        {"question": "Why?", "choices": {"text": ["a", "b"], "label": ["1", "2"]}, "answerKey": "2"},
    ),
    (
        "arc_challenge",
        {
            "instruction": "Please choose the correct answer to the question: Who flies?\n\nAnswer1: a cow. Answer2: a bird. Answer3: a"
            " fish.\n\nAnswer format: answer1/answer2/answer3",
            "answer": "answer2",
        },
        arc("Who flies?", ["a cow.", "a bird.", "a fish."], "B"),
    ),
    (
        "hellaswag",
        {"query": "Running: A boy runs. He", "choices": ["falls.", "is a hat."], "gold": 0},
        {
            "activity_label": "Running",
            "ctx_a": "A boy runs. He",
            "ctx_b": "",
            "endings": ["falls.", "is a hat."],
            "label": "0",
        },
    ),
    (
        "mmlu",
        {"subject": "farm_animals", "input": QLORA.format("Which?\nOne of:"), "output": "C"},
        mmlu("farm_animals", "Which?\nOne of:", list("abcd"), 2),
    ),
    (
        "mmlu",
        {"question": "Which?", "subject": "farm animals", "A": "a", "B": "b", "C": "c", "D": "d", "answer": "D"},
        mmlu("farm_animals", "Which?", list("abcd"), 3),
    ),
    (
        "truthfulqa_mc2",
        {
            "Question": "Is it?",
            "Best Answer": "No",
            "Correct Answers": "No; Not at all",
            "Incorrect Answers": "Yes; Of course; ",
        },
        truthful("Is it?", "No", ["Not at all"], ["Yes", "Of course"]),
    ),
    (
        "truthfulqa_mc1",
        {"question": "Is it?", "mc1_targets": {"No": 1, "Yes": 0}, "mc2_targets": {"No": 1, "Never": 1, "Yes": 0}},
        truthful("Is it?", "No", ["Never"], ["Yes"]),
    ),
    (
        "piqa",
        {"query": "Question: To sit\n", "choices": ["use a chair", "use a fork"], "gold": 0},
        {"goal": "To sit", "sol1": "use a chair", "sol2": "use a fork", "label": 0},
    ),
    (
        "winogrande",
        {"context_options": ["Tom hit Ben so Tom", "Tom hit Ben so Ben"], "continuation": "cried.", "gold": 1},
        {"sentence": "Tom hit Ben so _ cried.", "option1": "Tom", "option2": "Ben", "answer": "2"},
    ),
    ("lambada", {"context": "It was a red", "continuation": "ball"}, {"text": "It was a red ball"}),
]


@pytest.mark.parametrize(("name", "row", "expected"), FORMS)
def test_rows_of_other_forms_become_the_hubs(name, row, expected):
    assert forms.canonical(row, TASKS[name]) == expected


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_the_hub_stay_as_they_are(name):
    assert [forms.canonical(row, TASKS[name]) for row in ROWS[name][0]] == ROWS[name][0]


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        (
            "piqa",
            {"goal": "To sit", "sol1": "a"},
            r"no row of piqa: expected goal, sol1, sol2, label; its fields: goal, sol1 \(no 'sol2'\)",
        ),
        ("piqa", {**PIQA[0], "label": -1}, "number -1 of 2"),
        ("arc_easy", {**ARC[0], "answerKey": "E"}, "'E' is not in list"),
        ("arc_easy", {"query": "Why?", "choices": "ab", "gold": 0}, "expected a list of texts"),
        ("hellaswag", {**HELLASWAG[0], "label": ""}, "invalid literal"),
        ("mmlu", {**MMLU[0], "choices": ["a", "b"]}, "2 choices where 4"),
        ("mmlu", {"input": "Which?", "subject": "x", "output": "A"}, "the lines A. to D."),
        (
            "truthfulqa_mc1",
            {"question": "?", "mc1_targets": {"a": 0, "b": 1}, "mc2_targets": {"a": 0, "b": 1}},
            "the first choice",
        ),
        (
            "truthfulqa_mc2",
            {"question": "?", "mc1_targets": {"a": 1, "b": 0}, "mc2_targets": {"a": 1}},
            "true and false choices",
        ),
        ("winogrande", {**WINOGRANDE[0], "sentence": "No gap."}, r"a sentence with a gap"),
        ("lambada", {"text": "one"}, "two words or more"),
    ],
)
def test_a_row_of_no_form_is_said_in_one_line(name, row, said):
    with pytest.raises(InputError, match=said) as error:
        forms.canonical(row, TASKS[name])
    assert "\n" not in str(error.value)


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("piqa", "piqa.jsonl"),
        ("piqa", "PIQA/validation.jsonl"),
        ("piqa", "sets/piqa-dev.jsonl"),
        ("mmlu", "cais/mmlu/all/test-00000-of-00001.jsonl"),
        ("mmlu", "zero_shot_mmlu_val.json"),
        ("arc_challenge", "ai2_arc/ARC-Challenge/test-00000-of-00001.jsonl"),
        ("lambada", "lambada_openai.jsonl"),
    ],
)
def test_files_are_found_by_their_names(tmp_path, task, name):
    write(tmp_path / "data" / name, ROWS[task][0])
    write(tmp_path / "data" / f"other_{task}.jsonl", [{"text": "another set's"}])
    found = sources.asked(TASKS[task], sources.data([str(tmp_path / "data")], offline=True))
    assert (found.rows, found.where) == (ROWS[task][0], str(tmp_path / "data" / name))


def test_shards_are_one_part_and_two_files_are_not(tmp_path):
    write(tmp_path / "piqa" / "validation-00001-of-00002.jsonl", PIQA[1:])
    write(tmp_path / "piqa" / "validation-00000-of-00002.jsonl", PIQA[:1])
    where = sources.data([str(tmp_path)], offline=True)
    assert sources.asked(TASKS["piqa"], where).rows == PIQA
    write(tmp_path / "piqa.jsonl", PIQA)
    with pytest.raises(InputError, match="could both be its validation part; name one: --data piqa=FILE"):
        sources.asked(TASKS["piqa"], where)
    named = sources.data([str(tmp_path), f"piqa={tmp_path / 'piqa.jsonl'}"], offline=True)
    assert sources.asked(TASKS["piqa"], named).rows == PIQA


def test_one_file_is_both_tasks_of_truthfulqa_and_its_own_examples(tmp_path):
    path = write(tmp_path / "mine.jsonl", TRUTHFUL)
    where = sources.data([f"truthfulqa={path}"], offline=True)
    for name in ("truthfulqa_mc1", "truthfulqa_mc2"):
        assert sources.asked(TASKS[name], where).rows == sources.examples(TASKS[name], where, 1).rows == TRUTHFUL


def test_what_is_missing_or_wrong_is_said_with_what_to_do(tmp_path):
    where = sources.data([str(tmp_path)], offline=True)
    with pytest.raises(
        InputError, match=r"mmlu: no rows: no mmlu_test.jsonl.*Put a file with question, subject, choices, answer there"
    ):
        sources.asked(TASKS["mmlu"], where)
    with pytest.raises(InputError, match=r"These are its 25 examples; --shots 0 asks without"):
        sources.examples(TASKS["arc_challenge"], where, 25)
    with pytest.raises(ConfigError, match=r"no task piqua\. Did you mean 'piqa'"):
        sources.data([f"piqua={tmp_path}/x.jsonl"])
    with pytest.raises(InputError, match="no such folder"):
        sources.data([str(tmp_path / "none")])
    write(tmp_path / "piqa.jsonl", [])
    with pytest.raises(InputError, match="no rows; expected goal"):
        sources.asked(TASKS["piqa"], where)
    write(tmp_path / "piqa.jsonl", [PIQA[0], {"goal": 1}])
    with pytest.raises(InputError, match=r"piqa.jsonl:2: no row of piqa"):
        sources.asked(TASKS["piqa"], where)


def test_the_hub_is_asked_for_what_no_file_has(monkeypatch):
    import datasets

    calls = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *given, **more: calls.append((given, more)) or list(ARC))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("HF_DATASETS_OFFLINE", raising=False)
    found = sources.asked(TASKS["arc_easy"], sources.data([]))
    assert (found.rows, found.where) == (ARC, "allenai/ai2_arc on the Hub, test")
    assert calls == [(("allenai/ai2_arc", "ARC-Easy"), {"split": "test"})]

    def refuse(*given, **more):
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(InputError, match=r"could not be read from the Hub: no network\. Give a file with"):
        sources.asked(TASKS["arc_easy"], sources.data([]))


def test_an_interrupted_run_measures_only_what_is_missing(tiny, tmp_path, monkeypatch):
    out, model, settings = tmp_path / "rows.jsonl", Subject("tiny", str(tiny)), reader.Settings("none")
    given = asked("arc_challenge", "mmlu")
    whole = measuring.measure(given, [model], settings, out)
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:5]) + lines[5][:9])
    counted = []
    real = measuring.fitting
    monkeypatch.setattr(measuring, "fitting", lambda pairs, model: counted.append(len(pairs)) or real(pairs, model))
    assert measuring.measure(given, [model], settings, out) == whole
    assert len(counted) == 3
    assert sorted(out.read_bytes().splitlines()) == sorted(line.rstrip() for line in lines)


def test_a_file_of_other_questions_or_another_model_is_not_gone_on_with(tiny, tmp_path):
    out, model = tmp_path / "rows.jsonl", Subject("tiny", str(tiny))
    measuring.measure(asked("piqa"), [model], reader.Settings("none"), out)
    with pytest.raises(InputError, match="another model tiny, or of this one with another window"):
        measuring.measure(asked("piqa"), [model], reader.Settings("none", 32), out)
    other = [{**PIQA[0], "goal": "To close a door"}, PIQA[1]]
    changed = asked("piqa")[0]._replace(questions=list(requests.questions(TASKS["piqa"], other, [], 0)))
    with pytest.raises(InputError, match="its row 1 of piqa was asked otherwise"):
        measuring.measure([changed], [model], reader.Settings("none"), out)


def test_a_row_that_cannot_be_measured_is_named(tiny):
    long = [PIQA[0], {**PIQA[1], "sol2": "towel " * 90}]
    given = asked("piqa")[0]._replace(questions=list(requests.questions(TASKS["piqa"], long, [], 0)))
    with pytest.raises(InputError, match=r"piqa, row 2: the answer 'towel towel .* is longer than the model's window"):
        measuring.measure([given], [Subject("tiny", str(tiny))], reader.Settings("none"))
    with pytest.raises(InputError, match="piqa, row 1: an empty choice"):
        list(requests.questions(TASKS["piqa"], [{**PIQA[0], "sol1": ""}], [], 0))


THEIRS = {
    "results": {
        "arc_challenge": {
            "alias": "arc_challenge",
            "acc,none": 0.5,
            "acc_stderr,none": 0.1,
            "acc_norm,none": 0.6,
            "acc_norm_stderr,none": "N/A",
        },
        "mmlu": {"acc,none": 0.4, "acc_stderr,none": 0.2, "alias": "mmlu"},
        "mmlu_one": {"acc,none": 0.5, "acc_stderr,none": 0.3},
        "mmlu_two": {"acc,none": 0.25, "acc_stderr,none": 0.4},
        "lambada_openai": {"perplexity,none": 10.0, "perplexity_stderr,none": 1.0},
    },
    "group_subtasks": {"mmlu": ["mmlu_stem"], "mmlu_stem": ["mmlu_one", "mmlu_two"]},
    "n-shot": {"arc_challenge": 25, "mmlu_one": 5, "mmlu_two": 5, "lambada_openai": 0},
    "n-samples": {
        "arc_challenge": {"original": 30, "effective": 20},
        "mmlu_one": {"original": 3, "effective": 3},
        "mmlu_two": {"original": 2, "effective": 2},
    },
    "config": {"model_args": {"pretrained": "/models/base", "peft": "/runs/mine"}},
}


def test_results_of_lm_eval_are_read(tmp_path):
    path = tmp_path / "results_2026.json"
    path.write_text(json.dumps(THEIRS))
    found, rows = results.read(path)
    shown = [(row["task"], row["metric"], row["value"], row["stderr"], row["shots"], row["n"]) for row in found]
    assert rows == []
    assert shown == [
        ("arc_challenge", "acc", 0.5, 0.1, 25, 20),
        ("arc_challenge", "acc_norm", 0.6, None, 25, 20),
        ("mmlu", "acc", 0.4, 0.2, 5, 5),
        ("mmlu", "acc_unweighted", 0.375, 0.25, 5, 5),
        ("lambada", "perplexity", 10.0, 1.0, 0, None),
    ]
    assert {row["model"] for row in found} == {"mine"}


def test_what_is_no_results_file_is_said(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="neither rows of benchmark nor results of lm-eval"):
        results.read(path)
    with pytest.raises(InputError, match="no such file"):
        results.read(tmp_path / "none.json")


def marked(model, *values, task="piqa"):
    return [
        {"model": model, "task": task, "subject": "", "row": i, "shots": 0, "asked": "x", "marks": {"acc": value}}
        for i, value in enumerate(values)
    ]


def test_differences_are_taken_row_by_row():
    rows = [
        *marked("base", 1, 1, 1, 0, 0),
        *marked("tuned", 1, 0, 0, 0, 0),
        *marked("base", 0.5, task="truthfulqa_mc2"),
    ]
    (found,) = results.differences(rows)
    assert (found["model"], found["first"], found["n"]) == ("tuned", "base", 5)
    # -2/5, the sample deviation of (0, -1, -1, 0, 0) over √5, and t of 4 degrees of freedom; p of 2 against 0: 2 · (1/2)².
    margin = 2.7764451 * math.sqrt(0.3 / 5)
    assert found["difference"] == pytest.approx(-0.4)
    assert (found["low"], found["high"]) == (pytest.approx(-0.4 - margin), pytest.approx(-0.4 + margin))
    assert found["p"] == pytest.approx(0.5)


@pytest.fixture
def folder(tmp_path):
    for name, (rows, pool, _) in ROWS.items():
        write(tmp_path / "data" / f"{name}.jsonl", rows)
        if pool:
            write(tmp_path / "data" / f"{name}_{TASKS[name].example_splits[0]}.jsonl", pool)
    return tmp_path / "data"


def test_the_command_measures_shows_and_goes_on(tiny, folder, tmp_path, capsys):
    out, page = tmp_path / "rows.jsonl", tmp_path / "page.html"
    command = [
        "benchmark",
        "--tasks",
        "winogrande,mmlu",
        "--model",
        f"a={tiny}",
        "--data",
        str(folder),
        "--shots",
        "1",
        "--out",
        str(out),
    ]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["task"], row["metric"], row["n"], row["shots"]) for row in found["figures"]] == [
        ("winogrande", "acc", 2, 1),
        ("mmlu", "acc", 5, 1),
        ("mmlu", "acc_unweighted", 5, 1),
    ]
    assert [(row["subject"], row["n"]) for row in found["subjects"]] == [("farm_animals", 2), ("big_numbers", 3)]
    theirs = tmp_path / "results.json"
    theirs.write_text(json.dumps(THEIRS))
    more = ["--model", f"b={tiny}", "--results", str(theirs), "--page", str(page)]
    assert main([*command, *more]) == 0
    shown = capsys.readouterr().out
    assert "mine (lm-eval)" in shown
    assert "b – a" in shown
    assert "+0.00 [" not in shown
    assert "MMLU" in page.read_text()
    assert "<script" not in page.read_text()
    assert main(["benchmark", "--results", str(out), "--json"]) == 0
    assert {row["model"] for row in json.loads(capsys.readouterr().out)["figures"]} == {"a", "b"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "--tasks is missing"),
        (["--tasks", "piqa,arc"], 2, "--tasks arc: no such task."),
        (["--tasks", ","], 2, "--tasks is empty"),
        (["--tasks", "piqa"], 3, "any folder (--data DIR)"),
        (["--tasks", "piqa", "--lm-eval", "python"], 2, "--lm-eval-out is missing"),
    ],
)
def test_what_the_command_cannot_do_is_one_line(arguments, code, said, capsys):
    assert main(["benchmark", "--model", "nowhere", *arguments]) == code
    assert said in capsys.readouterr().err


def test_help_names_every_task():
    from evaluate import commands_benchmark

    assert set(commands_benchmark.TASKS.split(",")) == set(TASKS)


FAKE = """#!{python}
import json, os, pathlib, sys
given = sys.argv[1:]
if "-c" in given:
    print({package!r})
    sys.exit()
assert given[:4] == ["-P", "-m", "lm_eval", "run"] and "PYTHONPATH" not in os.environ
value = lambda name: given[given.index(name) + 1]
if "hellaswag" in value("--tasks"):
    print("Traceback"); sys.exit("ValueError: broken")
out = pathlib.Path(value("--output_path")) / "somewhere"
out.mkdir(parents=True)
arguments = json.loads(value("--model_args"))
(out / "results_1.json").write_text(json.dumps({{"results": {{"piqa": {{"acc,none": 1.0}}}}, "config": {{"model_args": arguments}}}}))
"""


@pytest.fixture
def fake(tmp_path):
    """An interpreter that does what lm-eval does, as far as it is seen from here."""
    import sys

    (tmp_path / "lm_eval" / "tasks").mkdir(parents=True)
    path = tmp_path / "python"
    path.write_text(FAKE.format(python=sys.executable, package=str(tmp_path / "lm_eval")))
    path.chmod(0o755)
    return path


def test_lm_eval_is_run_on_the_same_rows(fake, tiny, tmp_path, monkeypatch):
    import polars as pl
    import yaml

    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    given, out = asked("winogrande", "mmlu", "piqa"), tmp_path / "theirs"
    ((subject, path),) = harness.run(given, [Subject("a/b", str(tiny))], reader.Settings("none", 32), fake, out)
    assert (subject.name, path.parent.parent.name) == ("a/b", "a-b")
    arguments = json.loads(path.read_text())["config"]["model_args"]
    assert arguments == {"pretrained": str(tiny), "dtype": "float32", "max_length": "32"}
    task = yaml.safe_load((out / "tasks" / "winogrande.yaml").read_text())
    assert task["include"] == str(tmp_path / "lm_eval" / "tasks" / "winogrande" / "default.yaml")
    assert (task["num_fewshot"], task["fewshot_split"], task["validation_split"]) == (2, "train", "validation")
    assert pl.read_parquet(task["dataset_kwargs"]["data_files"]["validation"]).to_dicts() == WINOGRANDE
    assert pl.read_parquet(task["dataset_kwargs"]["data_files"]["train"]).to_dicts() == WINOGRANDE_SHOWN
    group = yaml.safe_load((out / "tasks" / "mmlu.yaml").read_text())
    assert group["task"] == ["mmlu_farm_animals", "mmlu_big_numbers"]
    subject = yaml.safe_load((out / "tasks" / "mmlu_big_numbers.yaml").read_text())
    assert subject["description"].endswith("about big numbers.\n\n")


@pytest.mark.parametrize("has_tokenizer", [True, False])
def test_lm_eval_is_told_the_adapter_and_a_tokenizer_of_its_own(fake, tiny, tmp_path, has_tokenizer):
    adapter = tmp_path / "epoch-01"
    adapter.mkdir()
    if has_tokenizer:
        (adapter / "tokenizer_config.json").write_text("{}")
    given = [Subject("tuned", str(tiny), adapter)]
    ((_, path),) = harness.run(asked("piqa"), given, reader.Settings("none"), fake, tmp_path / "theirs")
    arguments = json.loads(path.read_text())["config"]["model_args"]
    tokenizer = {"tokenizer": str(adapter)} if has_tokenizer else {}
    assert arguments == {"pretrained": str(tiny), "dtype": "float32", "peft": str(adapter), **tokenizer}


def test_an_lm_eval_that_fails_or_is_none_is_one_line(fake, tiny, tmp_path):
    from curate.errors import RunError

    models, settings = [Subject("a", str(tiny))], reader.Settings("none")
    with pytest.raises(
        RunError, match=r"lm-eval failed \(exit code 1\): ValueError: broken; the rest is in .*lm-eval.log"
    ):
        harness.run(asked("hellaswag"), models, settings, fake, tmp_path / "out")
    with pytest.raises(ConfigError, match="cannot be run"):
        harness.run(asked("piqa"), models, settings, tmp_path / "none", tmp_path / "out")
    fake.write_text("#!/bin/sh\n")
    with pytest.raises(ConfigError, match="no lm-eval in it; there: python -m pip install"):
        harness.run(asked("piqa"), models, settings, fake, tmp_path / "out")
