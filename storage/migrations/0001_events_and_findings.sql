CREATE TABLE IF NOT EXISTS {database}.events_raw
(
    event_id            String                      COMMENT 'Names the event for ever. A message seen twice has the same id',
    parent_id           String                      COMMENT 'The event that this one was lifted from: a batch, or a result with inputRequests',
    tenant              LowCardinality(String)      COMMENT 'From the shipper''s credential',
    time                DateTime64(6, 'UTC')        COMMENT 'The source''s clock, bounded by the collector''s',
    received            DateTime64(6, 'UTC')        COMMENT 'The collector''s clock. Rows expire by it',
    claimed_time        DateTime64(6, 'UTC')        COMMENT 'The source''s own time as it was shipped, 1970 where it gave none. Part of the row''s identity',
    actor               String                      COMMENT 'Who acts: principal, else agent, else host and user, else address',
    agent_id            LowCardinality(String)      COMMENT 'The agent, as the source configured it',
    agent_name          LowCardinality(String)      COMMENT 'The agent''s name, as it claims',
    agent_version       LowCardinality(String)      COMMENT 'The agent''s version, as it claims',
    agent_host          LowCardinality(String)      COMMENT 'The host that the agent runs on',
    agent_user          LowCardinality(String)      COMMENT 'The user that the agent runs as',
    server_id           LowCardinality(String)      COMMENT 'The MCP server, as the source configured it',
    server_name         LowCardinality(String)      COMMENT 'The server''s name, as it claims',
    server_version      LowCardinality(String)      COMMENT 'The server''s version, as it claims',
    server_url          LowCardinality(String)      COMMENT 'The server''s address',
    server_command      LowCardinality(String)      COMMENT 'The command line that starts the server',
    principal_subject   String                      COMMENT 'Whom the source authenticated',
    principal_issuer    LowCardinality(String)      COMMENT 'Who issued the token',
    principal_client_id LowCardinality(String)      COMMENT 'The OAuth client',
    principal_audience  LowCardinality(String)      COMMENT 'The token''s audience',
    principal_scopes    Array(LowCardinality(String)) COMMENT 'The token''s scopes',
    principal_token     String                      COMMENT 'A digest of the token, never the token',
    session             String                      COMMENT 'The session or connection',
    trace               String                      COMMENT 'The trace id',
    transport           LowCardinality(String)      COMMENT 'stdio, http or sse',
    direction           LowCardinality(String)      COMMENT 'to_server or to_client',
    kind                LowCardinality(String)      COMMENT 'request, notification, response, error, batch or unknown',
    method              LowCardinality(String)      COMMENT 'The JSON-RPC method; of an answer, that of its request where they were paired',
    rpc_id              String                      COMMENT 'The JSON-RPC id as JSON: 3 and "3" are two ids',
    tool                LowCardinality(String)      COMMENT 'The tool called; on the answer too',
    prompt              LowCardinality(String)      COMMENT 'The prompt asked for; on the answer too',
    resource            String                      COMMENT 'The URI of the resource; on the answer too',
    request_event       String                      COMMENT 'The event of the request that this one answers',
    error_code          Int64                       COMMENT 'The JSON-RPC error code, 0 where there is none',
    is_error            Bool                        COMMENT 'A JSON-RPC error, or a tool result that reports its own failure',
    size                UInt32                      COMMENT 'Bytes of the message',
    marks               Array(LowCardinality(String)) COMMENT 'What was done to the event or found wrong with it on the way',
    http_status         UInt16                      COMMENT 'The HTTP status, 0 where there is none',
    http_method         LowCardinality(String)      COMMENT 'The HTTP method',
    client_ip           String                      COMMENT 'The client''s address, as the source saw it',
    http_headers        Map(LowCardinality(String), String) COMMENT 'HTTP headers, names in lower case',
    source_format       LowCardinality(String)      COMMENT 'The tap or reader that made the event',
    source_name         LowCardinality(String)      COMMENT 'The shipper, from its credential',
    collector           LowCardinality(String)      COMMENT 'The collector that took the event in',
    tap_instance        String                      COMMENT 'One run of a tap: one connection to one server',
    tap_sequence        UInt64                      COMMENT 'Numbers the events of a tap instance from 1 without holes',
    completeness        Array(LowCardinality(String)) COMMENT 'What the source can carry at all',
    message             String                      COMMENT 'The JSON-RPC message as it was on the wire' CODEC(ZSTD(3)),
    raw                 String                      COMMENT 'What was sent in place of JSON' CODEC(ZSTD(3)),
    request             String                      COMMENT 'The request that this message answers, as JSON, where they were paired' CODEC(ZSTD(3)),
    extra               String                      COMMENT 'Fields that this version does not know, as JSON' CODEC(ZSTD(3)),
    kafka_partition     UInt32                      COMMENT 'Where the event lies in mcp.events',
    kafka_offset        UInt64                      COMMENT 'Where the event lies in mcp.events',
    precedence          UInt64                      COMMENT 'Of rows with one identity the highest stays: the first received, as the detector restated it',

    INDEX time_range time TYPE minmax GRANULARITY 1,
    INDEX event_ids event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX sessions session TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX traces trace TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX words message TYPE text(tokenizer = splitByNonAlpha)
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toDate(received)
PRIMARY KEY (tenant, toStartOfHour(claimed_time), actor, claimed_time)
ORDER BY (tenant, toStartOfHour(claimed_time), actor, claimed_time, source_name, event_id)
TTL toDateTime(received) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1
COMMENT 'One row for each time that an event was written. Read the view events';

CREATE VIEW IF NOT EXISTS {database}.events AS
SELECT * EXCEPT (precedence) FROM {database}.events_raw FINAL
COMMENT 'Each MCP message once';

CREATE TABLE IF NOT EXISTS {database}.findings_raw
(
    finding_id      String                          COMMENT 'Derived from rule, version, tenant, key and events: the same finding always has the same id',
    time            DateTime64(6, 'UTC')            COMMENT 'When the newest of its events happened',
    received        DateTime64(6, 'UTC')            COMMENT 'When the collector took that event in. Rows expire by it',
    tenant          LowCardinality(String)          COMMENT 'The tenant',
    rule            LowCardinality(String)          COMMENT 'The rule''s id',
    rule_version    LowCardinality(String)          COMMENT 'Changes with everything that decides the rule''s findings',
    control         LowCardinality(String)          COMMENT 'Hash of the rules and lists in force',
    title           LowCardinality(String)          COMMENT 'What was found',
    severity        Enum8('info' = 1, 'low' = 2, 'medium' = 3, 'high' = 4, 'critical' = 5) COMMENT 'How bad it is',
    mode            LowCardinality(String)          COMMENT 'alert, or shadow: recorded, never alerted',
    risk            UInt8                           COMMENT '0 to 100',
    tags            Array(LowCardinality(String))   COMMENT 'FRAMEWORK.ID of the techniques',
    playbook        LowCardinality(String)          COMMENT 'What to do',
    actor           String                          COMMENT 'Who acted',
    agent_id        LowCardinality(String)          COMMENT 'The agent',
    agent_name      LowCardinality(String)          COMMENT 'The agent''s name, as it claims',
    agent_host      LowCardinality(String)          COMMENT 'The host that the agent runs on',
    agent_user      LowCardinality(String)          COMMENT 'The user that the agent runs as',
    server_id       LowCardinality(String)          COMMENT 'The MCP server',
    server_name     LowCardinality(String)          COMMENT 'The server''s name, as it claims',
    session         String                          COMMENT 'The session or connection',
    trace           String                          COMMENT 'The trace id',
    method          LowCardinality(String)          COMMENT 'The JSON-RPC method',
    name            String                          COMMENT 'The tool, prompt, resource or definition',
    key             Array(String)                   COMMENT 'What the rule groups by',
    events          Array(String)                   COMMENT 'The ids of the events that made it, oldest first',
    body            String                          COMMENT 'The finding as JSON' CODEC(ZSTD(3)),
    kafka_partition UInt32                          COMMENT 'Where the finding lies in mcp.findings',
    kafka_offset    UInt64                          COMMENT 'Where the finding lies in mcp.findings',
    precedence      UInt64                          COMMENT 'Of rows with one id the highest stays: the first received',

    INDEX time_range time TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(received)
ORDER BY (tenant, finding_id)
TTL toDateTime(received) + INTERVAL 400 DAY
COMMENT 'One row for each time that a finding was written. Read the view findings';

CREATE VIEW IF NOT EXISTS {database}.findings AS
SELECT * EXCEPT (precedence) FROM {database}.findings_raw FINAL
COMMENT 'Each finding once';
