-- What the migrations result in, compared by a test; the database is made by the migrations, not from this file.

CREATE TABLE changes (
  revision bigint NOT NULL,
  kind smallint NOT NULL,
  resource text COLLATE "C" NOT NULL,
  namespace text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  uid text COLLATE "C" NOT NULL,
  created_revision bigint NOT NULL,
  previous_revision bigint NOT NULL,
  batch text COLLATE "C" NOT NULL,
  actor text NOT NULL,
  at timestamp with time zone NOT NULL DEFAULT now(),
  data text NOT NULL,
  CONSTRAINT changes_pkey PRIMARY KEY (revision)
) WITH (toast_tuple_target=8160);

CREATE TABLE resources (
  resource text COLLATE "C" NOT NULL,
  namespace text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  revision bigint NOT NULL,
  created_revision bigint NOT NULL,
  CONSTRAINT resources_pkey PRIMARY KEY (resource, namespace, name)
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.1);

CREATE TABLE revision (
  only_row boolean NOT NULL DEFAULT true,
  revision bigint NOT NULL,
  horizon bigint NOT NULL,
  brief_horizon bigint NOT NULL,
  CONSTRAINT revision_only_row_check CHECK (only_row),
  CONSTRAINT revision_pkey PRIMARY KEY (only_row)
) WITH (fillfactor=10);

CREATE OR REPLACE FUNCTION public.commit_batch(batch text, groups integer[], kinds integer[], resources_ text[], namespaces text[], names text[], uids text[], expected bigint[], known bigint[], actors text[], data text[], OUT base bigint, OUT status integer[], OUT created bigint[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
  #variable_conflict use_variable
  DECLARE committed bigint;
  BEGIN
    -- Taken until the commit: revisions become visible in order, whoever writes.
    SELECT r.revision INTO base FROM revision r FOR UPDATE;
    BEGIN
      PERFORM commit_unchecked(base, batch, kinds, resources_, namespaces, names, uids, expected, known, actors, data);
      committed := cardinality(kinds);
      created := known;
    EXCEPTION WHEN unique_violation OR SQLSTATE 'BN001' THEN
      committed := NULL;
    END;

    IF committed IS NULL THEN
      -- Some write is wrong: which, and what its group has to say to that. The lock is held, so what is seen here stays.
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
      PERFORM commit_unchecked(base, batch, f.k, f.res, f.ns, f.nm, f.uid, f.exp, f.cre, f.act, f.dat) FROM (
        SELECT array_agg(u.k ORDER BY u.ord) k, array_agg(u.res ORDER BY u.ord) res, array_agg(u.ns ORDER BY u.ord) ns, array_agg(u.nm ORDER BY u.ord) nm,
          array_agg(u.uid ORDER BY u.ord) uid, array_agg(u.exp ORDER BY u.ord) exp, array_agg(u.cre ORDER BY u.ord) cre,
          array_agg(u.act ORDER BY u.ord) act, array_agg(u.dat ORDER BY u.ord) dat
        FROM unnest(kinds, resources_, namespaces, names, uids, expected, created, actors, data, status)
          WITH ORDINALITY AS u(k, res, ns, nm, uid, exp, cre, act, dat, st, ord)
        WHERE u.st = 0
      ) f;
    END IF;

    UPDATE revision r SET revision = base + committed;
    PERFORM pg_notify('binnacle_revision', (base + committed)::text);
  END $function$;

CREATE OR REPLACE FUNCTION public.commit_unchecked(base bigint, batch text, kinds integer[], resources_ text[], namespaces text[], names text[], uids text[], expected bigint[], created bigint[], actors text[], data text[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
  #variable_conflict use_variable
  DECLARE affected int;
  BEGIN
    IF 0 = ANY (kinds) THEN
      INSERT INTO resources (resource, namespace, name, revision, created_revision)
      SELECT u.res, u.ns, u.nm, base + u.ord, base + u.ord
      FROM unnest(kinds, resources_, namespaces, names) WITH ORDINALITY AS u(k, res, ns, nm, ord) WHERE u.k = 0;
    END IF;
    IF 1 = ANY (kinds) THEN
      UPDATE resources c SET revision = base + u.ord
      FROM unnest(kinds, resources_, namespaces, names, expected, created) WITH ORDINALITY AS u(k, res, ns, nm, exp, cre, ord)
      WHERE u.k = 1 AND c.resource = u.res AND c.namespace = u.ns AND c.name = u.nm AND c.revision = u.exp AND c.created_revision = u.cre;
      GET DIAGNOSTICS affected = ROW_COUNT;
      IF affected <> cardinality(array_positions(kinds, 1)) THEN RAISE EXCEPTION USING ERRCODE = 'BN001'; END IF;
    END IF;
    IF 2 = ANY (kinds) THEN
      DELETE FROM resources c
      USING unnest(kinds, resources_, namespaces, names, expected, created) AS u(k, res, ns, nm, exp, cre)
      WHERE u.k = 2 AND c.resource = u.res AND c.namespace = u.ns AND c.name = u.nm AND c.revision = u.exp AND c.created_revision = u.cre;
      GET DIAGNOSTICS affected = ROW_COUNT;
      IF affected <> cardinality(array_positions(kinds, 2)) THEN RAISE EXCEPTION USING ERRCODE = 'BN001'; END IF;
    END IF;
    INSERT INTO changes (revision, kind, resource, namespace, name, uid, created_revision, previous_revision, batch, actor, data)
    SELECT base + u.ord, u.k, u.res, u.ns, u.nm, u.uid, CASE WHEN u.k = 0 THEN base + u.ord ELSE u.cre END,
      CASE WHEN u.k = 0 THEN 0 ELSE u.exp END, batch, u.act, u.dat
    FROM unnest(kinds, resources_, namespaces, names, uids, expected, created, actors, data)
      WITH ORDINALITY AS u(k, res, ns, nm, uid, exp, cre, act, dat, ord);
  END $function$;
