/** Every bound of the API process, with its unit. */

/** A request's body, in bytes; objects are limited to half of it by the write path. */
export const bodyBytesMax = 3 * 1024 * 1024
/** A response is compressed from this size on, in bytes, as kube-apiserver does. */
export const gzipBytesMin = 128 * 1024
/** What a watcher may have waiting, in bytes; a slower one is ended and resumes by its resourceVersion. */
export const watchQueueBytesMax = 16 * 1024 * 1024
/** How often a watch that asked for bookmarks gets one, in milliseconds. */
export const bookmarkIntervalMs = 60_000
/** A watch without a timeout of its own ends within these, in seconds, so that watchers spread over processes. */
export const watchSecondsMin = 1800
/** See {@link watchSecondsMin}. */
export const watchSecondsMax = 3600
/** How long a stopping process waits for requests under way, in milliseconds. */
export const drainMsMax = 5000
/** What a GraphQL subscriber may have waiting, in bytes; a slower one is ended with LAGGED and resumes. */
export const subscriberBytesMax = 16 * 1024 * 1024
/** Objects of one message while a subscription sends its initial state. */
export const initialObjectsPerMessage = 250
/** Tokens of a GraphQL document. */
export const queryTokensMax = 20_000
/** How deep fields may nest; introspection is exempt. */
export const queryDepthMax = 20
/** Fields at the root of one operation. */
export const rootFieldsMax = 100
/** Fields of one document with an alias. */
export const aliasesMax = 500
/** Objects that a query may ask for: page sizes multiplied along its nesting, summed up. */
export const queryObjectsMax = 2_000_000
/** How often an open WebSocket shows that it lives, and its credentials are checked again, in milliseconds. */
export const socketCheckIntervalMs = 20_000

/** How long a connection is kept without a request: as long as Go's clients keep theirs, as kube-apiserver does. Node's five seconds cut them off in the middle of a pause. */
export const idleConnectionMsMax = 90_000
/** A message of a command or a tunnel over a WebSocket, in bytes; kubectl's are 32 KB. */
export const commandMessageBytesMax = 16 * 1024 * 1024
/** What a command's output may have waiting for its client, in bytes; then the node has to wait. */
export const streamBufferBytesMax = 1024 * 1024
/** What is read of a node's refusal, in bytes, as kube-apiserver does. */
export const refusalBytesMax = 10_000
