-- How webhook endpoints do, and which messages wait for one that is disabled.

-- One row an endpoint that ever failed. `since` is when its failures began, `at` when it was disabled.
CREATE TABLE endpoints (
    tenant TEXT NOT NULL,
    destination TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('working', 'failing', 'disabled')),
    since INTEGER,
    at INTEGER,
    why TEXT,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant, destination)
) STRICT, WITHOUT ROWID;

-- 1 while its endpoint is disabled. Kept on the message, so that a claim never reads past what it may not give out.
ALTER TABLE messages ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;

-- By destination, so that a claim takes a few of each and a slow receiver's many do not hide the others' few.
DROP INDEX messages_due;
CREATE INDEX messages_due ON messages (tenant, destination, next_attempt_at) WHERE state = 'waiting' AND blocked = 0;
CREATE INDEX messages_blocked ON messages (tenant, destination) WHERE state = 'waiting' AND blocked = 1;
