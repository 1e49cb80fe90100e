"""Benchmarks with known answers: the numbers and the time of lm-eval 0.4.13, row by row.

    python benchmarks/lm_eval.py [--rows 40] [--adapter] [--precision float64] [--model DIR …] [--data DIR] [--lm-eval PYTHON]

Each task is asked with the leaderboard's examples and without any, by this project and by lm-eval in its own interpreter
(benchmarks/peers-lm-eval.txt), on the same rows: real ones of `--data` where a file of the task is there, else 20 written here. Of each real
file the first rows are the examples and the next `--rows` are asked; of MMLU 8 subjects. What must hold: no log-likelihood differs by more
than 1e-5 of itself (with `--precision float64`: by more than 1e-5 at all), and every metric and standard error is equal (of shares and perplexities
to 1e-5; LAMBADA's perplexity has lm-eval's bootstrapped error, which is drawn). `--adapter`: of each model a LoRA adapter that `train` makes here by its
preset lima-lora, on a template without tokens of its own, in place of the model itself; it must change every log-likelihood.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from curate import files
from curate.errors import InputError
from evaluate import reader
from evaluate.benchmarks import harness, measuring, results, sources
from evaluate.benchmarks.tasks import TASKS
from evaluate.loading import Precision
from evaluate.subjects import Subject

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
EXAMPLES = 60
SUBJECTS = 8
# Characters of a choice: babyllama sees 256 at once, and what is longer than that lm-eval does not measure either.
LONGEST = 200
# In float32 of itself: both sides sum up what the model rounds. In float64 as it is.
LARGEST = 1e-5
# The adapter: so many of Alpaca's short examples, which every window holds, at a rate that leaves no weight as it was.
TRAINED, SHORT = 64, 80
TRAINING = {"epochs": 2, "batch_examples": 8, "optimizer.lr": 1e-2, "max_tokens": 256}
# No token of its own, as LIMA's has: with trained rows of tied embeddings lm-eval 0.4.13 ends (it ties weights that peft has wrapped).
TEMPLATE = """{% for message in messages %}{{ message.content }}{{ eos_token if message.role == "assistant" else " " }}{% endfor %}"""

PLACES = ["kitchen", "garden", "garage", "park", "school"]
DOINGS = [
    ("Baking bread", "A woman mixes flour and water in a bowl.", "she", "kneads the dough on a floured table", 0),
    ("Washing a car", "A man sprays a car with a hose. [title] Rinse", "he", "wipes the doors with a wet sponge", 1),
    ("Planting a tree", "Two people dig a hole [step] in the ground.", "they", "put the young tree into the hole", 2),
    ("Playing chess", "An old man sits at a table with a board.", "the man", "moves a white pawn two squares", 3),
]
WRONG = ["sings to the  moon and flies away", "eats the table [substeps] with a spoon", "runs into the sea with a lamp"]


def hellaswag() -> list[dict]:
    """20 rows in the form of HellaSwag, with the marks that its texts have."""
    rows = []
    for place in PLACES:
        for activity, context, start, ending, gold in DOINGS:
            endings = list(WRONG)
            endings.insert(gold, f"{ending} in the {place}.")
            rows.append({"activity_label": activity, "ctx_a": f"{context} It is in the {place}.", "ctx_b": start,
                         "endings": endings, "label": str(gold)})  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--adapter", action="store_true")
    parser.add_argument("--precision", choices=["float32", "float64"], default="float32")
    parser.add_argument("--model", type=Path, action="append")
    parser.add_argument("--data", type=Path, default=SHARED / "benchmarks")
    parser.add_argument("--lm-eval", type=Path, default=Path(".venv-lm-eval/bin/python"))
    given = parser.parse_args()
    models = given.model or [SHARED / "models" / name / "hf" for name in ("stories260K", "babyllama_tok105")]
    missing = [path for path in (*models, given.lm_eval) if not path.exists()]
    if missing:
        print(f"skipped: {', '.join(map(str, missing))} is not there")
        return
    with tempfile.TemporaryDirectory() as name:
        where = split(given.data, Path(name) / "data", given.rows)
        for model in models:
            subject = Subject(model.parent.name, str(model.resolve()))
            if given.adapter:
                subject = adapted(subject, Path(name))
            for shots in (None, 0):
                compare(subject, where, shots, given.precision, given.lm_eval, Path(name))


def adapted(subject: Subject, folder: Path) -> Subject:
    """The model with a LoRA adapter, trained here."""
    rows = [row for _, row in files.rows(SHARED / "instruction" / "alpaca_5000.json") if len(row["output"]) < SHORT]
    data, out = folder / "train.jsonl", folder / f"{subject.name}-lora"
    short = [row for row in rows if len(row["instruction"]) < SHORT and not row["input"]][:TRAINED]
    data.write_text("".join(json.dumps(row) + "\n" for row in short), encoding="utf-8")
    template = folder / "plain.jinja"
    template.write_text(TEMPLATE, encoding="utf-8")
    settings = [part for key, value in {**TRAINING, "template": template}.items() for part in ("-s", f"{key}={value}")]
    given = ["--data", data, "--base", subject.model, "--preset", "lima-lora", "--out", out, *settings]
    command = [sys.executable, "-m", "train", "run", *map(str, given)]
    subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[1], stdout=subprocess.DEVNULL)
    return Subject(out.name, subject.model, max(out.glob("epoch-*")))


def split(source: Path, folder: Path, n: int) -> sources.Data:
    """Each task's rows in two files, as they come: examples, and what is asked."""
    folder.mkdir()
    named = {}
    for task in TASKS.values():
        rows = asked = hellaswag()
        if task.name != "hellaswag":
            try:
                (path,) = sources.found(task, (source,), task.splits[-1], bare=True)
            except (InputError, ValueError):
                raise SystemExit(f"{task.name}: no file of it in {source}") from None
            rows = [row for _, row in files.rows(path) if max(map(len, row.get("choices", [""]))) <= LONGEST]
            asked = rows[EXAMPLES : EXAMPLES + n]
        shown = rows[:EXAMPLES]
        if task.name == "mmlu":
            subjects = list(dict.fromkeys(row["subject"] for row in rows))[:SUBJECTS]
            by_subject = [[row for row in rows if row["subject"] == subject] for subject in subjects]
            shown = [row for own in by_subject for row in own[:5]]
            asked = [row for own in by_subject for row in islice(own, 5, 5 + max(2, n // 4))]
        if task.splits == task.example_splits:
            shown = asked
        for key, part in ((task.name, asked), (f"{task.name}.examples", shown)):
            named[key] = folder / f"{key}.jsonl"
            named[key].write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    return sources.Data((), named, hub=False)


def compare(
    subject: Subject, where: sources.Data, shots: int | None, precision: Precision, python: Path, folder: Path
) -> None:
    settings = reader.Settings("none", None, precision)
    asked = [measuring.ask(task, where, shots, None) for task in TASKS.values()]
    start, used = time.perf_counter(), time.process_time()
    rows = measuring.measure(asked, [subject], settings)
    wall, cpu = time.perf_counter() - start, time.process_time() - used
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    ((_, path),) = harness.run(asked, [subject], settings, python, folder / f"{subject.name}-{shots}")
    their_wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    their_cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    off = likelihoods(rows, path)
    if subject.adapter is not None:
        assert_another(rows, measuring.measure(asked, [subject._replace(adapter=None)], settings))
    print(f"\n{subject.name}, {precision}, {'no examples' if shots == 0 else 'examples of the leaderboard'}\n")
    print("| task | examples | rows | log-likelihoods | largest difference | of itself | figures |\n|" + 7 * "---|")
    figures = {(row["task"], row["metric"]): row for row in results.figures(rows)}
    theirs = {(row["task"], row["metric"]): row for row in results.read(path)[0]}
    for one in asked:
        task = one.task.name
        own = {metric: row for (name, metric), row in figures.items() if name == task}
        worst = max(difference(row, theirs[task, metric]) for metric, row in own.items())
        shown = ", ".join(f"{metric} {row['value']:.4f}" for metric, row in own.items())
        absolute, relative, n = off[task]
        print(f"| {task} | {one.shots} | {len(one.questions)} | {n} | {absolute:.1e} | {relative:.1e} | {shown} |")
        off_by = absolute if precision == "float64" else relative
        assert off_by <= LARGEST, f"{task}: a log-likelihood differs by {off_by:.1e}"
        # Shares and perplexities are made of the log-likelihoods; the others are counted.
        is_smooth = TASKS[task].kind != "choice"
        assert worst < (LARGEST if is_smooth else 1e-12), f"{task}: a figure differs by {worst:.1e}"
    whole = json.loads(path.read_text())
    inside = float(whole["total_evaluation_time_seconds"])
    print(f"\nours: {wall:.1f} s ({cpu:.1f} s of processor); lm-eval: {inside:.1f} s, {their_wall:.1f} s with its start"
          f" ({their_cpu:.1f} s of processor); its time by ours {inside / wall:.1f}, {their_cpu / cpu:.1f} of processor", flush=True)  # fmt: skip


def assert_another(rows: list[dict], base: list[dict]) -> None:
    """The adapter is on: else lm-eval and this project could agree on the base alone."""
    for row, other in zip(rows, base, strict=True):
        assert all(abs(a - b) > LARGEST for a, b in zip(row["nats"], other["nats"], strict=True)), row


def difference(ours: dict, theirs: dict) -> float:
    """The larger of the differences of value and standard error, each of itself."""
    assert ours["shots"] == theirs["shots"], (ours, theirs)
    assert ours["n"] == theirs["n"], (ours, theirs)
    off = (
        abs(ours["value"] - theirs["value"]) / max(abs(theirs["value"]), 1e-12)
        if theirs["value"]
        else abs(ours["value"])
    )
    if ours["metric"] == "perplexity":
        return off
    return max(off, abs(ours["stderr"] - theirs["stderr"]))


def likelihoods(rows: list[dict], path: Path) -> dict[str, tuple[float, float, int]]:
    """(largest difference, the same of itself, how many) of the log-likelihoods of each task; greedy must be equal."""
    theirs = {}
    for samples in path.parent.glob("samples_*.jsonl"):
        task = samples.name.removeprefix("samples_").rsplit("_", 1)[0]
        for line in samples.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            theirs.setdefault(task, {})[row["doc_id"]] = [one[0] for one in row["resps"]]
    found: dict[str, tuple[float, float, int]] = {}
    place: dict[str, int] = {}
    for row in rows:
        name = (
            f"mmlu_{row['subject']}" if row["subject"] else {"lambada": "lambada_openai"}.get(row["task"], row["task"])
        )
        number = place[name] = place.get(name, -1) + 1
        absolute, relative, n = found.get(row["task"], (0.0, 0.0, 0))
        for nats, greedy, other in zip(row["nats"], row["greedy"], theirs[name][number], strict=True):
            value, their_greedy = float(other[0]), str(other[1]) == "True"
            assert greedy == their_greedy, (row, other)
            absolute, n = max(absolute, abs(nats - value)), n + 1
            relative = max(relative, abs(nats - value) / max(1.0, abs(value)))
        found[row["task"]] = absolute, relative, n
    return found


if __name__ == "__main__":
    main()
