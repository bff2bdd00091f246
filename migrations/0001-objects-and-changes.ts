import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The current objects, the log of changes, the revision that orders them, and the function that commits. */
export class ObjectsAndChanges1764000000001 implements MigrationInterface {
  name = 'ObjectsAndChanges1764000000001'

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION commit_batch')
    for (const table of ['changes', 'resources', 'revision']) await runner.query(`DROP TABLE ${table}`)
  }
}

// Rows stay whole in their page up to 8 KB: compressing every object of 2 KB took 36-48 % of the backend's time. Half of each page of
// current rows stays free, so that an update stays on its page and touches no index.
const statements = [
  `CREATE TABLE revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision bigint NOT NULL,
    horizon bigint NOT NULL,
    brief_horizon bigint NOT NULL
  ) WITH (fillfactor = 10)`,
  `INSERT INTO revision (revision, horizon, brief_horizon) VALUES (1, 1, 1)`,
  `CREATE TABLE resources (
    resource text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    uid text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    created_revision bigint NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (resource, namespace, name)
  ) WITH (fillfactor = 50, toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.1)`,
  `CREATE TABLE changes (
    revision bigint PRIMARY KEY,
    kind smallint NOT NULL,
    resource text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    uid text COLLATE "C" NOT NULL,
    created_revision bigint NOT NULL,
    previous_revision bigint NOT NULL,
    batch text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    data text NOT NULL
  ) WITH (toast_tuple_target = 8160)`,
  // Larger values are compressed out of the row; lz4 where the server has it.
  `DO $$ BEGIN
    ALTER TABLE resources ALTER COLUMN data SET COMPRESSION lz4;
    ALTER TABLE changes ALTER COLUMN data SET COMPRESSION lz4;
  EXCEPTION WHEN OTHERS THEN NULL; END $$`,
  // One call commits a batch. Each key occurs once in it (the caller sees to that). kind: 0 create, 1 update, 2 delete. status: 0 committed,
  // 1 exists, 2 missing, 3 other revision, 4 another write of its group failed.
  `CREATE FUNCTION commit_batch(
    batch text, groups int[], kinds int[], resources_ text[], namespaces text[], names text[], uids text[], expected bigint[], actors text[], data text[],
    OUT base bigint, OUT status int[], OUT created bigint[]
  ) LANGUAGE plpgsql AS $$
  #variable_conflict use_variable
  DECLARE committed bigint;
  BEGIN
    -- Taken until the commit: revisions become visible in order, whoever writes.
    SELECT r.revision INTO base FROM revision r FOR UPDATE;

    -- A statement of its own, so that it sees what was committed before the lock was had.
    WITH w AS (
      SELECT u.ord, u.g, u.k, u.exp, c.revision AS cur, c.created_revision AS cre
      FROM unnest(groups, kinds, resources_, namespaces, names, expected) WITH ORDINALITY AS u(g, k, res, ns, nm, exp, ord)
      LEFT JOIN resources c ON c.resource = u.res AND c.namespace = u.ns AND c.name = u.nm
    ), s AS (
      SELECT w.ord, w.g, w.cre,
        CASE WHEN w.k = 0 AND w.cur IS NOT NULL THEN 1 WHEN w.k <> 0 AND w.cur IS NULL THEN 2 WHEN w.k <> 0 AND w.cur <> w.exp THEN 3 ELSE 0 END AS st
      FROM w
    ), t AS (
      SELECT s.ord, s.cre, CASE WHEN s.st = 0 AND bool_or(s.st <> 0) OVER (PARTITION BY s.g) THEN 4 ELSE s.st END AS st FROM s
    )
    SELECT array_agg(t.st ORDER BY t.ord), array_agg(coalesce(t.cre, 0) ORDER BY t.ord), count(*) FILTER (WHERE t.st = 0)
    INTO status, created, committed FROM t;
    IF committed = 0 THEN RETURN; END IF;

    INSERT INTO changes (revision, kind, resource, namespace, name, uid, created_revision, previous_revision, batch, actor, data)
    SELECT base + row_number() OVER (ORDER BY u.ord), u.k, u.res, u.ns, u.nm, u.uid,
      CASE WHEN u.k = 0 THEN base + row_number() OVER (ORDER BY u.ord) ELSE u.cre END, CASE WHEN u.k = 0 THEN 0 ELSE u.exp END, batch, u.act, u.dat
    FROM unnest(kinds, resources_, namespaces, names, uids, expected, actors, data, status, created) WITH ORDINALITY AS u(k, res, ns, nm, uid, exp, act, dat, st, cre, ord)
    WHERE u.st = 0;

    IF 0 = ANY (kinds) THEN
      INSERT INTO resources (resource, namespace, name, uid, revision, created_revision, data)
      SELECT v.res, v.ns, v.nm, v.uid, v.rev, v.rev, v.dat FROM (
        SELECT u.*, base + row_number() OVER (ORDER BY u.ord) AS rev
        FROM unnest(kinds, resources_, namespaces, names, uids, data, status) WITH ORDINALITY AS u(k, res, ns, nm, uid, dat, st, ord) WHERE u.st = 0
      ) v WHERE v.k = 0;
    END IF;
    IF 1 = ANY (kinds) THEN
      UPDATE resources c SET revision = v.rev, uid = v.uid, data = v.dat FROM (
        SELECT u.*, base + row_number() OVER (ORDER BY u.ord) AS rev
        FROM unnest(kinds, resources_, namespaces, names, uids, data, status) WITH ORDINALITY AS u(k, res, ns, nm, uid, dat, st, ord) WHERE u.st = 0
      ) v WHERE v.k = 1 AND c.resource = v.res AND c.namespace = v.ns AND c.name = v.nm;
    END IF;
    IF 2 = ANY (kinds) THEN
      DELETE FROM resources c USING unnest(kinds, resources_, namespaces, names, status) AS u(k, res, ns, nm, st)
      WHERE u.st = 0 AND u.k = 2 AND c.resource = u.res AND c.namespace = u.ns AND c.name = u.nm;
    END IF;

    UPDATE revision r SET revision = base + committed;
    PERFORM pg_notify('binnacle_revision', (base + committed)::text);
  END $$`,
]
