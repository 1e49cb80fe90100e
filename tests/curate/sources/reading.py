"""Every record of a source, read as a build reads it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from pydantic import TypeAdapter

from curate.record import EXAMPLE, REJECT, Batch
from curate.sources import SOURCES, Settings


def read(name, **settings):
    """The examples and rejects of the source called `name`, and on the way what holds for every source."""
    chosen = TypeAdapter(Settings).validate_python(settings)
    source = SOURCES[chosen.kind]
    batches = [Batch(EXAMPLE.to_frame(), REJECT.to_frame())]
    with TemporaryDirectory() as scratch:
        for unit in source.units(chosen):
            batches += source.load(name, unit, chosen, Path(scratch))
            assert not list(Path(scratch).iterdir()), "spill files are removed"
    for batch in batches:
        assert (batch.examples.schema, batch.rejects.schema) == (EXAMPLE, REJECT)
        assert max(batch.examples.height, batch.rejects.height) <= 20_000
    return Batch(*map(pl.concat, zip(*batches, strict=True)))
