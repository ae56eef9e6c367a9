-- What earns and loses automation: outcomes, a second person's word, accounts to prove who somebody is.

-- One row a proposal whose outcome is known. `seq` is the order in which outcomes became known; the sequential
-- test reads them in the order of their decisions.
CREATE TABLE outcomes (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE REFERENCES recommendations (id),
    tenant TEXT NOT NULL,
    ticket TEXT NOT NULL REFERENCES tickets (id),
    runbook TEXT NOT NULL,
    runbook_digest BLOB NOT NULL,
    would_act INTEGER NOT NULL,
    automatic INTEGER NOT NULL,
    wrong INTEGER NOT NULL,
    decided_at INTEGER NOT NULL,
    known_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX outcomes_of_version ON outcomes (tenant, runbook, runbook_digest, wrong, ticket) WHERE would_act = 1;
CREATE INDEX outcomes_of_auto ON outcomes (tenant, runbook, runbook_digest, decided_at, id, wrong) WHERE automatic = 1;
CREATE INDEX outcomes_of_tenant ON outcomes (tenant, id);

ALTER TABLE recommendations ADD COLUMN would_act INTEGER NOT NULL DEFAULT 0;
CREATE INDEX recommendations_that_would_act ON recommendations (tenant, id, runbook, runbook_digest) WHERE would_act = 1;
DROP INDEX recommendations_rejected;

-- For the rate of one requester's tickets.
ALTER TABLE tickets ADD COLUMN requester BLOB;
CREATE INDEX tickets_by_requester ON tickets (tenant, requester, received_at) WHERE requester IS NOT NULL;

-- Revoked or voided: nothing puts it in force again.
ALTER TABLE pre_approvals ADD COLUMN stands INTEGER NOT NULL DEFAULT 1;
UPDATE pre_approvals SET stands = 0 WHERE json_extract(doc, '$.revoked') IS NOT NULL;

CREATE TABLE dual_authorizations (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    revision INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX dual_authorizations_of_tenant ON dual_authorizations (tenant, id);

-- The password's hash stands beside the document, never in it.
CREATE TABLE accounts (
    tenant TEXT NOT NULL,
    person TEXT NOT NULL,
    password TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (tenant, person)
) STRICT;

-- A message may be about no ticket. SQLite cannot loosen a column, so the table is made anew.
CREATE TABLE messages_anew (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    ticket TEXT REFERENCES tickets (id),
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
INSERT INTO messages_anew (seq, id, tenant, ticket, destination, state, attempts, next_attempt_at, doc)
    SELECT seq, id, tenant, ticket, destination, state, attempts, next_attempt_at, doc FROM messages;
DROP TABLE messages;
ALTER TABLE messages_anew RENAME TO messages;
CREATE INDEX messages_of_ticket ON messages (ticket);
CREATE INDEX messages_of_tenant ON messages (tenant, id);
CREATE INDEX messages_by_state ON messages (tenant, state, id);
CREATE INDEX messages_due ON messages (next_attempt_at) WHERE state = 'waiting';
CREATE INDEX messages_in_order ON messages (ticket, destination) WHERE state = 'waiting';
