"""Bradley–Terry ratings with bootstrap intervals: time and memory, against arena-rank and evalica.

    python benchmarks/ratings.py [--votes 1000000] [--models 100] [--prompts 10000] [--rounds 200] [--peers PYTHON]

Every contestant is a process of its own that gets the same votes as arrays and makes what it rates of them; `wall` and
`cpu` are from there to ratings with intervals, imports left out. `off`: the largest difference of a rating to ours, in Elo
points, both of mean 1,000.

What the intervals are of differs. Lapidary draws prompts with all their votes; `own-prompts` is the same where every vote is
a prompt of its own, `davidson` fits the model of ties (another model: its ratings are meant to be off). arena-rank draws
votes, as counts of equal ones, which is less work and ignores the prompts. evalica draws rows; here each of its rounds is given
the drawn prompts' votes as weights. A round takes the peers seconds, so they do a few and the time is scaled to all.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

PEER_ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--prompts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter of an environment with peers-ratings.txt")
    parser.add_argument("--contestant", nargs=3, metavar=("NAME", "VOTES", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contestant:
        contestant(*given.contestant)
        return
    print(f"{given.votes:,} votes, {given.models} models, {given.prompts:,} prompts, {given.rounds} rounds")
    print("\n| contestant | wall s | cpu s | peak MB | off |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.npz"
        np.savez(path, rounds=given.rounds, **votes(given.votes, given.models, given.prompts))
        results = {}
        for name in CONTESTANTS:
            found = run(name, path, given.peers)
            if isinstance(found, str):
                print(f"{name}: skipped ({found})")
                continue
            results[name] = found
            off = np.abs(np.subtract(found["ratings"], results["lapidary"]["ratings"])).max()
            print(
                f"| {name} | {found['wall']:.1f} | {found['cpu']:.1f} | {found['peak']:.0f} | {off:.3g} |", flush=True
            )
    print()
    for name in ("arena-rank", "evalica"):
        if name in results:
            times = [results[name][key] / results["lapidary"][key] for key in ("wall", "cpu")]
            print(f"{name} takes {times[0]:.1f} times the wall and {times[1]:.1f} times the cpu seconds of lapidary")


def votes(n: int, models: int, prompts: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Made-up votes: strengths of standard deviation 0.8, a fifth of ties, some prompts that favour a model."""
    random = np.random.default_rng(seed)
    strength = random.normal(0, 0.8, models)
    a = random.integers(0, models, n)
    b = (a + random.integers(1, models, n)) % models
    prompt = random.integers(0, prompts, n)
    leaning = random.normal(0, 0.5, (prompts, models)).astype(np.float32)
    gap = strength[a] - strength[b] + leaning[prompt, a] - leaning[prompt, b]
    won = random.random(n) < 1 / (1 + np.exp(-gap))
    return {"a": a, "b": b, "score": np.where(random.random(n) < 0.2, 0.5, won.astype(float)), "prompt": prompt}


