//! Schema: the tables. Times are integer milliseconds, text compares by its bytes.
//!
//! The partition leads every key. It is the highest bits of what an engine's key counts, so that an index over `root` or
//! `key` alone is ordered by it and half as costly; where a key does not begin with one, `part` is its first column.

/// The format of the tables that this build writes.
pub(super) const FORMAT: i64 = 1;

/// Everything of format 1.
pub(super) const TABLES: &str = "
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE partition (
    part INTEGER NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, keys_used INTEGER NOT NULL,
    clock INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Truth. A journal row's place is the number of its batch; rows lie in the order in which they were written.
CREATE TABLE journal (
    part INTEGER NOT NULL, root INTEGER NOT NULL, segment INTEGER NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (root, segment, seq)
) STRICT;
CREATE TABLE checkpoint (
    part INTEGER NOT NULL, root INTEGER NOT NULL, segment INTEGER NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (root, segment)
) STRICT;

-- Working rows.
CREATE TABLE instance (
    key INTEGER NOT NULL PRIMARY KEY, part INTEGER NOT NULL, definition INTEGER NOT NULL, state INTEGER NOT NULL,
    started_at INTEGER NOT NULL, ended_at INTEGER, business_id TEXT, tags TEXT, incidents INTEGER NOT NULL,
    stop_reason TEXT
) STRICT;
CREATE INDEX instance_definition ON instance (definition);
CREATE INDEX instance_ended ON instance (part, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX instance_business ON instance (business_id) WHERE business_id IS NOT NULL;
CREATE INDEX instance_incidents ON instance (incidents) WHERE incidents > 0;
CREATE TABLE job (
    key INTEGER NOT NULL PRIMARY KEY, part INTEGER NOT NULL, root INTEGER NOT NULL, segment INTEGER NOT NULL, token INTEGER NOT NULL,
    definition INTEGER NOT NULL, node INTEGER NOT NULL, job_type TEXT NOT NULL, retries INTEGER NOT NULL, retry_at INTEGER,
    state INTEGER NOT NULL, created_at INTEGER NOT NULL, fence INTEGER NOT NULL, leg INTEGER, leg_name TEXT, holder TEXT,
    attempt BLOB, lease_until INTEGER
) STRICT;
CREATE INDEX job_open ON job (part, job_type) WHERE leg IS NULL AND state = 0;
CREATE TABLE timer (
    key INTEGER NOT NULL PRIMARY KEY, part INTEGER NOT NULL, root INTEGER NOT NULL, segment INTEGER NOT NULL, token INTEGER NOT NULL,
    definition INTEGER NOT NULL, node INTEGER NOT NULL, due INTEGER NOT NULL
) STRICT;
CREATE INDEX timer_due ON timer (part, due);
CREATE TABLE subscription (
    key INTEGER NOT NULL PRIMARY KEY, part INTEGER NOT NULL, root INTEGER NOT NULL, segment INTEGER NOT NULL, token INTEGER NOT NULL,
    definition INTEGER NOT NULL, node INTEGER NOT NULL, name TEXT NOT NULL, correlation_key TEXT NOT NULL,
    once INTEGER NOT NULL, created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX subscription_name ON subscription (part, name, correlation_key);
CREATE TABLE incident (
    key INTEGER NOT NULL PRIMARY KEY, part INTEGER NOT NULL, root INTEGER NOT NULL, segment INTEGER NOT NULL, token INTEGER NOT NULL,
    definition INTEGER NOT NULL, node INTEGER NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL, job INTEGER,
    raised_at INTEGER NOT NULL, state INTEGER NOT NULL, resolved_at INTEGER
) STRICT;
CREATE INDEX incident_root ON incident (root);
CREATE INDEX incident_open ON incident (state) WHERE state = 0;
CREATE TABLE user_task (
    key INTEGER NOT NULL PRIMARY KEY, part INTEGER NOT NULL, root INTEGER NOT NULL, segment INTEGER NOT NULL, token INTEGER NOT NULL,
    definition INTEGER NOT NULL, node INTEGER NOT NULL, state INTEGER NOT NULL, assignee TEXT,
    candidate_groups TEXT, candidate_users TEXT, due_date TEXT, follow_up_date TEXT, form TEXT, priority INTEGER NOT NULL,
    created_at INTEGER NOT NULL, ended_at INTEGER
) STRICT;
CREATE INDEX user_task_root ON user_task (root);
CREATE INDEX user_task_open ON user_task (assignee) WHERE state = 0;
CREATE TABLE continuation (
    part INTEGER NOT NULL, root INTEGER NOT NULL, PRIMARY KEY (part, root)
) STRICT, WITHOUT ROWID;

-- History rows.
CREATE TABLE element (
    key INTEGER NOT NULL PRIMARY KEY, part INTEGER NOT NULL, root INTEGER NOT NULL, segment INTEGER NOT NULL, scope INTEGER NOT NULL,
    definition INTEGER NOT NULL, node INTEGER NOT NULL, entered_at INTEGER NOT NULL, left_at INTEGER,
    state INTEGER NOT NULL, incident INTEGER, job INTEGER
) STRICT;
CREATE INDEX element_root ON element (root);
CREATE TABLE variable (
    part INTEGER NOT NULL, root INTEGER NOT NULL, scope INTEGER NOT NULL, name TEXT NOT NULL, value TEXT, digest BLOB,
    size INTEGER NOT NULL,
    PRIMARY KEY (root, scope, name)
) STRICT;
CREATE TABLE blob (
    part INTEGER NOT NULL, root INTEGER NOT NULL, digest BLOB NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (root, digest)
) STRICT;
CREATE TABLE counter (
    part INTEGER NOT NULL, definition INTEGER NOT NULL, node INTEGER NOT NULL, entered INTEGER NOT NULL,
    completed INTEGER NOT NULL, terminated INTEGER NOT NULL, incidents INTEGER NOT NULL,
    PRIMARY KEY (part, definition, node)
) STRICT, WITHOUT ROWID;

-- What the runtime writes itself.
CREATE TABLE definition (
    part INTEGER NOT NULL, key INTEGER NOT NULL, process_id TEXT NOT NULL, version INTEGER NOT NULL, version_tag TEXT,
    name TEXT, resource_name TEXT NOT NULL, digest BLOB NOT NULL, xml BLOB NOT NULL, symbols BLOB NOT NULL,
    deployed_at INTEGER NOT NULL,
    PRIMARY KEY (part, key)
) STRICT;
CREATE UNIQUE INDEX definition_version ON definition (part, process_id, version);
CREATE TABLE symbol (
    part INTEGER NOT NULL, definition INTEGER NOT NULL, node INTEGER NOT NULL, id TEXT NOT NULL, role INTEGER NOT NULL,
    PRIMARY KEY (part, definition, node)
) STRICT, WITHOUT ROWID;
CREATE TABLE message (
    part INTEGER NOT NULL, key INTEGER NOT NULL, name TEXT NOT NULL, correlation_key TEXT NOT NULL, message_id TEXT,
    expires_at INTEGER NOT NULL, variables TEXT NOT NULL,
    PRIMARY KEY (part, key)
) STRICT;
CREATE INDEX message_name ON message (part, name, correlation_key, key);
CREATE INDEX message_expires ON message (part, expires_at, key);
CREATE TABLE message_correlated (
    part INTEGER NOT NULL, message INTEGER NOT NULL, process_id TEXT NOT NULL, PRIMARY KEY (part, message, process_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE deduplication (
    part INTEGER NOT NULL, id BLOB NOT NULL, reply BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (part, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX deduplication_at ON deduplication (part, at);
CREATE TABLE attempt (
    part INTEGER NOT NULL, id BLOB NOT NULL, job INTEGER NOT NULL, root INTEGER NOT NULL, job_type TEXT NOT NULL,
    fence INTEGER NOT NULL, leg INTEGER NOT NULL, leg_name TEXT NOT NULL, holder TEXT NOT NULL, state INTEGER NOT NULL,
    offered_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, outcome INTEGER, message TEXT, warnings TEXT, details TEXT NOT NULL,
    happened INTEGER,
    PRIMARY KEY (part, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_job ON attempt (part, job, fence);
CREATE INDEX attempt_root ON attempt (part, root);
CREATE TABLE evidence (
    part INTEGER NOT NULL, attempt BLOB NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    digest BLOB NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (part, attempt, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_digest ON evidence (part, digest);
CREATE TABLE route (
    part INTEGER NOT NULL, job_type TEXT NOT NULL, version INTEGER NOT NULL, json TEXT, at INTEGER NOT NULL, by TEXT NOT NULL,
    PRIMARY KEY (part, job_type, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE agent (
    part INTEGER NOT NULL, id TEXT NOT NULL, serial TEXT NOT NULL, fingerprint BLOB NOT NULL, labels TEXT NOT NULL,
    enrolled_at INTEGER NOT NULL, revoked_at INTEGER, capabilities TEXT, seen_at INTEGER,
    PRIMARY KEY (part, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE enrolment_token (
    part INTEGER NOT NULL, digest BLOB NOT NULL, expires_at INTEGER NOT NULL, uses_left INTEGER NOT NULL, scope TEXT NOT NULL,
    PRIMARY KEY (part, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE package (
    part INTEGER NOT NULL, digest BLOB NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, bytes BLOB NOT NULL,
    pushed_at INTEGER NOT NULL,
    PRIMARY KEY (part, digest)
) STRICT;
CREATE TABLE audit (
    part INTEGER NOT NULL, key INTEGER NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
    subject TEXT NOT NULL, details TEXT,
    PRIMARY KEY (part, key)
) STRICT, WITHOUT ROWID;
";
