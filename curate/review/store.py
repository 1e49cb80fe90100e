"""The file of the review, SQLite with a write-ahead log: its tables, how it is opened, and how it is written.

Rows of `events` are only ever added; triggers hold to that. What was committed has reached the disk (`synchronous` is
FULL), so a process that is killed loses nothing it has acknowledged.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from curate.cache import BUSY_SECONDS, write_ahead
from curate.errors import RunError

VERSION = 1

# `previous` of a decision is the event of that content and reviewer that counted before it; of an undo, the event it takes
# back (none where nothing stood: it is written all the same, or a repeated undo could take back what came after it).
# `act` is shared by the decisions of one bulk act and by the undo that takes all of them back: one row, so never a part.
# `role` is null for a look of one's own, `repeat` for a second look that was asked for without saying so (it is measured and
# does not count, but for an edit, which is work that would be lost), `settle` for the word that ends a disagreement.
# `edited` is the hash of the messages of an edit: the text that its content becomes, and that is kept.
_SCHEMA = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY, time TEXT NOT NULL, reviewer TEXT NOT NULL, session TEXT NOT NULL, token TEXT NOT NULL,
    content TEXT, example TEXT, decision TEXT NOT NULL, reasons TEXT NOT NULL, messages TEXT, shown_ms INTEGER,
    previous INTEGER REFERENCES events (id), act TEXT, role TEXT, edited TEXT,
    UNIQUE (session, token),
    CHECK (decision IN ('keep', 'reject', 'skip', 'flag', 'edit', 'undo')),
    CHECK ((messages IS NOT NULL) = (decision = 'edit')),
    CHECK ((messages IS NULL) = (edited IS NULL)),
    CHECK (role IN ('repeat', 'settle')),
    CHECK (content IS NOT NULL AND example IS NOT NULL OR decision = 'undo' AND previous IS NULL));
CREATE INDEX by_content ON events (content, reviewer);
CREATE INDEX by_reviewer ON events (reviewer);
CREATE INDEX by_act ON events (act) WHERE act IS NOT NULL;
CREATE UNIQUE INDEX undone_once ON events (previous) WHERE decision = 'undo';
CREATE UNIQUE INDEX undone_whole ON events (act) WHERE decision = 'undo';
CREATE TRIGGER never_changed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER never_deleted BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE VIEW standing AS SELECT * FROM events WHERE decision <> 'undo' AND NOT EXISTS
    (SELECT 1 FROM events AS undo WHERE undo.previous = events.id AND undo.decision = 'undo') AND NOT EXISTS
    (SELECT 1 FROM events AS undo WHERE undo.act = events.act AND undo.decision = 'undo');
CREATE VIEW counted AS SELECT * FROM standing WHERE role IS NOT 'repeat' OR decision = 'edit';
CREATE VIEW current AS SELECT * FROM counted WHERE NOT EXISTS (SELECT 1 FROM counted AS later
    WHERE later.content = counted.content AND later.reviewer = counted.reviewer AND later.id > counted.id);
CREATE TABLE leases (content TEXT PRIMARY KEY, reviewer TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE drafts (reviewer TEXT, content TEXT, messages TEXT NOT NULL, PRIMARY KEY (reviewer, content)) WITHOUT ROWID;
"""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The log in this file, made where there is none. Raises RunError where it is no log or cannot be used."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as log:
            # What another program made is refused before anything in it is changed.
            _prepare(log, path)
            write_ahead(log)
            log.execute("PRAGMA synchronous = FULL")
            yield log
    except (OSError, sqlite3.DatabaseError) as error:
        raise RunError(
            f"{path}: the review log cannot be used ({error}); expected a log of decisions in a folder that can be"
            " written. What was acknowledged is kept: look at the disk and the file's rights."
        ) from error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The log in this file, which is there, for reading alone. Raises RunError where it is no log of this version."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as log:
            version = log.execute("PRAGMA user_version").fetchone()[0]
            if version != VERSION:
                raise _other_version(path, version)
            yield log
    except sqlite3.DatabaseError as error:
        raise RunError(f"{path}: the review log cannot be read ({error}); expected a log of decisions") from error


@contextlib.contextmanager
def transaction(log: sqlite3.Connection) -> Iterator[None]:
    """All of what is written inside or none of it. The write lock is taken first: later it could be refused as stale."""
    log.execute("BEGIN IMMEDIATE")
    try:
        yield
        log.execute("COMMIT")
    except BaseException:
        log.rollback()
        raise


def _prepare(log: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file. Raises RunError where another version or another program made it."""
    version = log.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        with transaction(log):
            # Another process may have made them since.
            version = log.execute("PRAGMA user_version").fetchone()[0]
            if version == 0 and not log.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in _statements():
                    log.execute(statement)
                log.execute(f"PRAGMA user_version = {VERSION}")
                version = VERSION
    if version != VERSION:
        raise _other_version(path, version)


def _other_version(path: Path, version: int) -> RunError:
    return RunError(
        f"{path}: not a review log of version {VERSION} (it says {version}); expected one of this version: name"
        " another file, or use the version of Lapidary that made it"
    )


def _statements() -> Iterator[str]:
    """The statements of the schema, one by one: `executescript` would end the transaction it runs in."""
    part = ""
    for line in _SCHEMA.strip().splitlines():
        part += line + "\n"
        if sqlite3.complete_statement(part):
            yield part
            part = ""
