"""All rules together, against the same rules as Python `re` per record, and against the filters of two peers.

    python benchmarks/filters.py [--rows N] [--language-rows N]

Records are LIMA's, Alpaca's and Dolly's from ../shared/data/instruction where that is present, else made up by a seeded
generator; the same records go to every contestant. Every figure is the best of three runs, all in one process.
"""

import argparse
import json
import random
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl

from curate import record
from curate.rules import alpaca, flags, language, masks, voice
from curate.rules import sarcasm as sarcasm_rules
from curate.rules.sarcasm_cues import CUES
from curate.stages import filters
from curate.text import WORD

DATA = Path(__file__).parents[2] / "shared" / "data" / "instruction"
SETS = ("lima/lima.json", "alpaca_5000.json", "dolly_3k.json")
SETTINGS = filters.Settings(
    languages=(), min_chars=20, max_chars=8000, min_words=3, first_person=5, refers_to_others=2, sarcasm=0.9, bullet_lines=0.95
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--language-rows", type=int, default=2_000)
    given = parser.parse_args()
    frame, origin = examples(given.rows)
    megabytes = frame["response"].str.len_bytes().sum() / 1e6
    print(f"{frame.height:,} records, {megabytes:.0f} MB of answers, {origin}; {pl.thread_pool_size()} threads\n")

    filters.measure(frame.head(100), SETTINGS)  # the compiled word scan loads once in a process
    ours = report("all rules, this project", frame.height, best(lambda: drops(frame)))
    few = frame.head(max(frame.height // 50, 1_000))
    peer = report("the same rules, Python re", few.height, best(lambda: python_drops(few), times=1))
    print(f"    {ours / peer:.0f} times as many records a second\n")
    agreement(few)
    for name, contest in (("datatrove", datatrove), ("data-juicer", data_juicer)):
        try:
            contest(frame, ours)
        except ImportError as missing:
            print(f"{name}: not installed, skipped ({missing})")
    print()
    languages(frame.head(given.language_rows))


def examples(rows: int) -> tuple[pl.DataFrame, str]:
    """EXAMPLE rows with texts as they are, repeated until there are `rows`, and where they come from."""
    found = []
    for path in (DATA / name for name in SETS):
        if path.exists():
            for raw in json.loads(path.read_text()):
                given = raw.get("input") or raw.get("context")
                prompt = f"{raw['instruction']}\n\n{given}" if given else raw["instruction"]
                found.append((prompt, raw.get("output") or raw.get("response") or ""))
    origin = "LIMA, Alpaca and Dolly" if found else "made up"
    found = found or list(made_up(5_000))
    texts = [found[i % len(found)] for i in range(rows)]
    new = [{"key": str(i), "prompt": prompt, "response": answer} for i, (prompt, answer) in enumerate(texts)]
    return record.examples("bench", new), origin


def made_up(n: int):
    """`n` pairs of prompt and answer, about 1.3 kB each, from a seeded generator."""
    draw = random.Random(0)
    words = re.findall(r"\w+", "water yeast heat the a of to and pressure vessel when cools slowly you can measure it")
    extras = ("`x = 1`", '"I said so"', "I think", "as the other answer says", "Part I", "\n\n* ", "...", "ha ha", "\n")
    for _ in range(n):
        text = " ".join(
            draw.choice(words) if draw.random() > 0.04 else draw.choice(extras) for _ in range(draw.randint(40, 420))
        )
        yield f"How do I {' '.join(draw.sample(words, 6))}?", text.capitalize() + "."


def drops(frame: pl.DataFrame) -> pl.DataFrame:
    measured = filters.measure(frame, SETTINGS)
    return filters.decide(frame.select("source", "score").hstack(measured), SETTINGS).verdicts


# --- the same rules, record by record --------------------------------------------------------------------------------


def python(pattern: str) -> re.Pattern[str]:
    """A pattern of ours for Python's `re`, which wants flags in front and knows no Unicode classes."""
    flagged = "".join(sorted(set("".join(re.findall(r"\(\?([ims]+)\)", pattern)))))
    plain = re.sub(r"\(\?[ims]+\)", "", pattern).replace(r"(?-u:\b)", r"\b").replace(r"\z", r"\Z")
    for ours, theirs in (
        (r"[^\p{Hangul}]", "[^가-힣]"),
        (r"\p{Lu}", "[A-Z]"),
        (r"\x{FFFD}", "\ufffd"),
        (r"\p{P}\p{Cf}", r"!-/:-@\[-`{-~"),
    ):
        plain = plain.replace(ours, theirs)
    inside = {
        r"\p{L}": r"^\W\d_",
        r"\p{N}": "0-9",
        r"\p{M}": "\u0300-\u036f",
        r"\p{Han}": "一-鿿",
        r"\p{Hiragana}": "ぁ-ゟ",
    }
    for ours, theirs in {**inside, r"\p{Katakana}": "゠-ヿ", r"\p{Hangul}": "가-힣"}.items():
        plain = plain.replace(ours, theirs if ours != r"\p{L}" else "a-zA-ZÀ-ɏ")
    return re.compile(f"(?{flagged}){plain}" if flagged else plain)


MASKS = [
    (python(pattern), with_.replace("$", "\\"))
    for pattern, with_ in (
        (masks.FENCE, "\n"),
        (masks.INLINE_CODE, " "),
        (masks.MATHS, " "),
    )
]
VOICE_MASKS = [
    (python(pattern), with_.replace("$", "\\"))
    for pattern, with_ in (
        (masks.DOUBLE_QUOTES, " "),
        (masks.SINGLE_QUOTES, "$1 $2"),
        (masks.BLOCK_QUOTES, " "),
        (masks.ITALICS, "$1 "),
        (masks.NOT_A_SPEAKER, "$1$2."),
        (masks.DIALOGUE, " "),
    )
]
NOT_I = [python(pattern) for pattern in voice.NOT_I]
FIRST = [python(voice.FIRST_PERSON), python(voice.FIRST_PERSON_KO)]
NOT_REFERENCE = [python(pattern) for pattern in voice.NOT_A_REFERENCE]
REFERENCES = [python(pattern) for pattern in voice.REFERENCES]
ALPACA = {
    name: python(getattr(alpaca, name))
    for name in (
        *("OPENS_LINK", "LINK_AS_TEXT", "ATTACHED", "POINTS_AT_INPUT", "CARRIES_INPUT", "ABSTRACT", "MERGED", "EMPTY_FENCE"),
        *("PLACEHOLDER", "STUB", "WANTS_PICTURE", "PICTURE_IN_WORDS", "NOTHING", "NO_INPUT", "ESCAPES", "CODE_BESIDE", "SUM"),
    )
}  # fmt: skip
AS_AN_AI, DECLINES, PLACEHOLDER = python(voice.AS_AN_AI), python(voice.DECLINES), python(flags.PLACEHOLDER)
SARCASM = [(cue, python(cue.pattern)) for cue in CUES]
WORDS = python(WORD)


def python_drops(frame: pl.DataFrame) -> list[list[str]]:
    return [list(python_rules(prompt, answer)) for prompt, answer in frame.select("prompt", "response").iter_rows()]


def python_rules(prompt: str, answer: str):
    """The rules of SETTINGS that a record fails, as one would write them with `re`."""
    words = WORDS.findall(answer)
    if len(answer) < 20:
        yield "min_chars"
    if len(answer) > 8000:
        yield "max_chars"
    if len(words) < 3:
        yield "min_words"
    prose = answer
    for pattern, with_ in MASKS:
        prose = pattern.sub(with_, prose)
    own = prose
    for pattern, with_ in VOICE_MASKS:
        own = pattern.sub(with_, own)
    if python_count(own, NOT_I, FIRST) > 5:
        yield "first_person"
    if python_count(own, NOT_REFERENCE, REFERENCES) > 2:
        yield "refers_to_others"
    if AS_AN_AI.search(own) or DECLINES.search(own[:240]):
        yield "refusal"
    yield from python_sarcasm(answer)
    yield from python_alpaca(prompt, answer, own)
    if PLACEHOLDER.search(answer) or PLACEHOLDER.search(prompt):
        yield "deleted"
    both = f"{prompt}\n{answer}".lower()
    if any(word in both for word in flags.EXPLICIT):
        yield "nsfw"
    yield from python_repetition(prose)


def python_count(text: str, masked: list[re.Pattern[str]], counted: list[re.Pattern[str]]) -> int:
    for pattern in masked:
        text = pattern.sub(" ", text)
    return sum(len(pattern.findall(text)) for pattern in counted)


def python_sarcasm(answer: str):
    plain = answer.replace("’", "'").strip()
    lower = plain.lower()
    sentences = max(len(plain) / sarcasm_rules.SENTENCE_CHARS, 1.0)
    odds = sarcasm_rules.INTERCEPT
    for cue, pattern in SARCASM:
        text = lower if cue.text == "lower" else plain
        value = float(bool(pattern.search(text))) if cue.flag else min(len(pattern.findall(text)) / sentences, 1.0)
        odds += cue.weight * value
    if odds > 2.2:
        yield "sarcasm"


def python_alpaca(prompt: str, answer: str, own: str):
    found = {name: pattern.search for name, pattern in ALPACA.items()}
    points = found["POINTS_AT_INPUT"](prompt) and len(prompt) <= 160 and not found["CARRIES_INPUT"](prompt)
    if (found["OPENS_LINK"](prompt) and not found["LINK_AS_TEXT"](prompt)) or (
        (points or found["ATTACHED"](prompt)) and not found["ABSTRACT"](prompt)
    ):
        yield "hallucinated_input"
    for rule, patterns in (("merged_instructions", ("MERGED",)), ("no_input_marker", ("NO_INPUT",))):
        if any(found[pattern](prompt) or found[pattern](answer) for pattern in patterns):
            yield rule
    if not answer.strip(" \n.,"):
        yield "empty_output"
    if found["EMPTY_FENCE"](answer) or found["PLACEHOLDER"](answer) or found["STUB"](answer):
        yield "empty_code"
    if found["WANTS_PICTURE"](prompt) and not found["PICTURE_IN_WORDS"](prompt):
        yield "asks_for_image"
    if found["NOTHING"](answer.strip()):
        yield "not_applicable"
    asked = found["SUM"](prompt) if len(prompt) <= alpaca.MAX_SUM_CHARS else None
    if asked and (value := alpaca.evaluate(asked[1])) is not None and str(value) not in answer:
        yield "wrong_arithmetic"
    if len(prompt.split()) < 2:
        yield "unclear_prompt"
    if found["ESCAPES"](own) and not found["CODE_BESIDE"](answer):
        yield "stray_escapes"


def python_repetition(prose: str):
    lines = [line.strip() for line in prose.split("\n") if len(line.strip()) >= 12 and not line.startswith("|")]
    if len(lines) >= 5 and 1 - len(set(lines)) / len(lines) > 0.5:
        yield "duplicate_lines"
    paragraphs = [part.strip() for part in prose.split("\n\n") if len(part.strip()) >= 12]
    if len(paragraphs) >= 4 and 1 - len(set(paragraphs)) / len(paragraphs) > 0.5:
        yield "duplicate_paragraphs"
    whole = [line for line in prose.split("\n") if line.strip()]
    if len(whole) >= 4 and sum(line.rstrip().endswith(("...", "…")) for line in whole) / len(whole) > 0.3:
        yield "ellipsis_lines"
    if len(whole) >= 4 and sum(line.lstrip().startswith(("- ", "* ", "• ")) for line in whole) / len(whole) > 0.95:
        yield "bullet_lines"
    yield from python_ngrams([word.lower() for word in WORDS.findall(prose)], prose)


def python_ngrams(words: list[str], prose: str):
    chars, symbols = sum(map(len, words)), prose.count("# ") + prose.count("...") + prose.count("…")
    if len(words) + symbols >= 20 and symbols / max(len(words), 1) > 0.2:
        yield "symbol_ratio"
    if chars >= 100 and not 1.5 <= chars / len(words) <= 12:
        yield "word_length"
    if len(words) >= 20 and sum(any(map(str.isalpha, word)) for word in words) / len(words) < 0.1:
        yield "alpha_words"
    if len(words) < 50:
        return
    top = 0
    for n in (2, 3, 4):
        grams = Counter(zip(*(words[k:] for k in range(n)), strict=False))
        top = max(top, max((count * sum(map(len, gram)) for gram, count in grams.items() if count > 1), default=0))
    if top / chars > 0.35:
        yield "top_ngrams"
    seen, covered = set(), set()
    for i, gram in enumerate(zip(*(words[k:] for k in range(5)), strict=False)):
        if gram in seen:
            covered.update(range(i, i + 5))
        seen.add(gram)
    if sum(len(words[i]) for i in covered) / chars > 0.6:
        yield "duplicate_ngrams"


def agreement(frame: pl.DataFrame) -> None:
    """How often both say the same of a record, rule by rule: the baseline does the same work."""
    ours = {(key, rule) for key, rule in drops(frame).join(frame, on="id").select("key", "rule").iter_rows()}
    theirs = {(key, rule) for key, rules in zip(frame["key"], python_drops(frame), strict=True) for rule in rules}
    print(
        f"    of {len(ours | theirs):,} verdicts on {frame.height:,} records both give {len(ours & theirs):,}; only one:",
        end=" ",
    )
    print(dict(Counter(rule for _, rule in ours ^ theirs).most_common(6)), "\n")


# --- the peers -------------------------------------------------------------------------------------------------------


def datatrove(frame: pl.DataFrame, ours: float) -> None:
    from datatrove.data import Document
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter, LambdaFilter

    few = frame.head(1_000)
    documents = [Document(text=text, id=key) for key, text in few.select("key", "response").iter_rows()]
    contest = {
        "datatrove LambdaFilter, the same rules": LambdaFilter(
            lambda document: not any(python_rules("", document.text))
        ),
        "datatrove GopherRepetitionFilter": GopherRepetitionFilter(),
        "datatrove GopherQualityFilter": GopherQualityFilter(),
    }
    for name, filter_ in contest.items():
        peer = report(
            name, len(documents), best(lambda f=filter_: [f.filter(document) for document in documents], times=1)
        )
        print(f"    {ours / peer:.0f} times as many records a second, with all rules")


def data_juicer(frame: pl.DataFrame, ours: float) -> None:
    """In an interpreter of its own: data-juicer's requirements exclude ours."""
    interpreter = Path(__file__).parents[1] / ".venv-peers/bin/python"
    if not interpreter.exists():
        raise ImportError("no .venv-peers")
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as texts:
        texts.writelines(json.dumps(text) + "\n" for text in frame["response"])
        texts.flush()
        script = Path(__file__).with_name("data_juicer_filters.py")
        run = subprocess.run(
            [interpreter, script, texts.name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
    for name, seconds in json.loads(run.stdout.splitlines()[-1]).items():
        peer = report(f"data-juicer {name}", frame.height, seconds)
        print(f"    {ours / peer:.1f} times as many records a second, with all rules")
    off = dict.fromkeys(set(filters.Limits.model_fields) - {"languages"})
    lengths = filters.Settings(**{**off, "languages": (), "min_chars": 20, "max_chars": 8000})
    alone = best(
        lambda: filters.decide(frame.select("source", *filters.GIVEN).hstack(filters.measure(frame, lengths)), lengths)
    )
    one = report("min_chars and max_chars, this project", frame.height, alone)
    peer = frame.height / json.loads(run.stdout.splitlines()[-1])["TextLengthFilter"]
    print(f"    {one / peer:.0f} times data-juicer's TextLengthFilter")


def languages(frame: pl.DataFrame) -> None:
    """The language rule against plain langdetect, on the same texts."""
    texts = frame["response"]
    language.detect(texts.head(5))
    ours = report("language, this project", texts.len(), best(lambda: language.detect(texts)))
    few = texts.head(max(texts.len() // 4, 1))
    peer = report("language, plain langdetect", few.len(), best(lambda: plain_langdetect(few.to_list()), times=1))
    same = sum(
        a in (b, "und") for a, b in zip(language.detect(few)["language"], plain_langdetect(few.to_list()), strict=True)
    )
    print(
        f"    {ours / peer:.0f} times as many records a second; the same language (or none) for {same} of {few.len()}"
    )


def plain_langdetect(texts: list[str]) -> list[str]:
    from langdetect import DetectorFactory, LangDetectException, detect

    DetectorFactory.seed = 0
    found = []
    for text in texts:
        try:
            found.append(detect(text))
        except LangDetectException:
            found.append("und")
    return found


def best(work: Callable[[], object], times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def report(name: str, records: int, seconds: float) -> float:
    print(f"{name:42s} {records / seconds:12,.0f} records/s")
    return records / seconds


if __name__ == "__main__":
    main()
