-- The first form of the embedded store.
-- Times are milliseconds since 1970, digests are 32 bytes, `doc` is canonical JSON with its own form number.
-- `seq` gives insertion order, which identifiers made in one millisecond do not.

CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    dedup_key TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    body_digest BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    UNIQUE (tenant, source, dedup_key)
) STRICT;

-- Every ticket a delivery ever brought or changed: a ticket itself names only the latest.
CREATE TABLE delivery_tickets (
    delivery TEXT NOT NULL,
    ticket TEXT NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (delivery, ticket)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    delivery TEXT NOT NULL REFERENCES deliveries (id),
    body_digest BLOB NOT NULL,
    reason TEXT NOT NULL,
    received_at INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_of_tenant ON dead_letters (tenant, id);

CREATE TABLE tickets (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    shape BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (tenant, source, external_id)
) STRICT;
CREATE INDEX tickets_waiting ON tickets (id) WHERE state = 'received';
CREATE INDEX tickets_by_state ON tickets (tenant, state, id);
CREATE INDEX tickets_of_tenant ON tickets (tenant, id);
CREATE INDEX tickets_by_shape ON tickets (tenant, shape, received_at);

CREATE TABLE recommendations (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    ticket TEXT NOT NULL REFERENCES tickets (id),
    runbook TEXT,
    runbook_digest BLOB,
    state TEXT NOT NULL,
    awaits_approval INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX recommendations_of_ticket ON recommendations (ticket);
CREATE INDEX recommendations_of_tenant ON recommendations (tenant, id);
CREATE INDEX recommendations_by_state ON recommendations (tenant, state, id);
CREATE INDEX recommendations_awaiting ON recommendations (expires_at) WHERE state = 'open' AND awaits_approval = 1;
CREATE INDEX recommendations_rejected ON recommendations (tenant, runbook, runbook_digest) WHERE state = 'rejected';

CREATE TABLE executions (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    ticket TEXT NOT NULL REFERENCES tickets (id),
    runbook TEXT NOT NULL,
    runbook_digest BLOB NOT NULL,
    target BLOB NOT NULL,
    requester BLOB,
    automatic INTEGER NOT NULL,
    state TEXT NOT NULL,
    final INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX executions_of_ticket ON executions (ticket);
CREATE INDEX executions_due ON executions (not_before) WHERE final = 0;
CREATE INDEX executions_running ON executions (tenant, runbook) WHERE final = 0;
CREATE INDEX executions_of_version ON executions (tenant, runbook, runbook_digest, state);
CREATE INDEX executions_by_runbook ON executions (tenant, runbook, created_at) WHERE automatic = 1;
CREATE INDEX executions_by_target ON executions (tenant, target, created_at) WHERE automatic = 1;
CREATE INDEX executions_by_requester ON executions (tenant, requester, created_at) WHERE automatic = 1 AND requester IS NOT NULL;

CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    ticket TEXT NOT NULL REFERENCES tickets (id),
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX messages_of_ticket ON messages (ticket);
CREATE INDEX messages_of_tenant ON messages (tenant, id);
CREATE INDEX messages_by_state ON messages (tenant, state, id);
CREATE INDEX messages_due ON messages (next_attempt_at) WHERE state = 'waiting';
CREATE INDEX messages_in_order ON messages (ticket, destination) WHERE state = 'waiting';

CREATE TABLE pre_approvals (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    runbook TEXT NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX pre_approvals_of_runbook ON pre_approvals (tenant, runbook);

CREATE TABLE modes (
    tenant TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;

-- The secret's digest stands beside the document, never in it: what lists tokens cannot leak it.
CREATE TABLE tokens (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    secret BLOB NOT NULL UNIQUE,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX tokens_of_tenant ON tokens (tenant);

CREATE TABLE idempotency_keys (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL,
    answer TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT;

-- The action log. `bytes` are what the leaf hash was taken over; the other columns are for queries only.
CREATE TABLE log_entries (
    idx INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL,
    ticket TEXT,
    runbook TEXT,
    bytes BLOB NOT NULL
) STRICT;
CREATE INDEX log_entries_of_tenant ON log_entries (tenant);
CREATE INDEX log_entries_by_event ON log_entries (tenant, event);
CREATE INDEX log_entries_by_actor ON log_entries (tenant, actor);
CREATE INDEX log_entries_of_ticket ON log_entries (ticket) WHERE ticket IS NOT NULL;
CREATE INDEX log_entries_of_runbook ON log_entries (runbook) WHERE runbook IS NOT NULL;

CREATE TRIGGER log_entries_never_change BEFORE UPDATE ON log_entries
BEGIN SELECT RAISE(ABORT, 'entries of the action log never change'); END;
CREATE TRIGGER log_entries_never_go BEFORE DELETE ON log_entries
BEGIN SELECT RAISE(ABORT, 'entries of the action log are never removed'); END;

CREATE TABLE log_tiles (
    level INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, idx)
) STRICT;

-- One row: what the entries and tiles must agree with when the store is opened.
CREATE TABLE log_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL,
    root BLOB NOT NULL
) STRICT;

-- One row that the readiness check writes, so that it proves what it says.
CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    beats INTEGER NOT NULL
) STRICT;
INSERT INTO heartbeat (id, beats) VALUES (1, 0);
