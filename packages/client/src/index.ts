/**
 * What control loops and agents need of a cluster: the Client interface and its HTTP implementation, informers, work queues, leader election,
 * events. It knows nothing of stores or databases.
 */
export * from './client.ts'
export * from './event-recorder.ts'
export * from './http-client.ts'
export * from './http-upgrade.ts'
export * from './informer.ts'
export * from './leader-election.ts'
export * from './work-queue.ts'
