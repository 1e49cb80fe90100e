"""From raw dumps to a small, clean, explained instruction set: `build`, `check`, `explain`, `sources`."""
