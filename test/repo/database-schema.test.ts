import { openStore } from '@binnacle/store'
import { createTestDatabase } from '@binnacle/store/testing'
import pg from 'pg'
import { describe, expect, it } from 'vitest'

/** migrations/schema.sql shows what the migrations result in. `npm test -- test/repo/database-schema -u` writes it anew. */

const columnsQuery = `
  SELECT c.relname AS relation, c.reloptions AS options, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS required, pg_get_expr(d.adbin, d.adrelid) AS value, a.attcompression AS compression, l.collname AS collation
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  LEFT JOIN pg_collation l ON l.oid = a.attcollation AND l.collname <> 'default'
  WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'migrations'
  ORDER BY c.relname, a.attnum`
const constraintsQuery = `
  SELECT conrelid::regclass::text AS relation, conname AS name, pg_get_constraintdef(oid) AS definition
  FROM pg_constraint
  WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND conrelid::regclass::text <> 'migrations' AND contype <> 'n'
  ORDER BY 1, 2`
const indexesQuery = `
  SELECT pg_get_indexdef(i.indexrelid) AS definition
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
  WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'migrations'
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
  ORDER BY 1`
const functionsQuery = `
  SELECT pg_get_functiondef(oid) AS definition FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY proname`

interface Column {
  readonly relation: string
  readonly options: readonly string[] | null
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly value: string | null
  readonly compression: string
  readonly collation: string | null
}

describe('migrations/schema.sql', () => {
  it('is what the migrations result in', async () => {
    const database = await createTestDatabase()
    try {
      await (await openStore({ url: database.url })).close()
      await expect(await schemaOf(database.url)).toMatchFileSnapshot('../../migrations/schema.sql')
    } finally {
      await database.drop()
    }
  })
})

async function schemaOf(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const columns = (await client.query<Column>(columnsQuery)).rows
    const constraints = (await client.query(constraintsQuery)).rows
    const tables = [...new Set(columns.map(({ relation }) => relation))].map((relation) => {
      const own = columns.filter((column) => column.relation === relation)
      const rules = constraints.filter((constraint) => constraint.relation === relation)
      const lines = [...own.map(columnText), ...rules.map(({ name, definition }) => `CONSTRAINT ${name} ${definition}`)]
      const options = own[0]?.options ?? []
      return `CREATE TABLE ${relation} (\n  ${lines.join(',\n  ')}\n)${options.length === 0 ? '' : ` WITH (${options.join(', ')})`};`
    })
    const indexes = (await client.query(indexesQuery)).rows.map(({ definition }) => `${definition};`)
    const functions = (await client.query(functionsQuery)).rows.map(({ definition }) => `${definition.trimEnd()};`)
    const head =
      '-- What the migrations result in, compared by a test; the database is made by the migrations, not from this file.'
    return `${[head, ...tables, ...indexes, ...functions].join('\n\n')}\n`
  } finally {
    await client.end()
  }
}

function columnText({ name, type, required, value, compression, collation }: Column): string {
  const parts = [
    name,
    type,
    collation === null ? '' : `COLLATE "${collation}"`,
    compression === 'l' ? 'COMPRESSION lz4' : '',
    required ? 'NOT NULL' : '',
    value === null ? '' : `DEFAULT ${value}`,
  ]
  return parts.filter((part) => part !== '').join(' ')
}