def run(name: str, path: Path, peers: str | None) -> dict | str:
    """A contestant's result from a process of its own, or why there is none."""
    python = sys.executable
    if name in PEERS:
        if peers is None or not Path(peers).exists():
            return f"no interpreter at {peers}; see benchmarks/peers-ratings.txt"
        python = peers
    out = path.with_name(f"{name}.json")
    command = [python, __file__, "--contestant", name, str(path), str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if name in PEERS and "ModuleNotFoundError" in done.stderr:
        return f"not installed: {done.stderr.strip().splitlines()[-1]}"
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return json.loads(out.read_text())


def contestant(name: str, path: str, out: str) -> None:
    with np.load(path) as file:
        given = dict(file)
    work = CONTESTANTS[name](given)
    wall, cpu = time.perf_counter(), cpu_seconds()
    found = work()
    seconds = {"wall": time.perf_counter() - wall, "cpu": cpu_seconds() - cpu}
    if scale := found.pop("scale", None):
        seconds = {key: value * scale for key, value in seconds.items()}
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    Path(out).write_text(json.dumps({**found, **seconds, "peak": peak}))


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def lapidary(given: dict, *, own_prompts: bool = False, ties: bool = False) -> Callable[[], dict]:
    import polars as pl

    from evaluate.statistics import rating

    rating.bradley_terry(pl.DataFrame({"prompt_id": ["p", "q"], "model_a": "x", "model_b": "y", "score": [1.0, 0.0]}))

    def work() -> dict:
        prompt = np.arange(len(given["a"])) if own_prompts else given["prompt"]
        columns = {"prompt_id": prompt, "model_a": given["a"], "model_b": given["b"]}
        frame = pl.DataFrame({name: pl.Series(values).cast(pl.String) for name, values in columns.items()})
        found = rating.bradley_terry(
            frame.with_columns(score=pl.Series(given["score"])), rounds=int(given["rounds"]), ties=ties
        )
        return {"ratings": found.table.sort(pl.col("model").cast(pl.Int64))["rating"].to_list()}

    return work


def arena_rank(given: dict) -> Callable[[], dict]:
    import jax
    import pandas as pd
    from arena_rank.models.bradley_terry import BradleyTerry, fit_single_bootstrap_sample
    from arena_rank.utils.data_utils import PairDataset

    def work() -> dict:
        winner = pd.Series(given["score"]).map({1.0: "model_a", 0.0: "model_b", 0.5: "tie"})
        data = PairDataset.from_pandas(pd.DataFrame({"model_a": given["a"], "model_b": given["b"], "winner": winner}))
        model = BradleyTerry(n_competitors=len(data.competitors))
        found = model.compute_ratings_and_cis(data)
        # As its ci_method="bootstrap" does, but in this process: its pool of workers hangs with JAX's threads.
        total, shape = float(data.counts.sum()), (PEER_ROUNDS, len(data.counts))
        drawn = jax.random.multinomial(
            jax.random.PRNGKey(42), total, data.counts / total, shape=shape, dtype=model.dtype
        )
        for counts in drawn:
            fit_single_bootstrap_sample(counts, model, data)
        ratings = [float(value) for value in found["ratings"] - found["ratings"].mean() + 1000]
        return {"ratings": ratings, "scale": (int(given["rounds"]) + 1) / (PEER_ROUNDS + 1)}

    return work


def evalica(given: dict) -> Callable[[], dict]:
    import evalica as peer

    outcomes = {1.0: peer.Winner.X, 0.0: peer.Winner.Y, 0.5: peer.Winner.Draw}

    def work() -> dict:
        xs, ys = given["a"].tolist(), given["b"].tolist()
        winners = [outcomes[score] for score in given["score"].tolist()]
        *_, index = peer.indexing(xs, ys)
        random = np.random.default_rng(0)
        prompts = int(given["prompt"].max()) + 1
        found = peer.bradley_terry(xs, ys, winners, index=index)
        for _ in range(PEER_ROUNDS):
            drawn = np.bincount(random.integers(0, prompts, prompts), minlength=prompts).astype(float)
            peer.bradley_terry(xs, ys, winners, index=index, weights=drawn[given["prompt"]])
        strength = np.log(found.scores.sort_index().to_numpy()) * 400 / np.log(10)
        ratings = (strength - strength.mean() + 1000).tolist()
        return {"ratings": ratings, "scale": (int(given["rounds"]) + 1) / (PEER_ROUNDS + 1)}

    return work


PEERS = ("arena-rank", "evalica")
CONTESTANTS = {
    "lapidary": lapidary,
    "lapidary-own-prompts": lambda given: lapidary(given, own_prompts=True),
    "lapidary-davidson": lambda given: lapidary(given, ties=True),
    "arena-rank": arena_rank,
    "evalica": evalica,
}

if __name__ == "__main__":
    main()
