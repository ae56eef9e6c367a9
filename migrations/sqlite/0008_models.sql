-- Which model decides, what a shadow said beside it, and what people corrected.

-- One row: all tenants' tickets are read by the same model.
CREATE TABLE models (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;

-- What model and shadow said of one version of one ticket; NULL is "not sure".
CREATE TABLE shadow_answers (
    shadow BLOB NOT NULL,
    tenant TEXT NOT NULL,
    ticket TEXT NOT NULL REFERENCES tickets (id),
    version INTEGER NOT NULL,
    said TEXT,
    shadow_said TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (shadow, tenant, ticket, version)
) STRICT, WITHOUT ROWID;

-- A person's correction of one label of one ticket. `ruled` is 1 once another person kept or discarded it.
CREATE TABLE feedback (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    ticket TEXT NOT NULL REFERENCES tickets (id),
    ruled INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX feedback_of_tenant ON feedback (tenant, id);
CREATE INDEX feedback_of_ticket ON feedback (ticket);
