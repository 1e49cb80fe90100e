"""NEFTune as a regulariser (Jain et al. 2023, figure 4): with noise in training, the noise-free loss on the training set is
higher and the loss on unseen examples lower.

    python benchmarks/neftune.py [--seeds 3] [--alphas 0 15] [--epochs 10]

Model: stories260K, pretrained on children's stories, all weights. Data: 64 of Alpaca's examples a seed, and 64 others that
no seed sees. Nats per trained token, both measured without noise. Fails where a seed does not show both signs.
A network of width 64 feels the noise more than one of width 4,096 whose embeddings are larger: the sign can be carried
over, the size cannot.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])
DATA = Path(__file__).parents[2] / "shared" / "data"
HELD_OUT = 64


def write(path, rows):
    turns = [
        [{"role": "user", "content": r["instruction"]}, {"role": "assistant", "content": r["output"]}] for r in rows
    ]
    path.write_text("".join(json.dumps({"id": f"{i}", "messages": m}) + "\n" for i, m in enumerate(turns)))
    return path


def measured(folder, rows, alpha, seed, epochs):
    """(loss on the training set, loss on unseen examples) of one run."""
    from curate.lm import rendering
    from train import base, data, packed, perplexity, plan, trainer
    from train.settings import Settings

    chosen = random.Random(seed).sample(rows[:-HELD_OUT], 64)
    files = [write(folder / "train.jsonl", chosen), write(folder / "test.jsonl", rows[-HELD_OUT:])]
    about = {"adapter": {"kind": "full"}, "optimizer": {"lr": 2e-3}, "template": "alpaca", "batch_examples": 8}
    given = {"base": str(DATA / "models" / "stories260K" / "hf"), "epochs": epochs, "seed": seed, "save_every": 10**6}
    both = [
        Settings.model_validate({**given, **about, "neftune_alpha": alpha, "data": [{"path": str(path)}]})
        for path in files
    ]
    words = base.tokenizer(both[0])
    template = rendering.template(words, both[0].template, both[0].base)
    known, unseen = (data.read(settings, words, template).stages[0] for settings in both)
    model = base.adapt(base.load(both[0], words, "cpu"), both[0], words)
    packed.install(model, both[0].objective, alpha)
    planned = plan.plan([known], both[0])
    course = trainer.Course(planned, known, both[0].objective, known[0].documents[0].ids[0])
    args = trainer.arguments(both[0], planned, folder / "checkpoints", 1, bfloat16=False)
    flow = trainer.Flow(planned, lambda _: None, lambda *_: None, lambda: False)
    trainer.SFT(model, args, course, flow, lambda _: None).train()
    found = [perplexity.predict(model, examples, 2048) for examples in (known, unseen)]
    return tuple(one.nats / one.tokens for one in found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.0, 15.0])
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    if not DATA.exists():
        sys.exit("skipped: real data absent: ../shared/data")
    import torch

    torch.set_num_threads(1)
    rows = json.loads((DATA / "instruction" / "alpaca_5000.json").read_text())
    rows = [r for r in rows if not r["input"] and 60 < len(r["output"]) < 400 and len(r["instruction"]) < 120]
    print(f"{'seed':>4} {'alpha':>6} {'training set':>13} {'unseen':>8} {'CPU s':>6}", flush=True)
    failed = False
    for seed in range(1, options.seeds + 1):
        plain = None
        for alpha in options.alphas:
            began = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                known, unseen = measured(Path(folder), rows, alpha, seed, options.epochs)
            seconds = time.process_time() - began
            print(f"{seed:>4} {alpha:>6g} {known:>13.4f} {unseen:>8.4f} {seconds:>6.1f}", flush=True)
            plain = plain or (known, unseen)
            failed |= alpha > options.alphas[0] and not (known > plain[0] and unseen < plain[1])
    sys.exit("a seed does not show the effect" if failed else 0)


if __name__ == "__main__":
    main()
