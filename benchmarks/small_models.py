"""What fine-tuning does to two small language models: the table and the two pictures of docs/training.md.

    python benchmarks/small_models.py --out FOLDER [--workers 2] [--docs docs]

`curate` chooses 400 of Alpaca's 5,000 (answers of 40 to 400 characters); every eighth is held out, and its prompt is asked. Each of
stories260K and babyllama, pretrained on children's stories alone, is tuned on the other 350, all weights, with NEFTune and without, in a process
of its own. Before, each is asked the same without a template. What FOLDER holds is not made again. `--docs`: the folder that the pictures are written to.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)
DATA = ROOT.parent / "shared" / "data"
MODELS = {"stories260K": "stories260K", "babyllama_tok105": "babyllama"}
NOISES = {"plain": 0, "NEFTune 5": 5}
CHOSEN = {"filters.min_chars": 40, "filters.max_chars": 400, "select.size": 400}
HELD_OUT = 8
SETTINGS = {
    "optimizer.lr": 1e-3, "optimizer.lr_end": 1e-4, "epochs": 10, "batch_examples": 16, "residual_dropout": "null", "max_tokens": 512,
    "overlong": "drop",
}  # fmt: skip
SHOWN = (1, 4, 7, 10)
# What "stop" is among the reasons why an answer ended: the model wrote an end token itself.
ENDED = "stop"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--docs", type=Path, help="write the pictures into this folder")
    given = parser.parse_args()
    if not DATA.exists():
        sys.exit("skipped: real data absent: ../shared/data")
    given.out.mkdir(parents=True, exist_ok=True)
    choose(given.out)
    with ThreadPoolExecutor(given.workers) as pool:
        for done in [
            *(pool.submit(untuned, given.out, model) for model in MODELS),
            *(pool.submit(tune, given.out, model, noise) for model in MODELS for noise in NOISES),
        ]:
            done.result()
    print("| | held-out perplexity: best, last | bits per byte: best, last | answers of 50 that end by themselves, "
          f"before and after epochs {', '.join(map(str, SHOWN))} |\n| --- | --- | --- | --- |")  # fmt: skip
    for model, title in MODELS.items():
        for noise in NOISES:
            print(line(given.out, model, title, noise))
        if given.docs is not None:
            (given.docs / f"training-{model}.svg").write_text(picture(given.out, model, title) + "\n", encoding="utf-8")


def run(*command: object) -> None:
    """A command of this project, on one thread."""
    one = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, cwd=ROOT, env=one, stdout=subprocess.DEVNULL)


def laid(settings: dict) -> list[str]:
    return [part for key, value in settings.items() for part in ("-s", f"{key}={value}")]


def choose(out: Path) -> None:
    """train.jsonl, held.jsonl and prompts.jsonl below `out`."""
    if (out / "prompts.jsonl").exists():
        return
    source = {"sources.set.path": DATA / "instruction" / "alpaca_5000.json"}
    run("curate", "build", "instructions", *laid({**source, **CHOSEN}), "--out", out / "curated")
    lines = (out / "curated" / "dataset.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    held = lines[HELD_OUT - 1 :: HELD_OUT]
    write(out / "train.jsonl", [text for place, text in enumerate(lines, start=1) if place % HELD_OUT])
    write(out / "held.jsonl", held)
    rows = map(json.loads, held)
    asked = [{"id": row["id"], "instruction": row["messages"][0]["content"]} for row in rows]
    write(out / "prompts.jsonl", [json.dumps(row, ensure_ascii=False) + "\n" for row in asked])


def write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(lines), encoding="utf-8")


def base(model: str) -> Path:
    return DATA / "models" / model / "hf"


def untuned(out: Path, model: str) -> None:
    run("evaluate", "answer", "--model", base(model), "--prompts", out / "prompts.jsonl", "--out", out / f"{model}-untuned.jsonl",
        "-s", "chat_template=none")  # fmt: skip


def tune(out: Path, model: str, noise: str) -> None:
    folder = place(out, model, noise)
    if (folder / "card.md").exists():
        return
    again = ["--resume"] if (folder / "config.yaml").exists() else []
    files = {"neftune_alpha": NOISES[noise], "held_out": out / "held.jsonl", "dev_prompts": out / "prompts.jsonl"}
    run("train", "run", "--data", out / "train.jsonl", "--base", base(model), "--preset", "lima", "--out", folder,
        *laid({**SETTINGS, **files}), *again)  # fmt: skip


def place(out: Path, model: str, noise: str) -> Path:
    return out / f"{model}-{NOISES[noise]}"


def rows(path: Path) -> list[dict]:
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def epochs(folder: Path) -> list[dict]:
    """metrics.json of each epoch."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("epoch-*/metrics.json"))]


def ended(path: Path) -> int:
    return sum(row["finish"] == ENDED for row in rows(path))


def line(out: Path, model: str, title: str, noise: str) -> str:
    folder = place(out, model, noise)
    found = epochs(folder)
    best, last = min(found, key=lambda row: row["perplexity"]), found[-1]
    counts = [
        ended(out / f"{model}-untuned.jsonl"),
        *(ended(folder / "dev" / f"epoch-{epoch:02d}.jsonl") for epoch in SHOWN),
    ]
    return (
        f"| {title}, {noise} | {best['perplexity']:.1f} (epoch {best['epoch']}), {last['perplexity']:.1f}"
        f" | {best['bits_per_byte']:.3f}, {last['bits_per_byte']:.3f} | {', '.join(map(str, counts))} |"
    )


def picture(out: Path, model: str, title: str) -> str:
    from math import log

    from curate import charts

    found = {noise: epochs(place(out, model, noise)) for noise in NOISES}
    lines = [
        charts.Line(f"{what}, {noise}", [row["epoch"] for row in own], [value(row) for row in own])
        for what, value in (("training", lambda row: row["loss"]), ("held out", lambda row: log(row["perplexity"])))
        for noise, own in found.items()
    ]
    return charts.lines(
        f"{title}: 350 curated Alpaca examples, all weights, 10 epochs", lines, "epoch", "nats per token of the answers"
    )


if __name__ == "__main__":
    main()
