"""The loop as a process that dies by kill -9 in the middle of a step: when a certain file of it is about to be written.

The loop and the commands that it runs are processes as they are by `python -m`, but forked from one that has imported torch:
to import it for each of them would take longer than all that is done with it. Nothing else in them is other than it is.
"""

import gc
import importlib
import os
import signal
import sys
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from types import SimpleNamespace
from typing import NamedTuple

FORKS = get_context("forkserver")
# Slow to import, and no thread is started by it: polars starts some, and a forked process would wait for them for ever.
FORKS.set_forkserver_preload(["torch", "peft", "transformers.models.llama.modeling_llama", "scipy.stats", "numba"])


class Death(NamedTuple):
    """In this step, when this file below the loop's folder is about to be written or, where it grows, is half written."""

    step: str
    file: str


def loop(words, out, said, death):
    """`python -m evaluate loop --out OUT WORDS…` until it dies, or ends where `death` is None; its exit code. What it and its
    commands print is added to the file `said`."""
    here, there = FORKS.Pipe()
    process = FORKS.Process(target=_loop, args=(["loop", "--out", str(out), *words], there, out, said, death))
    process.start()
    there.close()
    # Until the loop hangs up. A forked process has no server of its own: what it wants to run, it asks for.
    with suppress(EOFError, ConnectionError):
        while True:
            command = FORKS.Process(target=_command, args=(*here.recv(), out, said, death))
            command.start()
            command.join()
            here.send(command.exitcode)
    process.join()
    return process.exitcode


def _loop(words, asked, out, said, death):
    os.setpgid(0, 0)
    from evaluate.loop import steps

    at, once = SimpleNamespace(step=None), steps.once

    def noted(out, name, work):
        at.step = name
        once(out, name, work)

    class Forked:
        """In the place of Popen: the same command, as a process that dies with this one."""

        def __init__(self, command, stdout):
            assert (command[:2], stdout) == ([sys.executable, "-m"], sys.stderr)
            asked.send((command[2:], at.step, os.getpgrp()))

        def wait(self):
            return asked.recv()

    steps.once, steps.subprocess = noted, SimpleNamespace(Popen=Forked)
    _main("evaluate", words, at, out, said, death)


def _command(words, step, group, out, said, death):
    os.setpgid(0, group)
    _main(words[0], words[1:], SimpleNamespace(step=step), out, said, death)


def _main(package, words, at, out, said, death):
    told = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(told, 1)
    os.dup2(told, 2)
    from evaluate import journal

    # What came with the fork is no garbage to be looked for.
    gc.freeze()
    sys.addaudithook(_before(at, out, death))
    journal.appending = _half_way(journal.appending, at, out, death)
    sys.exit(importlib.import_module(f"{package}.__main__").main(words))


def _before(at, out, death):
    """An audit hook, which hears of a write before it happens. Not of what is added to a file."""

    def heard(event, args):
        match event, args:
            case "os.rename", (_, path, *_):
                pass
            case "sqlite3.connect", (path,):
                pass
            case "open", (path, _, flags) if flags & (os.O_WRONLY | os.O_RDWR) and not flags & os.O_APPEND:
                pass
            case _:
                return
        if death and (at.step, str(path)) == (death.step, str(out / death.file)):
            _die()

    return heard


def _half_way(appending, at, out, death):
    """The journal that dies when half of the rows that it is first given are in the file."""

    @contextmanager
    def mortal(path):
        with appending(path) as append:

            def add(rows):
                dies = death and (at.step, path) == (death.step, out / death.file)
                append(rows[: (len(rows) + 1) // 2] if dies else rows)
                if dies:
                    _die()

            yield add

    return mortal


def _die():
    os.killpg(os.getpgrp(), signal.SIGKILL)
