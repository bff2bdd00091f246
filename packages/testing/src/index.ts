/**
 * What tests of control loops need: a cluster in memory, a clock that stands still, chance that repeats, objects to begin with. It knows the
 * vocabulary and the Client interface, never a store or a server.
 */
export * from './builders.ts'
export * from './fake-clock.ts'
export * from './fake-cluster.ts'
export * from './leak-check.ts'
export * from './seeded-random.ts'
