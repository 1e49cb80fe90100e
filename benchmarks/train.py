"""The trainer beside transformers' Trainer and TRL's SFTTrainer: the same model, data and examples per step.

    python benchmarks/train.py [--examples 640] [--rounds 3] [--threads 1] [--trl PYTHON] [--adapter lora] [--json FILE]
    python benchmarks/train.py --device cuda      # tokens per second, MFU and memory of a 1B Llama instead

Data: Alpaca's examples in the tokens of a small tokenizer (512 pieces, so a few hundred tokens each), cut at 512; the loss
counts answers only. Model: a Llama of random weights, 8 layers, width 256. Each side trains one epoch of 32 examples a step
in a process of its own, in turns; the clock (processor seconds of the process) starts at its first step and stops after
its last. Tokens are those of the examples: padding counts for nothing. `padded` sees the examples of each of our steps
in the same step, so that its losses must be ours. TRL's requirements stand apart: give the interpreter of an environment
with benchmarks/peers-trl.txt. It counts packed rows: its rows per step are set so that a step has about 32 examples.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

# This script has the name of the package that it measures.
sys.path[0] = str(Path(__file__).parents[1])
DATA = Path(__file__).parents[2] / "shared" / "data"
EXAMPLES_PER_STEP, MICRO, PASS_TOKENS, LONGEST = 32, 8, 2048, 512
RATE = {"full": 1e-3, "lora": 2e-3}
CPU_MODEL = {"vocab_size": 4096, "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 8}
CPU_HEADS = {"num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 4096}
# The shape of Llama 3.2 1B.
CUDA_MODEL = {"vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16}
CUDA_HEADS = {"num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 16384}
# Dense bfloat16 FLOP/s by the makers' data sheets.
PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}


# ---- the sides: each runs in a process of its own


def network(adapter, attention="sdpa"):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        **CPU_MODEL, **CPU_HEADS, tie_word_embeddings=True, use_cache=False, attn_implementation=attention
    )
    return with_adapter(LlamaForCausalLM(config), adapter)


def with_adapter(model, adapter):
    import peft

    if adapter == "full":
        return model
    return peft.get_peft_model(
        model, peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    )


def common(folder, adapter):
    return {
        "output_dir": folder,
        "num_train_epochs": 1,
        "learning_rate": RATE[adapter],
        "lr_scheduler_type": "linear",
        "max_grad_norm": 1.0,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 1,
    }


def timed(trainer):
    """Losses of the steps, and the seconds from the first step's beginning to the last one's end."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):  # noqa: ARG002
            if state.global_step == 0:
                self.cpu, self.wall = time.process_time(), time.perf_counter()

        def on_step_end(self, args, state, control, **_):  # noqa: ARG002
            self.stop = time.process_time() - self.cpu, time.perf_counter() - self.wall

    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    return clock.stop


def ours(examples, folder, adapter):
    from train import packed
    from train.plan import plan
    from train.record import Document, Example
    from train.settings import Dataset, Optimizer, Settings, Sft
    from train.trainer import SFT, Course, Flow, arguments

    settings = Settings(
        base="toy",
        data=(Dataset(path=Path("a")),),
        batch_examples=EXAMPLES_PER_STEP,
        pass_tokens=PASS_TOKENS,
        epochs=1,
        optimizer=Optimizer(lr=RATE[adapter]),
        save_every=10**6,
    )
    given = [Example(str(i), "a", (Document(*one),)) for i, one in enumerate(examples)]
    planned = plan([given], settings)
    model = network(adapter)
    packed.install(model, Sft())
    losses = []
    trainer = SFT(
        model,
        arguments(settings, planned, Path(folder), 1, False),
        Course(planned, given, Sft(), 0),
        Flow(planned, lambda *_: None, lambda *_: None, lambda: False),
        lambda record: losses.append(record["loss"]),
    )
    return timed(trainer), losses


