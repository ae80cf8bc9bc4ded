"""The tables of the live journal."""

VERSION = 3

COLUMNS = (
    "decision_id, user_id, decided_at, policy, features, state_seq, candidates, width, context,"
    " pmf, action, reward_window_s"
)
"""The columns of a decision that its record and digest are made of."""

SINCE_2 = """
CREATE TABLE IF NOT EXISTS voided (
    decision_id TEXT PRIMARY KEY REFERENCES decisions (decision_id),
    user_id TEXT NOT NULL,
    voided_by TEXT NOT NULL REFERENCES decisions (decision_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS voided_of_user ON voided (user_id);
CREATE TABLE IF NOT EXISTS checkpoints (
    user_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    open_from INTEGER NOT NULL,
    digest BLOB NOT NULL
) WITHOUT ROWID;
"""
"""`voided`: own decisions that were never shown, because a caller decided by itself.
`checkpoints`: SHA-256 of the state file that holds a user's first `seq` feedbacks, and the
first decision row that was still open then: what stands before it needs no reading."""

SINCE_3 = """
CREATE TABLE IF NOT EXISTS assignments (
    decision_id TEXT PRIMARY KEY REFERENCES decisions (decision_id),
    experiment TEXT NOT NULL,
    variant TEXT NOT NULL,
    probability REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tasks (
    decision_id TEXT PRIMARY KEY REFERENCES decisions (decision_id),
    inputs TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shadows (
    decision_id TEXT NOT NULL REFERENCES decisions (decision_id),
    policy TEXT NOT NULL,
    pmf BLOB,
    failure TEXT
);
CREATE TABLE IF NOT EXISTS exports (
    n INTEGER PRIMARY KEY,
    exported_at INTEGER NOT NULL,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    decisions INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    open BLOB NOT NULL,
    increment INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS bases (
    user_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    n INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    state TEXT NOT NULL,
    chain BLOB NOT NULL,
    digest BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pruned (
    decision_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    feedback TEXT,
    reward REAL,
    feedback_at INTEGER,
    seq INTEGER,
    request_id TEXT,
    body BLOB,
    decided_at INTEGER,
    policy TEXT,
    features TEXT,
    state_seq INTEGER,
    pmf BLOB,
    action INTEGER,
    reward_window_s INTEGER,
    scores BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pruned_requests ON pruned (user_id, request_id);
"""
"""`assignments`: the user's variant of the experiment that a decision was served in.
`tasks`: what the encoder read of the raw tasks of a decision, and nothing else of them.
`shadows`: what challengers would have done at a served decision, or the class of what they
raised. As written, without an index: at a random key each row would dirty a page of its own.
`exports`: files that were written of the journal, up to decision row `upto`; `open` (zlib of
int64) are the rows up to there whose record was not final then. `bases`: a user's state after
the `seq` feedbacks that were pruned, with the last row and time of them (microseconds), SHA-256
of their digests as a chain, and SHA-256 of it all. `pruned`: what a retry must still be told; a
decision that had no request_id needs no more than its feedback (`seq` null: it was voided)."""

SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('schema', '{VERSION}');
CREATE TABLE decisions (
    n INTEGER PRIMARY KEY,
    decision_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    policy TEXT NOT NULL,
    features TEXT NOT NULL,
    state_seq INTEGER NOT NULL,
    candidates TEXT NOT NULL,
    width INTEGER NOT NULL,
    context BLOB NOT NULL,
    pmf BLOB NOT NULL,
    action INTEGER NOT NULL,
    reward_window_s INTEGER,
    request_id TEXT,
    body BLOB NOT NULL,
    scores BLOB NOT NULL,
    digest BLOB NOT NULL
);
CREATE INDEX decisions_of_user ON decisions (user_id, n);
CREATE UNIQUE INDEX requests ON decisions (user_id, request_id) WHERE request_id IS NOT NULL;
CREATE TABLE feedback (
    decision_id TEXT PRIMARY KEY REFERENCES decisions (decision_id),
    user_id TEXT NOT NULL,
    feedback TEXT,
    reward REAL NOT NULL,
    feedback_at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    answered_at INTEGER,
    digest BLOB NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX feedback_of_user ON feedback (user_id, seq);
CREATE TABLE late (
    decision_id TEXT NOT NULL,
    feedback TEXT,
    reward REAL NOT NULL,
    feedback_at INTEGER NOT NULL,
    answered_at INTEGER
);
{SINCE_2}
{SINCE_3}
"""
