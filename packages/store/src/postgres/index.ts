/** Runs a Postgres server of one's own, for `npm start` and for tests. */
export * from './run-postgres.ts'
