-- What lists show of tickets that were there before lists had columns, and a search that splits words as its reader does.

UPDATE tickets SET
    triaged_at = (SELECT min(CAST(round(unixepoch(json_extract(r.doc, '$.created_at'), 'subsec') * 1000) AS INTEGER))
        FROM recommendations r WHERE r.ticket = tickets.id)
    WHERE triaged_at IS NULL;
UPDATE tickets SET resolved_at = CAST(round(unixepoch(json_extract(doc, '$.updated_at'), 'subsec') * 1000) AS INTEGER)
    WHERE state = 'resolved' AND resolved_at IS NULL;
UPDATE tickets SET
    hold_until = (SELECT e.not_before FROM executions e WHERE e.ticket = tickets.id AND e.state = 'pending' AND e.not_before > e.created_at
        AND json_extract(e.doc, '$.cancel') IS NULL ORDER BY e.seq DESC LIMIT 1)
    WHERE state = 'executing' AND hold_until IS NULL;
-- A run that takes another back is no run of its runbook, and what was taken back helped nobody.
ALTER TABLE executions ADD COLUMN undo INTEGER NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN undone INTEGER NOT NULL DEFAULT 0;
UPDATE executions SET undo = json_extract(doc, '$.undoes') IS NOT NULL, undone = json_extract(doc, '$.undone_by') IS NOT NULL;

UPDATE tickets SET automatic = EXISTS (SELECT 1 FROM executions e WHERE e.ticket = tickets.id AND e.automatic = 1
    AND e.state = 'succeeded' AND e.undo = 0 AND e.undone = 0);

-- The program cuts and masks the words; the tokenizer separates at ASCII signs only, of which its words have none. The rows
-- follow in the transaction of this migration.
DROP TABLE ticket_words;
CREATE VIRTUAL TABLE ticket_words USING fts5 (words, content = '', contentless_delete = 1, tokenize = 'ascii', detail = none);
