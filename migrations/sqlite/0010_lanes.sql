-- The queue in the order of time left without reading all that waits, its words beside it, and what its rows say besides.

-- The words that a search finds the ticket by. The program fills them in the transaction of this migration.
ALTER TABLE tickets ADD COLUMN words TEXT NOT NULL DEFAULT '';
-- Of the category that triage named first, calibrated.
ALTER TABLE tickets ADD COLUMN probability REAL;
ALTER TABLE tickets ADD COLUMN approvals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tickets ADD COLUMN approvals_needed INTEGER NOT NULL DEFAULT 0;
UPDATE tickets SET (probability, approvals, approvals_needed) =
    (SELECT json_extract(r.doc, '$.classification.category.ranked[0][1]'), json_array_length(r.doc, '$.approvals'),
        json_extract(r.doc, '$.verdict.approvals_needed')
     FROM recommendations r WHERE r.ticket = tickets.id ORDER BY r.seq DESC LIMIT 1)
    WHERE EXISTS (SELECT 1 FROM recommendations r WHERE r.ticket = tickets.id);

-- By what a waiting ticket falls due: the end of a hold, the end of its proposal, or the response target of its priority,
-- which counts from its receipt. Within a lane `falls` is the order of time left, whatever the targets are.
ALTER TABLE tickets ADD COLUMN lane TEXT GENERATED ALWAYS AS (CASE
    WHEN hold_until IS NOT NULL THEN 'hold'
    WHEN state = 'awaiting_approval' AND deadline IS NOT NULL THEN 'approval'
    WHEN state IN ('awaiting_approval', 'recommended', 'no_runbook', 'failed', 'in_doubt', 'expired') THEN 'P' || coalesce(priority, 4)
    END) VIRTUAL;
ALTER TABLE tickets ADD COLUMN falls INTEGER GENERATED ALWAYS AS (CASE
    WHEN hold_until IS NOT NULL THEN hold_until
    WHEN state = 'awaiting_approval' AND deadline IS NOT NULL THEN deadline
    ELSE received_at
    END) VIRTUAL;

DROP INDEX tickets_worklist;
CREATE INDEX tickets_lanes ON tickets
    (tenant, lane, falls, id, state, source, category, priority, runbook, assignee, snoozed_until, hold_until, deadline, received_at, words)
    WHERE lane IS NOT NULL;
-- Those that somebody took or put off.
CREATE INDEX tickets_handled ON tickets (tenant, state, assignee, snoozed_until, hold_until, deadline)
    WHERE lane IS NOT NULL AND (assignee IS NOT NULL OR snoozed_until IS NOT NULL);
