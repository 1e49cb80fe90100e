"""Instruction-following difficulty: ours beside the loop of the papers' repositories.

    python benchmarks/ifd.py [--rows 400] [--model FOLDER] [--gpt2]

The loop is that of Cherry_LLM and Superfiltering, written anew: for each example two forward passes of one text each, the
answer alone and the answer after the instruction, with the loss that transformers computes. Ours gets the same texts.
Both run in this process, in turns, on the same loaded weights; the model is loaded before the clock starts. Quality is
the largest difference of a loss. `--gpt2` uses a model of GPT-2's shape (124M parameters, random weights: speed does not
depend on them) and fewer rows.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

DATA = Path(__file__).parents[2] / "shared" / "data"


def examples(rows, model):
    """Alpaca's examples that fit the model whole, so that neither side cuts any."""
    from curate.chat import to_messages
    from curate.quality.ifd import Template, context

    pairs = []
    for record in json.loads((DATA / "instruction/alpaca_5000.json").read_text("utf-8")):
        prompt = "\n\n".join(part for part in (record["instruction"], record["input"]) if part)
        turns = to_messages({"prompt": prompt, "response": record["output"]})
        before = context(turns, Template())
        if record["output"] and len(model.tokenizer(before + record["output"]).input_ids) < model.window - 1:
            pairs.append((before, record["output"]))
    return pairs[:rows]


def loop(pairs, model):
    import torch

    def loss(before, text):
        prefix = model.prefix + model.tokenizer(before, add_special_tokens=False).input_ids
        ids = model.tokenizer(text, add_special_tokens=False).input_ids
        labels = torch.tensor([[-100] * len(prefix) + ids])
        with torch.inference_mode():
            return model.network(torch.tensor([prefix + ids]), labels=labels).loss.item()

    return [(loss(before, answer), loss("", answer)) for before, answer in pairs]


def ours(pairs, settings):
    from curate.lm import local

    answers = [answer for _, answer in pairs]
    both = local.logprobs([before for before, _ in pairs] + [""] * len(pairs), answers * 2, settings)
    losses = (-both["logprob"] / both["tokens"]).to_list()
    return list(zip(losses[: len(pairs)], losses[len(pairs) :], strict=True))


def gpt2(folder):
    """A model of GPT-2's shape with random weights, and the tokenizer of a real model."""
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)
    AutoTokenizer.from_pretrained(DATA / "models/stories260K/hf").save_pretrained(folder)
    return folder


def timed(name, work):
    before, started = time.process_time(), time.perf_counter()
    result = work()
    wall, cpu = time.perf_counter() - started, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<24} {wall:8.2f} s wall {cpu:8.2f} s cpu {peak:7.0f} MB peak so far")
    return wall, result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--model", type=Path, default=DATA / "models/stories260K/hf")
    parser.add_argument("--gpt2", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="of torch, for both sides; by default all cores")
    options = parser.parse_args()
    if not DATA.exists():
        raise SystemExit("skipped: ../shared/data is absent")
    with tempfile.TemporaryDirectory() as folder:
        from curate.lm import models

        settings = models.Settings(model=gpt2(Path(folder) / "gpt2") if options.gpt2 else options.model)
        os.environ["LAPIDARY_CACHE"] = f"{folder}/cache"
        model = models.load(settings, "causal")
        if options.threads:
            import torch

            torch.set_num_threads(options.threads)
        pairs = examples(options.rows, model)
        tokens = sum(
            len(model.tokenizer(text).input_ids) for before, answer in pairs for text in (before, answer, answer)
        )
        print(f"{len(pairs)} examples of Alpaca, {tokens} tokens in two passes each, {settings.model.parent.name}")
        loop(pairs[:4], model)
        best = {}
        for number in range(options.rounds):
            os.environ["LAPIDARY_CACHE"] = f"{folder}/cache-{number}"
            for name, work in (
                ("one text a pass", lambda: loop(pairs, model)),
                ("ours", lambda: ours(pairs, settings)),
                ("ours, from the cache", lambda: ours(pairs, settings)),
            ):
                wall, result = timed(name, work)
                best[name] = min(best.get(name, (wall, result)), (wall, result), key=lambda pair: pair[0])
        peer, own, kept = best.values()
        worst = max(abs(a - b) for one, two in zip(peer[1], own[1], strict=True) for a, b in zip(one, two, strict=True))
        print(f"best of {options.rounds}: {peer[0] / own[0]:.1f}x the loop; from the cache {peer[0] / kept[0]:.0f}x")
        print(f"largest difference of a loss: {worst:.1e} nats per token")


if __name__ == "__main__":
    main()
