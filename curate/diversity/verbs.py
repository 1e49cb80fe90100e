"""What instructions ask for: the verb of a prompt's first sentence and its direct object (Self-Instruct's sunburst).

Wang et al. 2023 (figure 3) and Alpaca read both off a parse. No parser is needed for imperatives: the verb opens a clause
in its base form, and its object is the head of the noun phrase behind it. The dictionary (about 100,000 English forms) is
that of lemminflect, read as data. `benchmarks/verbs.py` measures the agreement with a parser: 93 % of its pairs are ours too.
"""

import csv
import gzip
import importlib.util
import re
from functools import cache
from pathlib import Path

import polars as pl

PAIR = pl.Schema({"verb": pl.String(), "noun": pl.String()})

# The first sentence: up to a full stop, question or exclamation mark before white space, or the end of the line.
_SENTENCE = re.compile(r"\s*(.*?)(?:[.?!](?=\s|$)|\n|$)", re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z]+(?:['’-][A-Za-z]+)*|\d[\d,.]*|[^\sA-Za-z\d]")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# A noun phrase ends before these; they open no object either.
_BOUNDARIES = _set(
    "of in on at by for with without from into onto about against between among through during before after above below"
    " under over behind beyond within across along around near off out up down upon toward towards per via using to than"
    " and or but nor so if when while where why how what who whom whose which that because since until unless as like"
    " is are was were be been being am do does did has have had can could will would shall should may might must not"
    " such including based regarding concerning whether then i you we they he she it there here not only"
)
# Skipped on the way to the head of a noun phrase.
_OPENERS = _set(
    "a an the this these those my your his her its our their some any each every all both no another more most many few"
    " several me us him them one two three four five six seven eight nine ten following given new good own other same"
)
_QUESTIONS = _set("what who whom whose which when where why how is are was were do does did has have had am")
_POLITE = _set("please kindly can could would will you now just let's")
# A base form that stands behind one of these, or opens the sentence, is an imperative.
_BEFORE = _set("please kindly you should must to then and , : ; -")
# Base forms that are hardly ever imperatives, or only help another verb.
_NO_VERBS = _set(
    "be have do can could will would shall should may might must need let the in on for a i it like please"
)


@cache
def _lemmas() -> dict[str, dict[str, str]]:
    """The lemma of each form as a `noun`, a `verb`, an `adj` and an `adv`."""
    spec = importlib.util.find_spec("lemminflect")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("lemminflect is not installed: it holds the dictionary of verbs and nouns")
    found: dict[str, dict[str, str]] = {"noun": {}, "verb": {}, "adj": {}, "adv": {}}
    with gzip.open(Path(spec.origin).parent / "resources/lemma_lu.csv.gz", "rt", encoding="utf-8") as handle:
        for form, kind, lemma in csv.reader(handle):
            if kind in found:
                found[kind][form] = lemma.partition("/")[0]
    return found


@cache
def _known() -> frozenset[str]:
    return frozenset().union(*_lemmas().values())


def pair(prompt: str) -> tuple[str | None, str | None]:
    """The lemmas of the first imperative in the prompt's first sentence and of the head of its object.

    >>> pair("Generate a short list of five story ideas.")
    ('generate', 'list')
    >>> pair("Why is the sky blue?")
    (None, None)
    """
    found = _SENTENCE.match(prompt)
    words = [word.lower() for word in _TOKEN.findall(found[1] if found else "")]
    start = _imperative(words)
    return (None, None) if start is None else (words[start], _object(words[start + 1 :]))


def pairs(prompts: pl.Series) -> pl.DataFrame:
    """`verb` and `noun` of each prompt (schema PAIR), null where there is none."""
    return pl.DataFrame([pair(prompt or "") for prompt in prompts], schema=PAIR, orient="row")


def sunburst(found: pl.DataFrame, verbs: int = 20, nouns: int = 4) -> pl.DataFrame:
    """The commonest verbs and, for each, its commonest objects: rows `verb`, `verb_examples`, `noun`, `examples`.

    20 verbs with 4 nouns each are Self-Instruct's figure. Commonest first, ties by name; a verb without objects is absent.
    """
    whole = found.drop_nulls()
    per_verb = whole.group_by("verb").len("verb_examples").sort(["verb_examples", "verb"], descending=[True, False])
    per_pair = whole.group_by("verb", "noun").len("examples").join(per_verb.head(verbs), on="verb")
    order = per_pair.sort(["verb_examples", "verb", "examples", "noun"], descending=[True, False, True, False])
    top = order.group_by("verb", maintain_order=True).head(nouns)
    return top.select("verb", "verb_examples", "noun", "examples")


def _imperative(words: list[str]) -> int | None:
    """Where the first imperative stands."""
    verbs = _lemmas()["verb"]
    start = next((i for i, word in enumerate(words) if word not in _POLITE), None)
    if start is None or (words[start] in _QUESTIONS and start == 0):
        return None
    for i in range(start, len(words)):
        word = words[i]
        opens = i == start or words[i - 1] in _BEFORE
        if opens and verbs.get(word) == word and word not in _NO_VERBS:
            return i
    return None


def _object(words: list[str]) -> str | None:
    """The lemma of the last noun before the noun phrase ends; a word in no dictionary counts as a noun."""
    nouns, verbs, head = _lemmas()["noun"], _lemmas()["verb"], None
    # "sum up the text", "list at least five names"
    for word in (
        words[2:] if words[:2] in (["at", "least"], ["at", "most"]) else words[words[:1] in (["up"], ["out"]) :]
    ):
        if word in _BOUNDARIES or not (word[0].isalnum() or (head is None and word in "-\"'")):
            break
        # "a story involving a dog": a participle behind a noun opens a clause.
        if head and word.endswith("ing") and word in verbs:
            break
        if word not in _OPENERS and not word[0].isdigit() and (word in nouns or word not in _known()):
            head = nouns.get(word, word)
    return head
