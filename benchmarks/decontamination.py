"""What decontamination finds, what it flags by mistake, and how fast it is, beside other tools' n-gram rules in the same run.

    python benchmarks/decontamination.py [--rows N] [--sample N] [--clean N] [--rephrased FOLDER] [--no-meaning]
                                       [--speed-only] [--show]

Reads ../shared/data. Injected: questions of GSM8K, MMLU, ARC, TruthfulQA and HumanEval, changed in ways that are named in
the table, each as one example; found = the pair with that very item is a leak. Clean: LIMA, Alpaca and Dolly, which were not
made from these tests; --show prints every flagged pair, to be judged by eye. `--rephrased` is the folder data/rephrase of
github.com/lm-sys/llm-decontaminator, for kinds that ../shared/data has no file of. Vectors are cached: a second run is fast.
"""

import argparse
import csv
import json
import random
import re
import string
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from curate import embed, record
from curate.contamination import categories, ngrams
from curate.contamination import items as test_items
from curate.contamination import words as test_words
from curate.contamination.evidence import NUMBER_WORDS
from curate.stages import decontaminate

DATA = Path(__file__).parents[2] / "shared" / "data"
BENCHMARKS = {
    "gsm8k": "gsm8k/test.jsonl",
    "mmlu": "mmlu_val/zero_shot_mmlu_val.json",
    "arc_challenge": "arc/arc_challenge_test.json",
    "truthfulqa": "truthfulqa/TruthfulQA.csv",
    "human_eval": "human_eval/HumanEval.jsonl.gz",
}
# Beside these, for speed and for false positives by words: all that is there.
MORE = {
    "arc_easy": "gauntlet/arc_easy.jsonl",
    "piqa": "gauntlet/piqa.jsonl",
    "winogrande": "gauntlet/winogrande.jsonl",
    "lambada": "gauntlet/lambada_openai.jsonl",
}
CLEAN = {"LIMA": "lima/lima.json", "Alpaca": "alpaca_5000.json", "Dolly": "dolly_3k.json"}
LIMITS, COSINES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9), (0.75, 0.8, 0.85, 0.9)
Kind = list[tuple[str, str, str]]  # item, prompt, response


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000, help="documents of 1.3 kB for the speed")
    parser.add_argument("--sample", type=int, default=200, help="items of each injected kind")
    parser.add_argument("--clean", type=int, default=1000, help="rows of each clean set whose meaning is compared")
    parser.add_argument("--rephrased", type=Path, help="llm-decontaminator's data/rephrase")
    parser.add_argument("--no-meaning", action="store_true", help="tiers 1 and 2 alone")
    parser.add_argument("--speed-only", action="store_true", help="nothing but the speed")
    parser.add_argument("--show", action="store_true", help="print the flagged pairs of the clean sets")
    given = parser.parse_args()
    if not DATA.exists():
        raise SystemExit(f"{DATA} is absent: there is nothing to inject")
    speed(given.rows)
    if given.speed_only:
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = tests(Path(folder), None if given.no_meaning else embed.Settings(), {})
        items = decontaminate.items(settings)
        recall(settings, items, dict(injected(items, given)))
        false_positives(settings, items, given)


def tests(folder: Path, encoder: embed.Settings | None, more: dict[str, str]) -> decontaminate.Settings:
    """The settings as shipped, with the benchmarks, and the sociology test of MMLU under a name of its own."""
    rows = csv.reader((DATA / "benchmarks/llm_decontaminator/sociology_test.csv").open(encoding="utf-8"))
    path = folder / "sociology.jsonl"
    path.write_text("\n".join(json.dumps({"q": row[0], "c": row[1:5], "a": row[5]}) for row in rows))
    paths = {name: DATA / "benchmarks" / file for name, file in {**BENCHMARKS, **(more)}.items()}
    own = {"path": path, "question": "q", "choices": "c", "answer": "a"}
    return decontaminate.Settings(tests={**paths, "sociology": own}, encoder=encoder)


