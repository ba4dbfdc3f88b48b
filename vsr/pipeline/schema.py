"""The tables of a store, and how they came to be what they are: SQL."""

MIGRATIONS = (
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        output TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        plan TEXT NOT NULL,        -- JSON: everything that the output's bytes depend on
        begun REAL NOT NULL,       -- Unix time, as all below
        finished REAL              -- NULL: not yet; else the output is complete and verified
    );
    CREATE TABLE chunks (          -- outcomes: a row is a file that was checked
        job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        start INTEGER NOT NULL,    -- frames [start, end)
        end INTEGER NOT NULL,
        first_pts INTEGER NOT NULL,
        delay INTEGER NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        recorded REAL NOT NULL,
        PRIMARY KEY (job, start)
    ) WITHOUT ROWID;
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY,
        job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        start INTEGER NOT NULL,
        worker TEXT NOT NULL,
        begun REAL NOT NULL,
        ended REAL,                -- NULL: at work, or killed
        error TEXT                 -- NULL: none
    );
    """,
    """
    ALTER TABLE jobs ADD COLUMN frames INTEGER;    -- expected; NULL: nothing tells
    CREATE TABLE outcomes (
        job INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
        state TEXT NOT NULL,       -- done, failed, cancelled
        ended REAL NOT NULL,
        tries INTEGER NOT NULL,
        error TEXT,
        lasting INTEGER NOT NULL,  -- whether another try makes no sense
        source_sha256 TEXT,        -- from here on: of what is done
        sha256 TEXT,               -- of the output
        size INTEGER,
        mtime_ns INTEGER,
        frames INTEGER,
        film_seconds REAL,
        seconds REAL,
        warnings TEXT NOT NULL     -- JSON
    );
    CREATE INDEX attempts_of_a_job ON attempts (job);
    """,
)
"""What takes a store from each version to the next; a new one is added at the end."""
