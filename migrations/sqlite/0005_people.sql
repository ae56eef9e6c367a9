-- Who is signed in, and the links by which people get their accounts.

-- The cookie's digest stands beside the document, never in it. `seen_at` and `ended_at` change without the document.
CREATE TABLE sessions (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    person TEXT NOT NULL,
    secret BLOB NOT NULL UNIQUE,
    seen_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    ended_at INTEGER,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_of_person ON sessions (tenant, person) WHERE ended_at IS NULL;

-- The link's digest stands beside the document, never in it.
CREATE TABLE invitations (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    secret BLOB NOT NULL UNIQUE,
    open INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX invitations_open ON invitations (tenant) WHERE open = 1;
