"""The ledger's tables, as append-only migrations: an entry is never edited once it has been released."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE document (
        collection TEXT NOT NULL, path TEXT NOT NULL,
        size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, sha256 TEXT NOT NULL,
        PRIMARY KEY (collection, path)
    ) WITHOUT ROWID;

    CREATE TABLE run (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        target TEXT NOT NULL, cause TEXT NOT NULL, forced INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'done', 'failed', 'cancelled')),
        outcome TEXT, reason TEXT, created_at TEXT NOT NULL, ended_at TEXT
    );
    CREATE UNIQUE INDEX one_active_run_per_target ON run (target) WHERE state = 'active';

    CREATE TABLE job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run INTEGER REFERENCES run (id), stage TEXT NOT NULL, target TEXT,
        state TEXT NOT NULL DEFAULT 'queued'
            CHECK (state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')),
        attempts INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0,
        owner_boot TEXT, owner_pid INTEGER, owner_started REAL,
        stop_wanted TEXT CHECK (stop_wanted IN ('cancel', 'pause')),
        phase TEXT, progress TEXT, result TEXT, error TEXT, remedy TEXT,
        created_at TEXT NOT NULL, started_at TEXT, ended_at TEXT
    );
    CREATE INDEX job_by_state ON job (state);
    CREATE INDEX job_by_run ON job (run);
    CREATE UNIQUE INDEX one_waiting_refresh ON job (stage) WHERE run IS NULL AND state = 'queued';

    CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES job (id),
        at TEXT NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL
    );
    CREATE INDEX event_by_job ON event (job);

    CREATE TABLE answer (
        run INTEGER NOT NULL REFERENCES run (id), arm TEXT NOT NULL, query_set TEXT NOT NULL, query TEXT NOT NULL,
        metrics TEXT NOT NULL, documents TEXT NOT NULL, milliseconds REAL NOT NULL,
        PRIMARY KEY (run, arm, query_set, query)
    ) WITHOUT ROWID;

    CREATE TABLE judgement (
        target TEXT NOT NULL, set_digest TEXT NOT NULL, run INTEGER NOT NULL REFERENCES run (id),
        PRIMARY KEY (target, set_digest, run)
    ) WITHOUT ROWID;

    CREATE TABLE alert (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, kind TEXT NOT NULL,
        title TEXT NOT NULL, body TEXT NOT NULL, attempted_at TEXT, acknowledged_at TEXT
    );

    CREATE TABLE request (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL,
        action TEXT NOT NULL, argument TEXT NOT NULL, handled_at TEXT, answer TEXT
    );
    CREATE INDEX request_waiting ON request (id) WHERE handled_at IS NULL;
    """,
    # Quarantine, restarts of the machine, requests by key, and questions that cost the same at any size.
    """
    CREATE TABLE job_new (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run INTEGER REFERENCES run (id), stage TEXT NOT NULL, target TEXT,
        state TEXT NOT NULL DEFAULT 'queued'
            CHECK (state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled', 'quarantined')),
        attempts INTEGER NOT NULL DEFAULT 0, reboots INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0,
        owner_boot TEXT, owner_pid INTEGER, owner_started REAL,
        stop_wanted TEXT CHECK (stop_wanted IN ('cancel', 'pause', 'stop')),
        phase TEXT, progress TEXT, result TEXT, error TEXT, remedy TEXT,
        created_at TEXT NOT NULL, started_at TEXT, ended_at TEXT
    );
    INSERT INTO job_new (id, run, stage, target, state, attempts, lease, owner_boot, owner_pid, owner_started,
            stop_wanted, phase, progress, result, error, remedy, created_at, started_at, ended_at)
        SELECT id, run, stage, target, state, attempts, lease, owner_boot, owner_pid, owner_started,
            stop_wanted, phase, progress, result, error, remedy, created_at, started_at, ended_at FROM job;
    DELETE FROM sqlite_sequence WHERE name = 'job_new';
    INSERT INTO sqlite_sequence SELECT 'job_new', seq FROM sqlite_sequence WHERE name = 'job';
    DROP TABLE job;
    ALTER TABLE job_new RENAME TO job;
    CREATE INDEX job_by_state ON job (state);
    CREATE INDEX job_by_run ON job (run);
    CREATE UNIQUE INDEX one_waiting_refresh ON job (stage) WHERE run IS NULL AND state = 'queued';
    CREATE INDEX job_judged ON job (id) WHERE stage = 'validate' AND state = 'done';

    CREATE TABLE job_count (state TEXT PRIMARY KEY, jobs INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO job_count SELECT state, count(*) FROM job GROUP BY state;
    CREATE TRIGGER job_appears AFTER INSERT ON job BEGIN
        INSERT INTO job_count VALUES (new.state, 1) ON CONFLICT (state) DO UPDATE SET jobs = jobs + 1;
    END;
    CREATE TRIGGER job_moves AFTER UPDATE OF state ON job WHEN old.state <> new.state BEGIN
        UPDATE job_count SET jobs = jobs - 1 WHERE state = old.state;
        INSERT INTO job_count VALUES (new.state, 1) ON CONFLICT (state) DO UPDATE SET jobs = jobs + 1;
    END;
    CREATE TRIGGER job_vanishes AFTER DELETE ON job BEGIN
        UPDATE job_count SET jobs = jobs - 1 WHERE state = old.state;
    END;

    CREATE INDEX run_by_target ON run (target, id);
    CREATE INDEX alert_unread ON alert (id) WHERE acknowledged_at IS NULL;
    CREATE INDEX alert_undelivered ON alert (id) WHERE attempted_at IS NULL;
    ALTER TABLE request ADD COLUMN key TEXT;
    CREATE UNIQUE INDEX request_by_key ON request (key);
    """,
    # What the governor decided.
    """
    CREATE TABLE pace (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, since TEXT NOT NULL,
        action TEXT NOT NULL CHECK (action IN ('run', 'slow', 'pause', 'checkpoint-and-exit')),
        rest REAL NOT NULL, reason TEXT NOT NULL, readings TEXT NOT NULL
    );
    """,
    # Alerts that repeat are counted, and those over the hour's measure stay off the desktop.
    """
    ALTER TABLE alert ADD COLUMN about TEXT NOT NULL DEFAULT '';
    ALTER TABLE alert ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE alert ADD COLUMN last_at TEXT;
    ALTER TABLE alert ADD COLUMN withheld INTEGER NOT NULL DEFAULT 0;
    UPDATE alert SET last_at = at;
    DROP INDEX alert_undelivered;
    CREATE INDEX alert_undelivered ON alert (id) WHERE attempted_at IS NULL AND withheld = 0;
    """,
    # The newest receipt among a million steps.
    """
    CREATE INDEX event_receipt ON event (id) WHERE kind = 'confinement';
    """,
)