def speed(n_rows: int) -> None:
    """Tiers 1 and 2 alone, on documents of about 1.3 kB against every test set at once, on one core."""
    texts = [pair for name in CLEAN for pair in clean(name)]
    documents = []
    prompt, response = "", ""
    for asked, said in texts * (1 + n_rows * 1300 // sum(len(a) + len(b) for a, b in texts)):
        prompt, response = prompt or asked, f"{response}\n\n{said}"[:1200]
        if len(prompt) + len(response) >= 1200 and len(documents) < n_rows:
            documents.append((prompt[:600], response))
            prompt, response = "", ""
    frame = examples((str(i), *pair) for i, pair in enumerate(documents))
    megabytes = (frame["prompt"].str.len_bytes().sum() + frame["response"].str.len_bytes().sum()) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        settings = tests(Path(folder), None, MORE)
        items = decontaminate.items(settings)
        started = time.perf_counter()
        index = ngrams.index(test_items.searched(items, ("question",))["text"], settings.ngram)
        built = time.perf_counter() - started
        decontaminate.measure(frame.head(100), settings)
        texts_ = pl.concat([frame["prompt"], frame["response"]])
        matched = best(lambda: ngrams.matches(test_words.words(texts_), index))
        measured = best(lambda: decontaminate.measure(frame, settings))
        rule, few = Shared(items, datatrove_words, 12), frame.head(1000)
        twelve = best(lambda: rule.flagged(few), times=1)
    print(
        f"{frame.height:,} documents of {1e6 * megabytes / frame.height:.0f} bytes, {items.height:,} items; index in {built:.1f} s"
    )
    for name, taken, n in (
        ("words and runs (tiers 1, 2)", matched, frame.height),
        ("the whole stage, with evidence and hashes", measured, frame.height),
        ("datatrove's normalisation, 12-grams, in Python", twelve, few.height),
    ):
        wall, cpu = (1e6 * seconds / n for seconds in taken)
        print(
            f"    {name:<47} {cpu:6.1f} us of processor a document, {wall:6.1f} by the clock, {megabytes / frame.height * 1e6 / cpu:5.0f} MB/s"
        )
    print(
        "    allenai/decon (README, version 0.3.0) states 34 us a document, on all threads of a machine it does not name\n"
    )


def injected(items: pl.DataFrame, given: argparse.Namespace) -> Iterator[tuple[str, Kind]]:
    """Kinds of leaks by name."""
    draw = random.Random(0)
    by_test = {
        name: list(frame.iter_rows(named=True)) for (name,), frame in items.group_by("test", maintain_order=True)
    }
    sampled = {name: draw.sample(rows, min(given.sample, len(rows))) for name, rows in by_test.items()}
    for name in ("gsm8k", "mmlu", "arc_challenge", "truthfulqa", "human_eval"):
        yield f"verbatim: {name}", [(i["item"], i["question"], "I do not know.") for i in sampled[name]]
    short = [i for rows in by_test.values() for i in rows if len(i["question"].split()) < 8]
    yield (
        "verbatim, under 8 words",
        [(i["item"], i["question"], "I do not know.") for i in draw.sample(short, min(given.sample, len(short)))],
    )
    wrapped = "You are a careful student. Read what follows, think about it, and answer in one sentence.\n\n{}\n\nDo not explain."
    both = [*sampled["gsm8k"], *sampled["mmlu"]]
    yield "inside a longer prompt", [(i["item"], wrapped.format(i["question"]), "No.") for i in both]
    yield (
        "inside the response",
        [(i["item"], "Write an exam question.", f"Question 1. {i['question']}\nGood luck!") for i in both],
    )
    choice = [*sampled["mmlu"], *sampled["arc_challenge"]]
    yield (
        "choices as (A) (B) in one line",
        [(i["item"], i["question"] + " " + letters(i["choices"]), "A") for i in choice],
    )
    yield (
        "choices in another order",
        [
            (i["item"], i["question"] + "\n" + "\n".join(draw.sample(i["choices"], len(i["choices"]))), "A")
            for i in choice
        ],
    )
    yield "case, punctuation, line breaks", [(i["item"], reformatted(i["question"]), "No.") for i in both]
    yield (
        "number change: gsm8k, all numbers",
        [(i["item"], other_numbers(i["question"], draw), "12") for i in sampled["gsm8k"]],
    )
    yield (
        "number change: gsm8k, one number",
        [(i["item"], other_numbers(i["question"], draw, 1), "12") for i in sampled["gsm8k"]],
    )
    yield "light edit: a word in ten dropped", [(i["item"], dropped(i["question"], draw), "No.") for i in both]
    soc = by_test["sociology"]
    texts = lines(DATA / "benchmarks/llm_decontaminator/sociology_test_rephrase_english_filtered_question.jsonl")
    yield "paraphrase: sociology (GPT-4)", paired(soc, texts)
    code = [
        json.loads(line)
        for line in (DATA / "benchmarks/llm_decontaminator/database/CodeAlpacaDB.jsonl").open(encoding="utf-8")
    ]
    for label in (True, False):
        pairs = [
            (f"human_eval/{n}", row["train"][0], "") for n, row in enumerate(code, start=1) if row["results"] == [label]
        ]
        yield f"CodeAlpaca and HumanEval, GPT-4 says {'leak' if label else 'no leak'}", pairs
    if given.rephrased is None:
        print("paraphrased GSM8K and HumanEval, translations: skipped, --rephrased is not given")
        return
    gsm = [
        re.sub(r"^Question: |\nAnswer:.*$", "", text, flags=re.DOTALL)
        for text in lines(given.rephrased / "rephrase_gsm8k.jsonl")
    ]
    yield "paraphrase: gsm8k (GPT-4)", draw.sample(paired(by_test["gsm8k"], gsm), given.sample)
    for language in ("python", "js", "c"):
        yield (
            f"paraphrase: human_eval in {language}",
            paired(by_test["human_eval"], lines(given.rephrased / f"humaneval_{language}.jsonl")),
        )
    yield (
        "translated: sociology in Chinese",
        paired(soc, lines(given.rephrased / "sociology_test_chinese_filtered_question.jsonl")),
    )


def paired(items: list[dict], texts: list[str]) -> Kind:
    """The items with their rephrased texts, row by row; empty texts are none."""
    return [(item["item"], text, "No.") for item, text in zip(items, texts, strict=True) if text.strip()]


def lines(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.open(encoding="utf-8")]


def letters(choices: list[str]) -> str:
    return " ".join(f"({letter}) {choice}" for letter, choice in zip(string.ascii_uppercase, choices, strict=False))


def reformatted(text: str) -> str:
    return "**" + re.sub(r"([,.?!]) ", r"\1\n\n", text).upper().replace("'", "’") + "**"


def other_numbers(text: str, draw: random.Random, most: int = 10_000) -> str:
    """The text with (at most so many of) its numbers changed, in digits and in words."""
    words = [
        word for word in NUMBER_WORDS if word.isalpha() and word not in ("once", "third", "half", "quarter", "double")
    ]
    pattern = re.compile(r"\d+|\b(?:" + "|".join(words) + r")\b", re.IGNORECASE)
    left = [most]

    def change(match: re.Match[str]) -> str:
        left[0] -= 1
        if left[0] < 0:
            return match[0]
        if match[0].isdigit():
            return str(int(match[0]) + draw.randint(1, 9))
        return draw.choice([word for word in words[2:12] if word != match[0].lower()])

    return pattern.sub(change, text)


def dropped(text: str, draw: random.Random) -> str:
    return " ".join(word for word in text.split() if draw.random() > 0.1)


def recall(settings: decontaminate.Settings, items: pl.DataFrame, kinds: dict[str, Kind]) -> None:
    """A table: of each kind, which share each tier and each baseline finds, and the categories of what is found."""
    rows = [
        (f"{kind}\0{n}", prompt, response)
        for kind, pairs in kinds.items()
        for n, (_, prompt, response) in enumerate(pairs)
    ]
    wanted = [item for pairs in kinds.values() for item, _, _ in pairs]
    frame = examples(rows)
    corpus = decontaminate.measure(frame, settings)
    leaks = categories.strongest_first(decontaminate.leaks(corpus, settings))
    keys = frame.select("id", kind=pl.Series([key.partition("\0")[0] for key, _, _ in rows]), item=pl.Series(wanted))
    # The same question may stand in a set twice.
    same = items.select("item", q=pl.col("question").str.to_lowercase().str.replace_all(r"\W+", " "))
    twins = same.join(same, on="q").select("item", twin="item_right")
    targets = keys.join(twins, on="item").select("id", "kind", item="twin")
    found = leaks.join(targets.drop("kind"), on=["id", "item"]).unique("id", keep="first", maintain_order=True)
    table = keys.join(found.drop("item"), on="id", how="left", maintain_order="left")
    # By words: what is found without an encoder. With one, coverage is known of the pairs that meaning finds, too.
    without = settings.model_copy(update={"encoder": None})
    alone = decontaminate.measure(frame, without)
    by_words = decontaminate.leaks(alone, without).join(targets, on=["id", "item"])["id"].unique()
    table = table.with_columns(
        by_words=pl.col("id").is_in(by_words.implode()),
        by_meaning=(pl.col("cosine") >= settings.cosine).fill_null(value=False),
    )
    peers = {"datatrove 12": Shared(items, datatrove_words, 12), "13-gram": Shared(items, plain_words, 13)}
    for name, shared in peers.items():
        table = table.with_columns(shared.flagged(frame, wanted).alias(name))
    columns = {
        "by_words": "words",
        "by_meaning": "meaning",
        "any": "any",
        "datatrove 12": "datatrove 12-gram",
        "13-gram": "13-gram",
    }
    print("| injected | n | " + " | ".join(columns.values()) + " | categories of what is found |")
    print("|---" * (len(columns) + 3) + "|")
    for kind in kinds:
        part = table.filter(pl.col("kind") == kind).with_columns(any=pl.col("category").is_not_null())
        shares = " | ".join(f"{100 * (part[name].mean() or 0):.1f} %" for name in columns)
        named = Counter(part["category"].drop_nulls())
        print(
            f"| {kind} | {part.height} | {shares} | {', '.join(f'{name} {named[name]}' for name in categories.ORDER if named[name])} |"
        )
    told = {kind: pairs for kind, pairs in kinds.items() if not kind.startswith(("verbatim", "inside", "case"))}
    print("\nat other limits:")
    by_limit(categories.pairs(alone), targets, told, "weighted", LIMITS)
    if settings.encoder:
        by_limit(categories.pairs(corpus), targets, told, "cosine", COSINES)
    wrong = table.filter(pl.col("kind").str.starts_with("number change") & (pl.col("category") == "duplicate"))
    print(f"\nchanged numbers called a duplicate: {wrong.height}")
    for row in wrong.join(frame.select("id", "prompt"), on="id").head(5).iter_rows(named=True):
        print("   ", row["item"], row["detail"], repr(row["prompt"][:300]))


def by_limit(
    pairs: pl.DataFrame, targets: pl.DataFrame, kinds: dict[str, Kind], measure: str, limits: tuple[float, ...]
) -> None:
    """Of each kind the share that is found at several limits of a measure."""
    best = pairs.join(targets, on=["id", "item"]).group_by("id", "kind").agg(pl.col(measure).max())
    for kind, put_in in kinds.items():
        found = best.filter(pl.col("kind") == kind)[measure]
        shares = ", ".join(f"{limit}: {100 * (found >= limit).sum() / len(put_in):.1f} %" for limit in limits)
        print(f"    {kind}: {measure} {shares}")


def false_positives(settings: decontaminate.Settings, items: pl.DataFrame, given: argparse.Namespace) -> None:
    """Of sets that were not made from these tests, the rows that each tier flags at several limits."""
    draw = random.Random(1)
    for name in CLEAN:
        pairs = clean(name)
        n_meaning = min(len(pairs), given.clean)
        chosen = sorted(draw.sample(range(len(pairs)), n_meaning))
        whole = examples((f"{name}:{n}", *pair) for n, pair in enumerate(pairs))
        few = whole[chosen]
        by_words = categories.pairs(decontaminate.measure(whole, settings.model_copy(update={"encoder": None})))
        shares = [
            f"coverage {limit}: {100 * by_words.filter(pl.col('whole') | (pl.col('weighted') >= limit))['id'].n_unique() / whole.height:.2f} %"
            for limit in LIMITS
        ]
        print(f"\n{name}: {whole.height:,} rows by words: {'; '.join(shares)}")
        for label, shared in (
            ("datatrove 12-gram", Shared(items, datatrove_words, 12)),
            ("13-gram", Shared(items, plain_words, 13)),
        ):
            print(f"    {label}: {100 * shared.flagged(whole).mean():.2f} %")
        leaks = decontaminate.leaks(decontaminate.measure(few, settings), settings)
        if settings.encoder is not None:
            near = categories.pairs(decontaminate.measure(few, settings))
            parts = [
                f"cosine {limit}: {100 * near.filter(pl.col('cosine') >= limit)['id'].n_unique() / few.height:.2f} %"
                for limit in COSINES
            ]
            print(f"    {few.height:,} of them by meaning: {'; '.join(parts)}")
        by_words_only = decontaminate.leaks(
            decontaminate.measure(whole, settings.model_copy(update={"encoder": None})), settings
        )
        if given.show:
            show(pl.concat([leaks, by_words_only]).unique(["id", "item"], maintain_order=True), whole, items)


def show(leaks: pl.DataFrame, frame: pl.DataFrame, items: pl.DataFrame) -> None:
    joined = leaks.join(frame.select("id", "key", "prompt"), on="id").join(items.select("item", "question"), on="item")
    for row in joined.sort("value", descending=True).iter_rows(named=True):
        cosine = "-" if row["cosine"] is None else f"{row['cosine']:.2f}"
        print(
            f"  {row['key']:<12} {row['category']:<9} w {row['weighted']:.2f} cos {cosine} {row['item']} {row['detail']}"
        )
        print(f"      item {row['question'][:160]!r}\n      row  {row['prompt'][:160]!r}")


class Shared:
    """The rule that one shared n-gram is a leak, as few lines as it takes: the baseline."""

    def __init__(self, items: pl.DataFrame, split: Callable[[str], list[str]], n: int) -> None:
        self.split, self.n = split, n
        self.by_item = {item: self.grams(question) for item, question in items.select("item", "question").iter_rows()}
        self.all = set().union(*self.by_item.values())

    def grams(self, text: str) -> set[tuple[str, ...]]:
        words = self.split(text)
        return {tuple(words[i : i + self.n]) for i in range(len(words) - self.n + 1)}

    def flagged(self, frame: pl.DataFrame, wanted: list[str] | None = None) -> pl.Series:
        """Whether each row shares an n-gram with its item in `wanted`, or with any."""
        texts = zip(frame["prompt"], frame["response"], strict=True)
        theirs = (self.grams(f"{prompt}\n{response}") for prompt, response in texts)
        return pl.Series(
            [
                not grams.isdisjoint(self.all if wanted is None else self.by_item[wanted[i]])
                for i, grams in enumerate(theirs)
            ]
        )


def datatrove_words(text: str) -> list[str]:
    """Words as datatrove's n-gram decontamination compares them: digits are all 0 (utils/text.py, norm_numbers)."""
    from datatrove.utils.text import simplify_text

    return simplify_text(text).split()


def plain_words(text: str) -> list[str]:
    """Words as Brown et al. 2020 (appendix C) compare them: lower case, no punctuation."""
    return re.findall(r"\w+", text.lower())


def clean(name: str) -> list[tuple[str, str]]:
    """Prompt and answer of each record of a clean set."""
    rows = json.loads((DATA / "instruction" / CLEAN[name]).read_text(encoding="utf-8"))
    return [("\n\n".join(filter(None, (row["instruction"], row.get("input")))), row["output"]) for row in rows]


def examples(rows) -> pl.DataFrame:
    return record.examples(
        "bench", [{"key": key, "prompt": prompt, "response": response} for key, prompt, response in rows]
    )


def best(work: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """The least seconds of several runs: by the clock, and of processor time, all threads together."""
    taken = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    walls, cpus = zip(*taken, strict=True)
    return min(walls), min(cpus)


if __name__ == "__main__":
    main()
