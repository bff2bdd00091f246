/**
 * The request path without HTTP or GraphQL: authorize → decode → default → admit → validate → commit, and the read path. Both APIs and the in-process
 * client translate to it and hold no rule of their own.
 */
export * from './api-server.ts'
export { Authenticator, type AuthenticatorOptions, type Credentials } from './auth/authenticate.ts'
export { authorize } from './auth/authorize.ts'
export { type Impersonation, impersonate } from './auth/impersonate.ts'
export { noteTokenUse } from './auth/note-token-use.ts'
export { decodeBatch, encodeBatchResults } from './batch.ts'
export { type Advertised, bootstrapCluster } from './bootstrap.ts'
export { ownRequest } from './own-request.ts'
export { decodeContinue, encodeContinue } from './continue-token.ts'
export { briefResources, fieldExtractions } from './field-extraction.ts'
export { fieldText, valuesAt } from './field-paths.ts'
export { followDefinitions } from './follow-definitions.ts'
export { inProcessClient } from './in-process-client.ts'
export { inVersion } from './in-version.ts'
export { unsupportedPatch } from './patch.ts'
export { parseRevision, selectEvent } from './read-path.ts'
export { type Selection, selectionOf } from './selection.ts'
export { type ApiServerOptions, createApiServer } from './server.ts'
export { tableCells, tableColumns } from './table.ts'
