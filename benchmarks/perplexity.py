"""Rolling perplexity: the numbers and the time of lm-eval 0.4.13, and what perplexity tells of 90 public models.

    python benchmarks/perplexity.py [--documents 400] [--window 256] [--model DIR] [--lm-eval PYTHON]
    python benchmarks/perplexity.py --public ../shared/data/evaluation/perplexity_correlations

The first form measures made-up documents, most shorter and some much longer than the window, with a made-up Llama (`train.toy`,
512 wide) or the model of `--model`. lm-eval runs a task of its own (`loglikelihood_rolling`) on the same documents in its own
interpreter, at several batch sizes; the seconds are of its `loglikelihood_rolling` and our `perplexity.measure`, loading left out. Every
document's log-likelihood is compared, and the three figures of the corpus.

lm-eval scores a BOS token that the tokenizer puts before a text, which follows the BOS it starts with and is no text; it is
given add_bos_token=False, where each token of the text is scored once. `with its BOS` shows what its default adds. A control
token that a document names (`</s>`) is one token to lm-eval and text to us: there are none here.

The second form reads the tables of perplexity-correlations (github.com/TristanThrush/perplexity-correlations, examples/): bits
per byte of 90 models on 263 domains, and their benchmark errors.
"""

import argparse
import csv
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Of lm-eval's interpreter, which is run with -P, the path stays as it is: our evaluate would hide the one it needs.
if not sys.flags.safe_path:
    sys.path[0] = str(Path(__file__).parents[1])

