"""Rows of data sets that the `datasets` library reads: from the Hub, streamed, or from a folder it saved."""

from collections.abc import Generator
from pathlib import Path

from curate.errors import InputError
from curate.files import Numbered

# What `Dataset.save_to_disk` leaves in the folder of each split.
STATE = "state.json"


def hub_rows(name: str, config: str | None, split: str, revision: str | None) -> Generator[Numbered, None, None]:
    """(row number from 1, values by column name) of one split on the Hub, streamed: nothing is kept on this machine.

    `name` is owner/name, or a local folder laid out like one. Code that comes with a data set is never run. Raises
    InputError where the Hub cannot be reached, lacks the set, or the stream breaks off.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    # The client beneath `datasets`, from where `datasets` itself takes it: its package has changed names before.
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    what = f"hub: {name}, config {config or 'default'}, split {split}"
    try:
        data = load_dataset(name, name=config, split=split, revision=revision, streaming=True)
        yield from enumerate(data, start=1)
    except (OSError, ValueError, RuntimeError, DatasetsError, httpx.HTTPError) as error:
        raise InputError(
            f"{what}: could not be read: {error}. Check name, config and split, and the network; or fetch the files"
            " and give their folder as `path`"
        ) from error


def saved_splits(folder: Path) -> list[Path]:
    """The folders below (or at) `folder` that hold one saved split each; none where nothing was saved there."""
    return sorted(state.parent for state in folder.rglob(STATE) if (state.parent / "dataset_info.json").is_file())


def saved_rows(folder: Path) -> Generator[Numbered, None, None]:
    """(row number from 1, values by column name) of a split that `Dataset.save_to_disk` wrote. Raises InputError."""
    import pyarrow as pa
    from datasets import Dataset

    try:
        yield from enumerate(Dataset.load_from_disk(str(folder)), start=1)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{folder}: not readable as a saved data set: {error}. Save it again") from error
