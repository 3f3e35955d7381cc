ALTER TABLE {database}.events_raw
    ADD COLUMN IF NOT EXISTS activity       LowCardinality(String) COMMENT 'What the source tells of where that is no MCP message: authentication, session_start and so on' AFTER size,
    ADD COLUMN IF NOT EXISTS outcome        LowCardinality(String) COMMENT 'How it ended, as the source says: success, failure, denied, error, unknown or nothing' AFTER activity,
    ADD COLUMN IF NOT EXISTS outcome_reason String                 COMMENT 'Why, in the source''s words' AFTER outcome;

CREATE OR REPLACE VIEW {database}.events AS
SELECT * EXCEPT (precedence) FROM {database}.events_raw FINAL
COMMENT 'Each MCP message once, and what sources tell of beside the messages';