BATCHES = (1, 8, 32)
# Of error.csv: what is an error rate. The rest are perplexities of the last word.
BENCHMARKS = ("arc_easy", "piqa", "sciq")
# How many models, by bits per byte, beside all of them: where a choice is made, the others are out already.
BEST, FEWER = 30, 15
TASK = """task: passages
dataset_path: json
dataset_kwargs: {{data_files: {{test: {path}}}}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{text}}}}"
metric_list:
  - metric: word_perplexity
  - metric: byte_perplexity
  - metric: bits_per_byte
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--lm-eval", metavar="PYTHON", help="interpreter of an environment with peers-lm-eval.txt")
    parser.add_argument("--public", type=Path, help="folder of error.csv and chunked_synthetic_sample_bpb_id.csv")
    parser.add_argument("--contestant", nargs=4, metavar=("MODEL", "FOLDER", "WINDOW", "BATCH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contestant:
        lm_eval(*given.contestant)
    elif given.public:
        public(given.public)
    else:
        compare(given)


def compare(given: argparse.Namespace) -> None:
    from evaluate import documents, perplexity, reader
    from evaluate.statistics import predicted
    from evaluate.subjects import Subject

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = given.model or made_up(folder / "model")
        rows = [{"id": f"d{i:04d}", "text": text} for i, text in enumerate(texts(given.documents))]
        path = folder / "passages.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        subject, settings = Subject("ours", str(model)), reader.Settings("none", given.window)
        docs = documents.read([path])
        # As lm-eval's is timed after its task has run once.
        perplexity.measure(docs, [subject], settings)
        _, *load = timed(lambda: reader.load(subject, settings))
        ours, *used = timed(lambda: perplexity.measure(docs, [subject], settings))
        wall, cpu = (both - loading for both, loading in zip(used, load, strict=True))
        corpus = next(
            row for row in predicted.report(ours, "bits_per_byte", rounds=0)["models"] if row["view"] == "whole"
        )
        several = sum(row["windows"] > 1 for row in ours)
        print(
            f"{len(ours)} documents, {corpus['tokens']:,} tokens, window {given.window}, {several} documents of several windows,"
            f" the longest {max(row['windows'] for row in ours)}\n"
        )
        print(
            "| | wall s | cpu s | word perplexity | byte perplexity | bits per byte | largest difference of a document |"
        )
        print("|---|---|---|---|---|---|---|")
        show("lapidary", wall, cpu, corpus, "")
        if given.lm_eval is None or not Path(given.lm_eval).exists():
            print(f"\nlm-eval: skipped (no interpreter at {given.lm_eval}; see benchmarks/peers-lm-eval.txt)")
            return
        for batch in BATCHES:
            theirs = run_lm_eval(given.lm_eval, model, folder, given.window, batch)
            off = max(abs(row["nats"] + theirs["loglikelihoods"][row["id"]]) / row["nats"] for row in ours)
            show(f"lm-eval, batch {batch}", theirs["seconds"], theirs["cpu"], theirs, f"{off:.1e}")
            figures = ("word_perplexity", "byte_perplexity", "bits_per_byte")
            # In the exponent, where the sums stand: exp makes a difference of the sums larger as a perplexity is larger.
            worst = max(abs(exponent(theirs, figure) / exponent(corpus, figure) - 1) for figure in figures)
            assert off < 1e-5, f"a document's log-likelihood differs by {off:.1e}"
            assert worst < 1e-6, f"a figure of the corpus differs by {worst:.1e}"
            print(
                f"| its time by ours | {theirs['seconds'] / wall:.2f} | {theirs['cpu'] / cpu:.2f} | off {worst:.0e} | | | |"
            )
        with_bos = theirs["with_bos"]
        print(f"\nlm-eval with its BOS, where the tokenizer puts one: bits per byte {with_bos:.6f}")


def show(name: str, wall: float, cpu: float, found: dict, off: str) -> None:
    figures = " | ".join(f"{found[key]:.10g}" for key in ("word_perplexity", "byte_perplexity", "bits_per_byte"))
    print(f"| {name} | {wall:.2f} | {cpu:.2f} | {figures} | {off} |", flush=True)


def exponent(found: dict, figure: str) -> float:
    return found[figure] if figure == "bits_per_byte" else math.log(found[figure])


def run_lm_eval(python: str, model: Path, folder: Path, window: int, batch: int) -> dict:
    # -P: no folder of ours on the path, where a package is called evaluate as one that lm-eval needs.
    command = [
        str(Path(python).absolute()),
        "-P",
        str(Path(__file__).resolve()),
        "--contestant",
        str(model.resolve()),
        str(folder),
    ]
    done = subprocess.run([*command, str(window), str(batch)], check=False, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise SystemExit(f"lm-eval failed:\n{done.stderr}")
    return json.loads((folder / "theirs.json").read_text())


def lm_eval(model: str, folder: str, window: str, batch: str) -> None:
    import os

    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    from lm_eval import evaluator
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    place = Path(folder)
    (place / "passages.yaml").write_text(TASK.format(path=place / "passages.jsonl"))

    def network(*, add_bos_token: bool | None) -> HFLM:
        return HFLM(
            pretrained=model,
            dtype="float32",
            device="cpu",
            max_length=int(window),
            batch_size=int(batch),
            add_bos_token=add_bos_token,
        )

    tasks = TaskManager(include_path=folder, include_defaults=False)
    lm = network(add_bos_token=False)
    found = evaluator.simple_evaluate(model=lm, tasks=["passages"], task_manager=tasks, log_samples=True)
    samples = found["samples"]["passages"]
    asked = [
        Instance(request_type="loglikelihood_rolling", doc={}, arguments=(one["doc"]["text"],), idx=0)
        for one in samples
    ]
    _, wall, cpu = timed(lambda: lm.loglikelihood_rolling(asked, disable_tqdm=True))
    other = evaluator.simple_evaluate(model=network(add_bos_token=None), tasks=["passages"], task_manager=tasks)
    own = found["results"]["passages"]
    result = {
        **{key: own[f"{key},none"] for key in ("word_perplexity", "byte_perplexity", "bits_per_byte")},
        "with_bos": other["results"]["passages"]["bits_per_byte,none"],
        "loglikelihoods": {one["doc"]["id"]: one["word_perplexity"][0] for one in samples},
        "seconds": wall,
        "cpu": cpu,
    }
    (place / "theirs.json").write_text(json.dumps(result))


def made_up(folder: Path) -> Path:
    """A Llama of two layers, 512 wide, with random weights."""
    import torch
    from transformers import LlamaForCausalLM
    from transformers.utils import logging

    from train import toy

    torch.manual_seed(1)
    logging.disable_progress_bar()
    LlamaForCausalLM(toy.configuration(width=512)).save_pretrained(folder)
    toy.tokenizer().save_pretrained(folder)
    return folder


def texts(n: int, seed: int = 1) -> list[str]:
    """Made-up documents of the project's own sample: most of a paragraph, some of many, and odd ones."""
    sample = Path(__file__).resolve().parents[1] / "curate" / "recipes" / "sample" / "alpaca.json"
    # Rows of it are broken on purpose.
    given = (row.get("output") for row in json.loads(sample.read_text(encoding="utf-8")) if isinstance(row, dict))
    parts = [text for text in given if isinstance(text, str) and text]
    chance = random.Random(seed)
    odd = [
        "a",
        " ",
        "\n\nleading and trailing \n",
        "naïve – “quotes” 漢字 🙂\u2028next",
        "x" * 3000,
    ]
    return odd + [
        "\n\n".join(chance.choices(parts, k=min(40, max(1, round(chance.lognormvariate(0, 1))))))
        for _ in range(n - len(odd))
    ]


