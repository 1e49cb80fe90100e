"""The steps of the loop, one after the other, each once: a killed loop goes on where it was."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from curate import config, runs
from curate.errors import RunError

from . import page, split, traced
from .settings import Settings

DONE = "steps.json"
# Below this many points `evaluate correlate` refuses to speak of a correlation.
FEWEST_EPOCHS = 4


def loop(settings: Settings, out: Path) -> Path:
    """Run what is left of the loop in the folder `out`; the page that tells of it.

    build/ (the set), dev/ (what is asked), train/ (the epochs), judged.jsonl, board/, perplexity.jsonl, correlation/, attribution.json, next.jsonl (what
    to look at next, for the review), index.html; steps.json says what is done. Raises RunError where a step's command
    fails, whose own words stand above, and where the folder was begun with other settings.
    """
    with runs.locked(out):
        begin(settings, out)
        dev, judged = dev_files(settings, out), out / "judged.jsonl"
        once(out, "build", lambda: build(settings, out))
        once(out, "draw", lambda: draw(settings, out))
        once(out, "train", lambda: train(settings, out / "build", out / "train", dev))
        once(
            out,
            "judge",
            lambda: judge(settings, out, sorted((out / "train" / "dev").glob("epoch-*.jsonl")), dev[0], judged),
        )
        window = () if settings.window is None else ("--window", *settings.window)
        once(out, "select", lambda: run("train", "select", out / "train", "--records", judged, *window))
        once(out, "board", lambda: run("evaluate", "leaderboard", judged, "--out", out / "board"))
        once(out, "predict", lambda: predict(out, dev[1]))
        if len(runs.read_json(out / "train" / "select.json")["epochs"]) >= FEWEST_EPOCHS:  # type: ignore[index]
            once(out, "correlate", lambda: correlate(out, judged))
        once(out, "trace", lambda: traced.write(out, dev[0], settings.nearest))
        if (out / "next.jsonl").stat().st_size:
            once(out, "queue", lambda: run("curate", "queue", out / "build", "next", out / "next.jsonl"))
        return page.write(out, settings, _done(out))


def begin(settings: Settings, out: Path) -> None:
    """Keep the settings in the folder. Raises RunError where it was begun with others."""
    path, text = out / "loop.yaml", config.dump(settings)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise RunError(
            f"{out}: was begun with other settings ({path} has them). Go on with the same, or use another --out."
        )
    runs.write_text(path, text)


def dev_files(settings: Settings, out: Path) -> tuple[Path, Path]:
    """The files of prompts and of held-out examples: the given ones, else those that are drawn."""
    dev = settings.dev
    return (dev.prompts or out / "dev" / "prompts.jsonl", dev.held_out or out / "dev" / "held-out.jsonl")


def build(settings: Settings, out: Path) -> None:
    """The set."""
    run("curate", "build", settings.build.recipe, "--out", out / "build", *_set(settings.build.set))


def draw(settings: Settings, out: Path) -> None:
    """What is asked and what is held out, where no files are given."""
    prompts, held_out = dev_files(settings, out)
    if out / "dev" in (prompts.parent, held_out.parent):
        found = split.draw(out / "build", settings.dev, out / "dev")
        click.echo(
            f"{found['prompts']} dev prompts, {found['held_out']} held-out examples, none of them in the set", err=True
        )
    if settings.judge.against == "reference":
        (out / "dev").mkdir(exist_ok=True)
        split.references(prompts, out / "dev" / "reference.jsonl")


def train(settings: Settings, data: Path, folder: Path, dev: tuple[Path, Path], seed: int | None = None) -> None:
    """Train on `data`. `--resume` where a run was begun: train itself refuses to begin one anew there."""
    begun = ("--resume",) if (folder / "config.yaml").exists() else ()
    given = [f"dev_prompts={dev[0].resolve()}", f"held_out={dev[1].resolve()}", *settings.train.set]
    given += [] if seed is None else [f"seed={seed}"]
    run(
        "train", "run", "--data", data, "--base", settings.train.base, "--preset", settings.train.preset,
        "--out", folder, *_set(given), *begun,
    )  # fmt: skip


def judge(settings: Settings, out: Path, answers: Sequence[object], prompts: Path, judged: Path) -> None:
    """Have answers (files, or NAME=FILE) judged as the settings say."""
    who = settings.judge
    files, words = list(answers), list[object]()
    if who.single:
        words += ["--single"]
    elif who.against is not None:
        other = out / "dev" / "reference.jsonl" if who.against == "reference" else Path(who.against)
        files += [f"{other.stem}={other}"]
        words += ["--baseline", other.stem]
    words += ["--template", who.template] if who.template else []
    words += ["--prices", who.prices] if who.prices else []
    words += ["--budget", who.budget] if who.budget is not None else []
    run(
        "evaluate", "judge", "--answers", *files, "--judge", who.name, "--out", judged, "--prompts", prompts,
        *_set(who.set), *words,
    )  # fmt: skip


def predict(out: Path, held_out: Path) -> None:
    """How well each epoch predicts the held-out examples, document by document."""
    run("evaluate", "perplexity", "--run", out / "train", "--data", held_out, "--out", out / "perplexity.jsonl")


def correlate(out: Path, judged: Path) -> None:
    """Whether that says what the judge says (LIMA, figure 9)."""
    run(
        "evaluate", "correlate", out / "train", "--records", judged, "--perplexity", out / "perplexity.jsonl",
        "--out", out / "correlation",
    )  # fmt: skip


def once(out: Path, name: str, work: Callable[[], object]) -> None:
    """Do a step, unless it is done; what it took is kept."""
    done = _done(out)
    if name in done:
        click.secho(f"{name:<7} done", err=True, dim=True)
        return
    click.secho(f"{name:<7} …", err=True, bold=True)
    started = time.monotonic()
    work()
    runs.write_json(out / DONE, {**done, name: round(time.monotonic() - started, 1)})


def run(*words: object) -> None:
    """One of the project's own commands as a process; what it prints goes to stderr. Raises RunError where it fails."""
    command = [str(word) for word in words]
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=sys.stderr)  # noqa: S603 - our own interpreter
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            # The terminal has told the process too, which saves what it has; nothing is gained by killing it.
            if process.wait() in (0, 130):
                raise
            continue
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise RunError(
            f"python -m {' '.join(command)}: ended with {code}, and says why above. What was finished is kept: mend it and"
            " run the loop again."
        )


def _done(out: Path) -> dict[str, float]:
    return runs.read_json(out / DONE) or {}


def _set(settings: Sequence[str]) -> list[str]:
    return [word for setting in settings for word in ("-s", setting)]
