"""How a text differs from a test item: the numbers, the names, and what is asked. Strings short enough for a ledger."""

import re
from collections import Counter
from typing import NamedTuple
from unicodedata import normalize

# A number, with the operator before it where it has one: `3 - 5` and `3 + 5` are different problems, and so are -3 and 3.
_NUMBER = re.compile(r"(?:(?<![\w)\]}])-|[+*/^=<>%-]\s?|(?<=\w)-)?\d+(?:[.,]\d+)*")
_LIST_MARK = re.compile(r"(?m)^\s*(?:[-*+>]+|\(?\w{1,2}[.)])\s+")
_GROUPS = re.compile(r",(?=\d{3}(?!\d))")
_OPERATORS = str.maketrans({"⁄": "/", "×": "*", "·": "*", "÷": "/", "−": "-", "–": "-"})
_UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TEENS = ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = {
    word: 10 * ten
    for ten, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
NUMBER_WORDS = {
    **{word: number for number, word in enumerate([*_UNITS, *_TEENS])},
    **_TENS,
    "once": 1,
    "twice": 2,
    "half": 0.5,
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "million": 1_000_000,
    "double": 2,
    "triple": 3,
    "quarter": 0.25,
    "third": 3,
    "thrice": 3,
}
# Words that turn a question into another one.
TURNS = frozenset(
    [
        "not",
        "no",
        "never",
        "none",
        "except",
        "without",
        "least",
        "most",
        "fewest",
        "fewer",
        "less",
        "more",
        "smallest",
        "largest",
        "minimum",
        "maximum",
        "lowest",
        "highest",
        "before",
        "after",
        "first",
        "last",
        "increase",
        "decrease",
        "increases",
        "decreases",
        "true",
        "false",
        "always",
        "cannot",
        "above",
        "below",
        "same",
        "different",
        "advantage",
        "disadvantage",
        "cause",
        "effect",
        "left",
        "total",
        "each",
    ]
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_OWN = re.compile(r"['’]s$", re.IGNORECASE)
_FIRST_PERSON = frozenset({"i", "im", "ill", "id", "ive"})
_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")
# A question whose last sentence has fewer of its words in the text asks something else there.
ASKED = 0.5
SHOWN, LONGEST = 4, 160


class Evidence(NamedTuple):
    """What stands only in the item (`missing`) and only in the text (`extra`): numbers, and names or turning words.

    `asks_else`: the item has several sentences, and the last of them is not in the text.
    """

    numbers_missing: tuple[str, ...]
    numbers_extra: tuple[str, ...]
    words_missing: tuple[str, ...]
    words_extra: tuple[str, ...]
    asks_else: bool

    def detail(self) -> str:
        """In words, at most LONGEST characters: `numbers 16, 3 -> 18, 5; words Janet -> Mary`."""
        parts = [
            f"{what} {_shown(missing)} -> {_shown(extra)}"
            for what, missing, extra in (
                ("numbers", self.numbers_missing, self.numbers_extra),
                ("words", self.words_missing, self.words_extra),
            )
            if missing or extra
        ]
        text = "; ".join([*parts, *(["asks something else"] if self.asks_else else [])])
        return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def compare(item: str, text: str) -> Evidence:
    """What differs between an item and the part of a text that was matched with it.

    Numbers are compared as often as they occur, written out or in digits, `1,000` as 1000 and `3.0` as 3; words once.
    """
    item, text = normalize("NFKC", item), normalize("NFKC", text)
    ours, theirs = Counter(numbers(item)), Counter(numbers(text))
    named, also = _marked(item), _marked(text)
    there, here = _folded(text), _folded(item)
    return Evidence(
        tuple((ours - theirs).elements()),
        tuple((theirs - ours).elements()),
        tuple(sorted(written for word, written in named.items() if word not in there)),
        tuple(sorted(written for word, written in also.items() if word not in here)),
        _asks_else(item, there),
    )


def numbers(text: str) -> list[str]:
    """The numbers of a text in their order, each in one spelling, with the operator before it: ["16", "-3", "1000"]."""
    plain = _LIST_MARK.sub("\n", text.translate(_OPERATORS))
    found = [(match.start(), _spelled(match[0])) for match in _NUMBER.finditer(plain)]
    for match in _WORD.finditer(plain):
        number = NUMBER_WORDS.get(match[0].lower())
        if number is not None:
            found.append((match.start(), f"{number:g}"))
    return [number for _, number in sorted(found)]


def _spelled(number: str) -> str:
    digits = number.lstrip("+*/^=<>%- ")
    operator = number[: len(number) - len(digits)].strip()
    whole = _GROUPS.sub("", digits)
    value = f"{float(whole):.12g}" if whole.count(".") <= 1 and "," not in whole and len(whole) < 12 else whole
    return operator + value


def _marked(text: str) -> dict[str, str]:
    """Names (capitals inside a sentence) and turning words: how each is folded, and how it is written."""
    marked: dict[str, str] = {}
    for sentence in _SENTENCE.split(text):
        # Where all is written in capitals, they mark nothing.
        plain = sentence.isupper()
        for place, match in enumerate(_WORD.finditer(sentence)):
            word = _fold(match[0])
            if word in TURNS or (place > 0 and match[0][0].isupper() and not plain and word not in _FIRST_PERSON):
                marked.setdefault(word, word if word in TURNS else _OWN.sub("", match[0]))
    return marked


def _fold(word: str) -> str:
    return _OWN.sub("", word.lower()).replace("'", "").replace("’", "")


def _folded(text: str) -> set[str]:
    return {_fold(match[0]) for match in _WORD.finditer(text)}


def _asks_else(item: str, there: set[str]) -> bool:
    sentences = [sentence for sentence in _SENTENCE.split(item.strip()) if _WORD.search(sentence)]
    asked = [_fold(match[0]) for match in _WORD.finditer(sentences[-1])] if len(sentences) > 1 else []
    return bool(asked) and sum(word in there for word in asked) < ASKED * len(asked)


def _shown(values: tuple[str, ...]) -> str:
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return (", ".join(value[:20] for value in values[:SHOWN]) + more) or "none"