def timed(work):
    """What it gives, and its wall and processor seconds."""
    start, used = time.perf_counter(), time.process_time()
    return work(), time.perf_counter() - start, time.process_time() - used


def public(folder: Path) -> None:
    """Each benchmark's accuracy, and the mean of them, against bits per byte over the domains."""
    errors = {row["benchmark"]: row for row in _rows(folder / "error.csv")}
    domains = _rows(folder / "chunked_synthetic_sample_bpb_id.csv")
    models = [name for name in errors[BENCHMARKS[0]] if name != "benchmark"]
    mean = {model: sum(float(row[model]) for row in domains) / len(domains) for model in models}
    print(f"{len(models)} models, {len(domains)} domains\n")
    print(
        f"| models | accuracy on | Pearson | Spearman | domains anew | models anew | families anew | p | regret, points |\n|{9 * '---|'}"
    )
    for n in (len(models), BEST, FEWER):
        chosen = sorted(models, key=lambda model: mean[model])[:n]
        with tempfile.TemporaryDirectory() as name:
            for benchmark in BENCHMARKS:
                line(Path(name), chosen, domains, errors[benchmark])


def line(folder: Path, models: list[str], domains: list[dict], errors: dict) -> None:
    from evaluate import correlation

    rows, records = folder / "rows.jsonl", folder / "records.jsonl"
    # Each domain counts the same, as where the tables were made.
    same = {"status": "ok", "tokens": 1, "bytes": 1, "tokenization": ""}
    write(
        rows,
        [
            {"model": model, "id": row["id"], "nats": float(row[model]) * math.log(2), **same}
            for model in models
            for row in domains
        ],
    )
    judged = {"prompt_id": errors["benchmark"], "judge": errors["benchmark"], "status": "ok"}
    write(records, [{**judged, "model_a": model, "score": 1 - float(errors[model])} for model in models])
    found = correlation.report(correlation.of_files([records], [rows]))
    own, regret = found["coefficients"], found["regret"]
    rank, (low, high) = own["spearman"], by_family(found["models"])
    print(
        f"| {len(models)} best by bits per byte | {errors['benchmark']} | {own['pearson']['value']:+.3f} | {rank['value']:+.3f} |"
        f" [{rank['low']:+.3f}, {rank['high']:+.3f}] | [{rank['models_low']:+.3f}, {rank['models_high']:+.3f}] |"
        f" [{low:+.3f}, {high:+.3f}] |"
        f" {rank['p']:.4f} | {100 * regret['value']:.1f}: {_short(regret['chosen'])}, not {_short(regret['best'])} |",
        flush=True,
    )


def by_family(rows: list[dict], rounds: int = 2000) -> tuple[float, float]:
    """The interval of Spearman's ρ where whole families of models are drawn: models of one are alike."""
    import numpy as np

    from evaluate.statistics.association import spearman

    families: dict[str, list[dict]] = {}
    for row in rows:
        # A name is written as ('family', 'organisation/model').
        families.setdefault(row["model"].split("'")[1], []).append(row)
    chance, names = random.Random(1), list(families)
    draws = []
    for _ in range(rounds):
        drawn = [row for name in chance.choices(names, k=len(names)) for row in families[name]]
        draws.append(spearman(*(np.array([row[key] for row in drawn]) for key in ("value", "quality"))))
    return tuple(np.nanquantile(draws, [0.025, 0.975]))


def _rows(path: Path) -> list[dict]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _short(name: str) -> str:
    return name.rsplit("/", maxsplit=1)[-1].rstrip("')")


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
