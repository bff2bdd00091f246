/**
 * The cluster's source of truth: objects, revisions and changes in Postgres, with every current object in memory. It knows keys, labels and owners,
 * but no kind by name; SPEC.md numbers what it guarantees.
 */
export * from './encode.ts'
export * from './errors.ts'
export { openStore } from './postgres-store.ts'
export { compareKeys } from './sorted-objects.ts'
export * from './store.ts'
