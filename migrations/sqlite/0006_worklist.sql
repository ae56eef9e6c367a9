-- What lists of tickets show and sort by, beside the documents that it comes from.

ALTER TABLE tickets ADD COLUMN priority INTEGER;
ALTER TABLE tickets ADD COLUMN risk TEXT;
ALTER TABLE tickets ADD COLUMN category TEXT;
ALTER TABLE tickets ADD COLUMN runbook TEXT;
ALTER TABLE tickets ADD COLUMN decision TEXT;
-- When the open proposal expires.
ALTER TABLE tickets ADD COLUMN deadline INTEGER;
-- When the automatic run in its hold begins.
ALTER TABLE tickets ADD COLUMN hold_until INTEGER;
ALTER TABLE tickets ADD COLUMN triaged_at INTEGER;
ALTER TABLE tickets ADD COLUMN resolved_at INTEGER;
-- 1 once a run that no person allowed succeeded.
ALTER TABLE tickets ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0;
-- How people handle it; no other statement touches these three.
ALTER TABLE tickets ADD COLUMN assignee TEXT;
ALTER TABLE tickets ADD COLUMN snoozed_until INTEGER;
ALTER TABLE tickets ADD COLUMN handling INTEGER NOT NULL DEFAULT 0;

UPDATE tickets SET
    priority = (SELECT CAST(substr(json_extract(r.doc, '$.classification.priority'), 2) AS INTEGER) FROM recommendations r WHERE r.ticket = tickets.id ORDER BY r.seq DESC LIMIT 1),
    risk = (SELECT json_extract(r.doc, '$.classification.risk') FROM recommendations r WHERE r.ticket = tickets.id ORDER BY r.seq DESC LIMIT 1),
    category = (SELECT json_extract(r.doc, '$.classification.category.label') FROM recommendations r WHERE r.ticket = tickets.id ORDER BY r.seq DESC LIMIT 1),
    runbook = (SELECT r.runbook FROM recommendations r WHERE r.ticket = tickets.id ORDER BY r.seq DESC LIMIT 1),
    decision = (SELECT json_extract(r.doc, '$.verdict.decision') FROM recommendations r WHERE r.ticket = tickets.id ORDER BY r.seq DESC LIMIT 1),
    deadline = (SELECT r.expires_at FROM recommendations r WHERE r.ticket = tickets.id AND r.state = 'open' AND r.awaits_approval = 1 ORDER BY r.seq DESC LIMIT 1),
    automatic = EXISTS (SELECT 1 FROM executions e WHERE e.ticket = tickets.id AND e.automatic = 1 AND e.state = 'succeeded');

-- Everything the queue filters and sorts by, so that ten thousand waiting rows are one range of one index.
CREATE INDEX tickets_worklist ON tickets (tenant, state, deadline, hold_until, received_at, priority, category, runbook, source, assignee, snoozed_until, id);
CREATE INDEX tickets_by_category ON tickets (tenant, category);
CREATE INDEX tickets_held ON tickets (tenant, hold_until) WHERE hold_until IS NOT NULL;
CREATE INDEX tickets_by_day ON tickets (tenant, received_at, state, category, automatic, triaged_at, resolved_at);

-- Words of titles, masked as pages show them, and the keys people use. `rowid` is the ticket's `seq`.
CREATE VIRTUAL TABLE ticket_words USING fts5 (words, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2', detail = none);
INSERT INTO ticket_words (rowid, words)
    SELECT seq, external_id || ' ' || coalesce(json_extract(doc, '$.report.external_key'), '') FROM tickets;
