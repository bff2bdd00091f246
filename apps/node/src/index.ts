/**
 * The node agent: real nodes' and simulated nodes' kubelet. It sees a cluster only through the client and never runs in the API server's process.
 */
export * from './options.ts'
export * from './simulated/simulated-nodes.ts'
export * from './simulated/simulation-options.ts'
