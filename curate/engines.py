"""An engine runs one function over many items: here, in worker processes, or on a Ray cluster.

The function must be importable (module level, or a `functools.partial` of one) and its result small: shards travel as
paths. Results come back as they finish; which item each belongs to comes with it, so the order of work never shows.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

from curate.errors import ConfigError, RunError, did_you_mean

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """`(fn, items)` to pairs (index of the item, `fn(item)`), in any order."""

    def __call__(self, fn: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Run `fn` over `items`."""


def local(fn: Callable[[T], R], items: Sequence[T], workers: int | None = None) -> Iterator[tuple[int, R]]:  # noqa: ARG001 - one contract
    """One item after the other in this process; polars still uses every core."""
    for index, item in enumerate(items):
        yield index, fn(item)


def processes(fn: Callable[[T], R], items: Sequence[T], workers: int | None = None) -> Iterator[tuple[int, R]]:
    """A pool of worker processes, as many as cores unless `workers` says otherwise.

    Raises RunError where a worker dies without a Python error (out of memory, killed): finished items are kept.
    """
    workers = min(workers or available_cores(), max(len(items), 1))
    if workers == 1:
        yield from local(fn, items)
        return
    # spawn: a forked child would inherit polars' thread pool in an unusable state.
    with _threads_per_worker(workers), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(fn, item): index for index, item in enumerate(items)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise RunError(
                "a worker process died without an error of its own, most likely for lack of memory. "
                "Finished shards are kept: run the same command again, with fewer --workers."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def over_ray(fn: Callable[[T], R], items: Sequence[T], workers: int | None = None) -> Iterator[tuple[int, R]]:
    """Ray tasks, on the cluster that RAY_ADDRESS names or else on this machine.

    Every node must see the run folder and the sources under the same paths. Raises ConfigError where ray is missing.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError("the ray engine needs ray: pip install -c constraints.txt -e '.[ray]'") from error
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        # Dashboard and usage statistics are servers and calls that nobody asked for.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address=address,
            num_cpus=None if address else (workers or available_cores()),
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    task: Any = ray.remote(fn_caller)
    waiting = {task.remote(fn, item): index for index, item in enumerate(items)}
    try:
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(done[0]), ray.get(done[0])
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    finally:
        for reference in waiting:
            ray.cancel(reference)


def fn_caller(fn: Callable[[T], R], item: T) -> R:
    """`fn(item)`: what a Ray worker runs (a partial cannot be made a remote function itself)."""
    return fn(item)


ENGINES: dict[str, Callable[..., Any]] = {"local": local, "processes": processes, "ray": over_ray}


def engine(name: str, workers: int | None = None) -> Engine:
    """The engine of that name with its number of workers (default: one a core). Raises ConfigError."""
    if name not in ENGINES:
        raise ConfigError(f"there is no engine '{name}'. {did_you_mean(name, ENGINES)}")
    return partial(ENGINES[name], workers=workers)


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1


# What the libraries that use several threads ask for how many: polars, numba, torch and the BLAS below numpy and faiss.
THREADS = ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def _threads_per_worker(workers: int) -> Iterator[None]:
    """Children started inside share the cores instead of each taking all of them; what the user has set stays."""
    share = str(max(1, available_cores() // workers))
    added = {name: share for name in THREADS if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
