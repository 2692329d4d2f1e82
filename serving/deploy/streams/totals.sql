-- Chain-wide totals and suspicious accounts, in Apache Flink over the log of entries: takings of each shop by the minute in which
-- visits left, and accounts by hour of which much was given back. Late corrections count where their visit left: an upsert tells
-- the new total of a minute however old it is, so what stands in the topics is what a recomputation over all entries gives. That holds
-- while the topic of entries keeps all of them and no state is forgotten: a few hundred bytes for each shop and minute with a visit, and
-- for each account and hour. With a state_ttl a correction that comes later than that tells its own cents as the minute's total.
-- ${...} is put in by whoever submits it: storeloop shop flink-job.

SET 'pipeline.name' = 'storeloop-totals';
SET 'parallelism.default' = '1';
SET 'table.exec.state.ttl' = '${state_ttl}';
SET 'execution.checkpointing.interval' = '${checkpoint_interval}';
SET 'execution.checkpointing.mode' = 'EXACTLY_ONCE';
SET 'execution.checkpointing.externalized-checkpoint-retention' = 'RETAIN_ON_CANCELLATION';
SET 'execution.checkpointing.dir' = '${checkpoints}';

CREATE TABLE entries (
  entry ROW<
    id STRING,
    kind STRING,
    body ROW<shop STRING, visit STRING, account STRING, `left` STRING, due_cents BIGINT, asked ARRAY<STRING>>
  >
) WITH (
  'connector' = 'kafka',
  'topic' = '${topics}-entries',
  'properties.bootstrap.servers' = '${servers}',
  'properties.group.id' = '${topics}-totals',
  'properties.isolation.level' = 'read_committed',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.fail-on-missing-field' = 'false'
);

CREATE TEMPORARY VIEW settled AS
SELECT
  entry.kind AS kind,
  entry.body.shop AS shop,
  COALESCE(entry.body.account, '') AS account,
  -- An ISO 8601 time in UTC: 2026-11-30T12:01:00+00:00.
  SUBSTRING(entry.body.`left` FROM 1 FOR 16) AS left_minute,
  SUBSTRING(entry.body.`left` FROM 1 FOR 13) AS left_hour,
  entry.body.due_cents AS due_cents,
  COALESCE(CARDINALITY(entry.body.asked), 0) AS asked
FROM entries;

CREATE TABLE totals (
  shop STRING,
  left_minute STRING,
  visits BIGINT,
  corrections BIGINT,
  takings_cents BIGINT,
  PRIMARY KEY (shop, left_minute) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '${topics}-totals',
  'properties.bootstrap.servers' = '${servers}',
  'key.format' = 'json',
  'value.format' = 'json'
);

CREATE TABLE suspicious (
  account STRING,
  left_hour STRING,
  refunds BIGINT,
  refunded_cents BIGINT,
  asked BIGINT,
  PRIMARY KEY (account, left_hour) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '${topics}-suspicious',
  'properties.bootstrap.servers' = '${servers}',
  'key.format' = 'json',
  'value.format' = 'json'
);

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO totals
  SELECT
    shop,
    left_minute,
    SUM(CASE WHEN kind = 'bill' THEN 1 ELSE 0 END),
    SUM(CASE WHEN kind = 'bill' THEN 0 ELSE 1 END),
    SUM(due_cents)
  FROM settled
  GROUP BY shop, left_minute;

  INSERT INTO suspicious
  SELECT
    account,
    left_hour,
    SUM(CASE WHEN due_cents < 0 THEN 1 ELSE 0 END),
    SUM(CASE WHEN due_cents < 0 THEN -due_cents ELSE 0 END),
    SUM(CASE WHEN kind = 'bill' THEN asked ELSE 0 END)
  FROM settled
  WHERE account <> ''
  GROUP BY account, left_hour
  HAVING SUM(CASE WHEN due_cents < 0 THEN 1 ELSE 0 END) >= ${refunds}
      OR SUM(CASE WHEN due_cents < 0 THEN -due_cents ELSE 0 END) >= ${refunded_cents};
END;
