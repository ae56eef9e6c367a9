-- Vectors of resolved tickets, for "tickets like this one and how they were resolved"; and clusters of near-duplicates.

-- 1 once the ticket's vector stands in `ticket_vectors`.
ALTER TABLE tickets ADD COLUMN vectored INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tickets_to_vector ON tickets (seq) WHERE state = 'resolved' AND vectored = 0;

-- `place` grows with every vector: what a reader has not seen comes after what it has. `code` is the signs of the vector,
-- a bit each; `vector` is a byte for each dimension.
CREATE TABLE ticket_vectors (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    ticket TEXT NOT NULL UNIQUE REFERENCES tickets (id),
    code BLOB NOT NULL,
    vector BLOB NOT NULL
) STRICT;
-- So that all codes are read without the vectors beside them.
CREATE INDEX ticket_vectors_codes ON ticket_vectors (place, tenant, code);

-- One row: the embedding that the vectors are of.
CREATE TABLE vector_space (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    embedding BLOB NOT NULL
) STRICT;

-- Clusters of near-duplicates that grew past the limit, each raised once.
CREATE TABLE storms (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    first_ticket TEXT NOT NULL REFERENCES tickets (id),
    doc TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX storms_by_first ON storms (first_ticket);
CREATE INDEX storms_of_tenant ON storms (tenant, id);
