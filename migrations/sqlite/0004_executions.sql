-- Runs in pages: what waits, runs, or ended how.
CREATE INDEX executions_of_tenant ON executions (tenant, id);
CREATE INDEX executions_by_state ON executions (tenant, state, id);
