/** The migrations of the database, in order, for TypeORM. `schema.sql` is what they result in. */
import { ObjectsAndChanges1764000000001 } from './0001-objects-and-changes.ts'

export const migrations = [ObjectsAndChanges1764000000001]
