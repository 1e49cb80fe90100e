"""The steps of the loop, one after the other, each once: a killed loop goes on where it was."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import click

from curate import config, runs
from curate.errors import RunError

from . import page, split, traced
from .settings import Settings

T = TypeVar("T")

DONE = "steps.json"
# Below this many points `evaluate correlate` refuses to speak of a correlation.
FEWEST_EPOCHS = 4


def loop(settings: Settings, out: Path) -> Path:
    """Run what is left of the loop in the folder `out`; the page that tells of it.

    build/ (the set), dev/ (what is asked), train/ (the epochs), judged.jsonl, board/, perplexity.jsonl, correlation/,
    attribution.json, next.jsonl (what to look at next, for the review), index.html; steps.json says what is done. Raises
    RunError where a step's command fails, whose own words stand above, and where the folder was begun with other settings.
    """
    with runs.locked(out):
        begin(settings, out)
        dev, judged = dev_files(settings, out), out / "judged.jsonl"
        once(out, "build", lambda: build(settings, out))
        once(out, "draw", lambda: draw(settings, out))
        once(out, "train", lambda: run(*training(settings, out / "build", out / "train", dev)))
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


def training(
    settings: Settings, data: Path, folder: Path, dev: tuple[Path, Path], seed: int | None = None
) -> list[object]:
    """The command that trains on `data`. `--resume` where a run was begun: train itself refuses to begin one anew there."""
    begun = ("--resume",) if (folder / "config.yaml").exists() else ()
    given = [f"dev_prompts={dev[0].resolve()}", f"held_out={dev[1].resolve()}", *settings.train.set]
    given += [] if seed is None else [f"seed={seed}"]
    return [
        "train", "run", "--data", data, "--base", settings.train.base, "--preset", settings.train.preset,
        "--out", folder, *_set(given), *begun,
    ]  # fmt: skip


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
    if _tell(out, name):
        return
    started = time.monotonic()
    work()
    _record(out, name, started)


def each(out: Path, work: Mapping[str, Sequence[object]]) -> None:
    """Do steps that are one command each, unless they are done, all in one process: what trains takes longer to load than a
    small set takes to train on. Raises RunError where one fails; those before it are done.
    """
    left = {name: [str(word) for word in words] for name, words in work.items() if not _tell(out, name, begin=False)}
    if not left:
        return
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "evaluate.loop.together", "--tell", str(writing), *map(shlex.join, left.values())]
    process = subprocess.Popen(command, stdout=sys.stderr, pass_fds=[writing])  # noqa: S603 - our own interpreter
    os.close(writing)
    with os.fdopen(reading) as told:
        for name, words in left.items():
            _tell(out, name)
            started = time.monotonic()
            # A line for each that has ended well; where one has not, there is no line to read.
            if not _waited(process, told.readline):
                _check(process, words)
                return
            _record(out, name, started)
    process.wait()


def run(*words: object) -> None:
    """One of the project's own commands as a process; what it prints goes to stderr. Raises RunError where it fails."""
    command = [str(word) for word in words]
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=sys.stderr)  # noqa: S603 - our own interpreter
    _check(process, command)


def _check(process: subprocess.Popen[bytes], command: Sequence[str]) -> None:
    """Wait until the process has ended. Raises RunError where it failed at this command."""
    code = _waited(process, process.wait)
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise RunError(
            f"python -m {' '.join(command)}: ended with {code}, and says why above. What was finished is kept: mend it and"
            " run the loop again."
        )


def _waited(process: subprocess.Popen[bytes], wait: Callable[[], T]) -> T:
    """What `wait` returns; an interrupt is for the process first."""
    while True:
        try:
            return wait()
        except KeyboardInterrupt:
            # The terminal has told the process too, which saves what it has; nothing is gained by killing it.
            if process.wait() in (0, 130):
                raise


def _tell(out: Path, name: str, *, begin: bool = True) -> bool:
    """Whether a step is done, said aloud; with `begin`, that it begins where it is not."""
    done = name in _done(out)
    if done:
        click.secho(f"{name:<7} done", err=True, dim=True)
    elif begin:
        click.secho(f"{name:<7} …", err=True, bold=True)
    return done


def _record(out: Path, name: str, started: float) -> None:
    runs.write_json(out / DONE, {**_done(out), name: round(time.monotonic() - started, 1)})


def _done(out: Path) -> dict[str, float]:
    return runs.read_json(out / DONE) or {}


def _set(settings: Sequence[str]) -> list[str]:
    return [word for setting in settings for word in ("-s", setting)]