def padded(examples, folder, adapter, strategy="sequential"):
    import torch
    from transformers import Trainer, TrainingArguments

    def collate(rows):
        longest = max(len(row["input_ids"]) for row in rows)

        def filled(name, value):
            return torch.tensor([row[name] + [value] * (longest - len(row[name])) for row in rows])

        mask = torch.tensor([[int(i < len(row["input_ids"])) for i in range(longest)] for row in rows])
        return {"input_ids": filled("input_ids", 0), "attention_mask": mask, "labels": filled("labels", -100)}

    arguments = TrainingArguments(
        **common(folder, adapter),
        per_device_train_batch_size=MICRO,
        gradient_accumulation_steps=EXAMPLES_PER_STEP // MICRO,
        train_sampling_strategy=strategy,
        remove_unused_columns=False,
    )
    rows = [{"input_ids": ids, "labels": labels} for ids, labels in examples]
    trainer = Trainer(model=network(adapter), args=arguments, train_dataset=rows, data_collator=collate)
    return timed(trainer), [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def grouped(examples, folder, adapter):
    return padded(examples, folder, adapter, "group_by_length")


def trl(examples, folder, adapter):
    import datasets
    from trl import SFTConfig, SFTTrainer

    tokens = sum(len(ids) for ids, _ in examples)
    rows_per_step = max(1, round(tokens / len(examples) * EXAMPLES_PER_STEP / PASS_TOKENS))
    rows = datasets.Dataset.from_list(
        [{"input_ids": ids, "completion_mask": [int(label != -100) for label in labels]} for ids, labels in examples]
    )
    arguments = SFTConfig(
        **common(folder, adapter),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=rows_per_step,
        packing=True,
        max_length=PASS_TOKENS,
        completion_only_loss=True,
        bf16=False,
    )
    trainer = SFTTrainer(model=network(adapter), args=arguments, train_dataset=rows, processing_class=tokenizer())
    return timed(trainer), [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


SIDES = {"ours": ours, "padded": padded, "grouped": grouped, "trl": trl}


def side(name, folder, adapter, threads):
    import torch

    torch.set_num_threads(threads)
    examples, order = json.loads((Path(folder) / "examples.json").read_text("utf-8"))
    # Ours orders them itself.
    given = examples if name == "ours" else [examples[i] for i in order]
    (cpu, wall), losses = SIDES[name](given, f"{folder}/{name}", adapter)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tokens = sum(len(ids) for ids, _ in examples)
    print(json.dumps({"cpu": cpu, "wall": wall, "peak": peak, "tokens": tokens, "losses": losses}))


# ---- the comparison


def tokenizer():
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(DATA / "models/stories260K/hf")
    found.pad_token = found.pad_token or found.eos_token
    return found


def alpaca(count):
    """(ids, labels) of Alpaca's examples, and the order in which our plan takes them."""
    from train.plan import mixture
    from train.record import Document, Example
    from train.settings import Dataset

    pieces = tokenizer()
    found = []
    for record in json.loads((DATA / "instruction/alpaca_5000.json").read_text("utf-8")):
        prompt = pieces(f"{record['instruction']}\n{record['input']}\n").input_ids
        answer = [*pieces(record["output"], add_special_tokens=False).input_ids, pieces.eos_token_id]
        ids, labels = [*prompt, *answer], [-100] * len(prompt) + answer
        if len(prompt) < LONGEST - 8:
            found.append((ids[:LONGEST], labels[:LONGEST]))
    chosen = found[:count]
    examples = [Example(str(i), "a", (Document(*one),)) for i, one in enumerate(chosen)]
    return chosen, mixture(examples, [Dataset(path=Path("a"))], 1, seed=1)


def measured(name, folder, options):
    python = options.trl if name == "trl" else sys.executable
    command = [python, __file__, "--side", name, "--folder", folder, "--adapter", options.adapter]
    done = subprocess.run([*command, "--threads", str(options.threads)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(options):
    names = [name for name in SIDES if name != "trl" or options.trl]
    if not options.trl:
        print("trl: left out; give --trl PYTHON, an interpreter with benchmarks/peers-trl.txt")
    with tempfile.TemporaryDirectory() as folder:
        examples, order = alpaca(options.examples)
        (Path(folder) / "examples.json").write_text(json.dumps([examples, order]), "utf-8")
        lengths = sorted(len(ids) for ids, _ in examples)
        print(
            f"{len(examples)} examples, {sum(lengths):,} tokens, median {lengths[len(lengths) // 2]}, {options.adapter}"
        )
        best = {}
        for _ in range(options.rounds):
            for name in names:
                found = measured(name, folder, options)
                print(
                    f"{name:<8} {found['cpu']:7.1f} s cpu {found['wall']:7.1f} s wall {found['peak']:6.0f} MB",
                    flush=True,
                )
                best[name] = min(best.get(name, found), found, key=lambda one: one["cpu"])
    own = best["ours"]
    print(f"\nbest of {options.rounds}, {options.threads} threads:")
    for name, found in best.items():
        speed, steps = found["tokens"] / found["cpu"], len(found["losses"])
        ratio = found["cpu"] / own["cpu"]
        print(
            f"{name:<8} {speed:7,.0f} tokens per cpu second, ours {ratio:4.2f}x; {found['peak']:5.0f} MB; {steps} steps"
        )
    apart = max(abs(a - b) for a, b in zip(own["losses"], best["padded"]["losses"], strict=True))
    print(
        f"losses, first and last: {own['losses'][0]:.4f}, {own['losses'][-1]:.4f}; greatest difference to padded: {apart:.1e}"
    )
    if options.json:
        options.json.write_text(json.dumps(best), "utf-8")


# ---- a GPU


def mfu(options):
    """Tokens per second, model FLOP utilisation and memory of a 1B Llama of random weights on full passes.

    Model FLOPs per token: 6 N of full fine-tuning, 4 N with adapters (no gradients of the frozen weights), N the weights
    in matrix products, the head among them; attention's own products and recomputation are not counted.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from train import packed
    from train.plan import collate
    from train.record import Document, Example
    from train.settings import Sft

    cuda = options.device == "cuda"
    shape = {**CUDA_MODEL, **CUDA_HEADS} if cuda else {**CPU_MODEL, **CPU_HEADS}
    torch.manual_seed(1)
    with torch.device(options.device):
        # Full fine-tuning has float32 weights under autocast; with adapters the frozen base is in half precision.
        model = LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=True, use_cache=False))
    if options.adapter == "lora":
        model.to(torch.bfloat16)
    weights = sum(p.numel() for p in model.parameters() if p.ndim > 1)
    model = with_adapter(model, options.adapter).train()
    packed.install(model, Sft())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5, fused=True)
    tokens = options.pass_tokens
    cuts = [0, *range(384, tokens, 384), tokens]
    ids = torch.randint(3, shape["vocab_size"], (tokens,)).tolist()
    documents = tuple(
        Document(ids[a:b], [-100] * (1 + (b - a) // 4) + ids[a + 1 + (b - a) // 4 : b]) for a, b in pairwise(cuts)
    )
    batch = collate([Example("0", "a", documents)], tokens, 0)
    batch = {name: value.to(options.device) if torch.is_tensor(value) else value for name, value in batch.items()}

    def step():
        with torch.autocast(options.device, torch.bfloat16):
            loss = model(**batch)["loss"] / batch["step_items"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def seconds_of(passes):
        started = time.perf_counter()
        for _ in range(passes):
            step()
        if cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - started

    seconds_of(3)
    seconds = seconds_of(options.passes)
    speed = tokens * options.passes / seconds
    flops = speed * weights * (4 if options.adapter == "lora" else 6)
    name = torch.cuda.get_device_name() if cuda else "cpu"
    peak = next((value for key, value in PEAK.items() if key in name), None)
    share = (
        f"MFU {flops / peak:.1%} of {peak / 1e12:.0f} TFLOP/s" if peak else "MFU unknown: no data sheet's figure here"
    )
    memory = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{name}, {options.adapter}, {weights / 1e9:.2f}B weights, passes of {tokens:,} tokens: {speed:,.0f} tokens per second,"
    )
    print(f"  {flops / 1e12:.1f} TFLOP/s, {share}, peak memory {memory / 2**30:.1f} GiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--threads", type=int, default=1, help="of torch; more wait for each other, which costs processor time"
    )
    parser.add_argument("--adapter", choices=("full", "lora"), default="full")
    parser.add_argument("--trl", help="interpreter of an environment with benchmarks/peers-trl.txt")
    parser.add_argument("--json", type=Path, help="where to write every figure and loss")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="measure MFU there, without the comparison")
    parser.add_argument("--pass-tokens", type=int, default=16384)
    parser.add_argument("--passes", type=int, default=10)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device:
        mfu(options)
    elif not DATA.exists():
        raise SystemExit("skipped: ../shared/data is absent")
    elif options.side:
        side(options.side, options.folder, options.adapter, options.threads)
    else:
        compare(options)


if __name__ == "__main__":
    main()
