"""The steps of the loop, one after the other, each once: a killed loop goes on where it was."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from curate import config, runs
from curate.errors import RunError

from . import page, split, traced
from .settings import Settings

DONE = "steps.json"


def loop(settings: Settings, out: Path) -> Path:
    """Run what is left of the loop in the folder `out`; the page that tells of it.

    build/ (the set), dev/ (what is asked), train/ (the epochs), judged.jsonl, board/, attribution.json, next.jsonl (what
    to look at next, for the review), index.html; steps.json says what is done. Raises RunError where a step's command
    fails, whose own words stand above, and where the folder was begun with other settings.
    """
    with runs.locked(out):
        _begin(settings, out)
        dev, judged = _dev(settings, out), out / "judged.jsonl"
        _once(
            out,
            "build",
            lambda: _run("curate", "build", settings.build.recipe, "--out", out / "build", *_set(settings.build.set)),
        )
        _once(out, "draw", lambda: _draw(settings, out))
        _once(out, "train", lambda: _train(settings, out, dev))
        _once(out, "judge", lambda: _judge(settings, out, dev[0], judged))
        window = () if settings.window is None else ("--window", *settings.window)
        _once(out, "select", lambda: _run("train", "select", out / "train", "--records", judged, *window))
        _once(out, "board", lambda: _run("evaluate", "leaderboard", judged, "--out", out / "board"))
        _once(out, "trace", lambda: traced.write(out, dev[0], settings.nearest))
        return page.write(out, settings, _done(out))


def _begin(settings: Settings, out: Path) -> None:
    path, text = out / "loop.yaml", config.dump(settings)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise RunError(
            f"{out}: was begun with other settings ({path} has them). Go on with the same, or use another --out."
        )
    runs.write_text(path, text)


def _dev(settings: Settings, out: Path) -> tuple[Path, Path]:
    """The files of prompts and of held-out examples: the given ones, else those that are drawn."""
    dev = settings.dev
    return (dev.prompts or out / "dev" / "prompts.jsonl", dev.held_out or out / "dev" / "held-out.jsonl")


def _draw(settings: Settings, out: Path) -> None:
    prompts, held_out = _dev(settings, out)
    if out / "dev" in (prompts.parent, held_out.parent):
        found = split.draw(out / "build", settings.dev, out / "dev")
        click.echo(
            f"{found['prompts']} dev prompts, {found['held_out']} held-out examples, none of them in the set", err=True
        )
    if settings.judge.against == "reference":
        (out / "dev").mkdir(exist_ok=True)
        split.references(prompts, out / "dev" / "reference.jsonl")


def _train(settings: Settings, out: Path, dev: tuple[Path, Path]) -> None:
    """`--resume` where a run was begun: train itself refuses to begin one anew there."""
    begun = ("--resume",) if (out / "train" / "config.yaml").exists() else ()
    given = (f"dev_prompts={dev[0].resolve()}", f"held_out={dev[1].resolve()}", *settings.train.set)
    _run(
        "train", "run", "--data", out / "build", "--base", settings.train.base, "--preset", settings.train.preset,
        "--out", out / "train", *_set(given), *begun,
    )  # fmt: skip


def _judge(settings: Settings, out: Path, prompts: Path, judged: Path) -> None:
    judge = settings.judge
    answers: list[object] = [*sorted((out / "train" / "dev").glob("epoch-*.jsonl"))]
    words: list[object] = []
    if judge.single:
        words += ["--single"]
    elif judge.against is not None:
        other = out / "dev" / "reference.jsonl" if judge.against == "reference" else Path(judge.against)
        answers += [f"{other.stem}={other}"]
        words += ["--baseline", other.stem]
    words += ["--template", judge.template] if judge.template else []
    words += ["--prices", judge.prices] if judge.prices else []
    words += ["--budget", judge.budget] if judge.budget is not None else []
    _run(
        "evaluate", "judge", "--answers", *answers, "--judge", judge.name, "--out", judged, "--prompts", prompts,
        *_set(judge.set), *words,
    )  # fmt: skip


def _set(settings: tuple[str, ...]) -> list[str]:
    return [word for setting in settings for word in ("-s", setting)]


def _once(out: Path, name: str, work: Callable[[], object]) -> None:
    """Do a step, unless it is done; what it took is kept."""
    done = _done(out)
    if name in done:
        click.secho(f"{name:<7} done", err=True, dim=True)
        return
    click.secho(f"{name:<7} …", err=True, bold=True)
    started = time.monotonic()
    work()
    runs.write_json(out / DONE, {**done, name: round(time.monotonic() - started, 1)})


def _done(out: Path) -> dict[str, float]:
    return runs.read_json(out / DONE) or {}


def _run(*words: object) -> None:
    """One of the project's own commands as a process; what it prints goes to stderr."""
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
