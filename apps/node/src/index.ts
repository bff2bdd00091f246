/**
 * The node agent: real nodes' and simulated nodes' kubelet. It sees a cluster only through the client and never runs in the API server's process.
 */
export * from './cri/containerd-events.ts'
export * from './cri/cri-client.ts'
export type * from './cri/messages.ts'
export * from './cri/private-containerd.ts'
export * from './images/image-archive.ts'
export * from './images/pause-image.ts'
export * from './options.ts'
export * from './server/agent-server.ts'
export * from './server/cri-node-runtime.ts'
export type * from './server/runtime.ts'
export * from './simulated/simulated-nodes.ts'
export * from './simulated/simulation-options.ts'
