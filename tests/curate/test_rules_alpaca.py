"""AlpacaDataCleaned's ten kinds: a record of each, and a near miss."""

from fractions import Fraction

import polars as pl
import pytest

from curate.record import examples
from curate.rules.alpaca import evaluate, wrong_arithmetic
from curate.stages import filters

SETTINGS = filters.Settings(languages=())
FINE = "Boil the wort for an hour."


def failing(prompt, response, **more):
    frame = examples("s", [{"key": "1", "prompt": prompt, "response": response, **more}])
    measured = filters.measure(frame, SETTINGS)
    return set(filters.decide(frame.select("source", "score").hstack(measured), SETTINGS).verdicts["rule"])


@pytest.mark.parametrize(
    ("rule", "prompt", "response"),
    [
        ("hallucinated_input", "Summarize this article.\n\nhttps://example.com/fracking", FINE),
        ("hallucinated_input", "Summarize the attached document.", FINE),
        ("hallucinated_input", "Rewrite the following paragraph in the passive voice.", FINE),
        (
            "merged_instructions",
            "Describe a hummingbird.",
            "They are small.\n\n5. Instruction: Name a tree.\nOutput: Oak.",
        ),
        ("empty_output", "Describe a hummingbird.", " \n"),
        ("empty_code", "Write a loop in Python.", "```python\n\n```"),
        ("empty_code", "Write a loop in Python.", "Here it is:\n```python\n# TODO\n```"),
        ("empty_code", "Write a loop in Python.", "# Your code here"),
        ("empty_code", "Write a sort function.", "def sort(items):\n    pass"),
        ("asks_for_image", "Draw a cat on a roof.", FINE),
        ("asks_for_image", "Design a logo for a bakery.", FINE),
        ("not_applicable", "Name the capital of the moon.", "N/A"),
        ("not_applicable", "Name the capital of the moon.", "None."),
        ("not_applicable", "Name the capital of the moon.", "-"),
        ("no_input_marker", "Describe a hummingbird.\n\n<noinput>", FINE),
        ("no_input_marker", "Describe a hummingbird.\n\nNo input required.", FINE),
        ("wrong_arithmetic", "What is 8 * (25 + 7)?", "8 * (25 + 7) = 216"),
        ("unclear_prompt", "???", FINE),
        ("unclear_prompt", "Beer", FINE),
        ("stray_escapes", "Name two trees.", "Oak.\\n\\nBeech."),
        ("stray_escapes", "Name two trees.", "Oak and caf\\u00e9 trees."),
    ],
)
def test_a_broken_record_fails_its_rule(rule, prompt, response):
    assert rule in failing(prompt, response)


@pytest.mark.parametrize(
    ("prompt", "response"),
    [
        ("Summarize this article: Gas was found under the sea, and prices fell.", FINE),
        ("Rewrite the following sentence: The dog ate it.", FINE),
        ("Is the following sentence true? Humans can breathe water.", "No."),
        ("Write a regex for links such as https://example.com/page", FINE),
        ("Write a function that sorts the given list of files.", FINE),
        ("How do I see uploaded photos?", FINE),
        ("What must an instruction manual have?", "1. Instructions: one for each step.\n2. Input and output."),
        ("Yes or no?", "No."),
        ("Write a loop in Python.", "```python\nfor i in x:\n    pass  # TODO\n    print(i)\n```"),
        ("Show two blocks.", "```\na\n```\n\n```\nb\n```"),
        ("Draw a conclusion from these numbers: 1, 2.", FINE),
        ("Write a caption for a picture of a cat.", FINE),
        ("Create a character sketch of a villain.", FINE),
        ("Should it be zero, undefined or none?", "undefined"),
        ("Does the function need an argument?", "No input is needed: call it with empty brackets."),
        ("What is 8 * (25 + 7)?", "It is 256."),
        ("4 + 8 × 6 =", "52"),
        ("What is beer?", FINE),
        ("What is the gradient?", "It is \\nabla f, in C:\\new\\table."),
        ("How do I print two lines?", 'Use print("a\\n\\nb").'),
    ],
)
def test_a_near_miss_passes(prompt, response):
    assert failing(prompt, response) == set()


def test_a_short_turn_inside_a_conversation_is_clear():
    turns = [{"role": "user", "content": "Name a beer."}, {"role": "assistant", "content": "Stout."}]
    assert failing("Another", FINE, history=turns) == set()
    assert failing("Summarize the text above.", FINE, history=turns) == set()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 × (4 - 1)", Fraction(11)),
        ("2^3^2", Fraction(512)),
        ("-2^2", Fraction(-4)),
        ("7 ÷ 2", Fraction(7, 2)),
        ("1,200 * 3", Fraction(3600)),
        ("0.5 x 4", Fraction(2)),
        ("1 / 0", None),
        ("2 ^ 100000", None),
        ("(1 + 2", None),
        ("12", None),
        ("3 + a", None),
    ],
)
def test_sums_are_evaluated_exactly_or_not_at_all(text, value):
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("prompt", "response", "wrong"),
    [
        ("Calculate 2 / 3.", "0.67", False),
        ("Calculate 2 / 3.", "2/3 stays 2/3", False),
        ("Calculate 2 / 3.", "0.7", False),
        ("Calculate 2 / 3.", "0.6667 rounded", False),
        ("Calculate 2 / 3.", "1.5", True),
        ("What is 12 - 20?", "-8", False),
        ("What is 1200 * 3?", "3,600", False),
        ("What is 12 + 20?", "thirty-two", False),
        ("Tom has 12 - 3 apples and eats 2. How many are left?", "7", False),
        ("Evaluate the following expression.\n\n4 + 8 * 6", "50", True),
    ],
)
def test_only_a_sum_without_its_value_is_wrong(prompt, response, wrong):
    assert wrong_arithmetic(pl.Series([prompt]), pl.Series([response])).to_list() == [wrong]
