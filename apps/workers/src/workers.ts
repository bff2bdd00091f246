import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { briefResources, createApiServer, fieldExtractions, inProcessClient } from '@binnacle/apiserver'
import { type Client, httpClientFromFiles, LeaderElection } from '@binnacle/client'
import {
  allControllers,
  allRunnables,
  createScheduler,
  type Log,
  Manager,
  type SchedulerRunnable,
} from '@binnacle/core'
import { builtInRegistry, podGroups, type ResourceRegistry } from '@binnacle/resources'
import { openStore } from '@binnacle/store'
import { isEnabled, type WorkersConfig, type WorkersConnection } from './config.ts'

/** Running workers: leading, or standing by. */
export interface Workers {
  readonly isLeader: boolean
  metrics(): string
  close(): Promise<void>
}

const user = { name: 'system:kube-controller-manager', groups: ['system:masters', 'system:authenticated'] }

interface Connection {
  readonly client: Client
  close(): Promise<void>
}

async function connect(connection: WorkersConnection, registry: ResourceRegistry, log: Log): Promise<Connection> {
  if (connection.kind === 'server') {
    const { server, ca, bearerTokenFile, clientCert, clientKey } = connection
    const client = httpClientFromFiles({
      server,
      ca,
      bearerTokenFile,
      clientCert,
      clientKey,
      userAgent: 'binnacle-workers',
    })
    return { client, close: () => client.close() }
  }
  // The API processes compact the history; watchers here live in this process and need little of it.
  const store = await openStore({
    url: connection.url,
    fieldsOf: fieldExtractions(registry),
    briefResources,
    recentChangesBytesMax: 16 * 1024 * 1024,
    log,
  })
  const client = inProcessClient(createApiServer({ store, registry, serviceCidr: connection.serviceCidr }), user)
  return {
    client,
    async close() {
      await client.close()
      await store.close()
    },
  }
}

/**
 * Connects, fills the informers, and stands for election; whoever is elected runs the loops. A process that loses its lease ends itself through
 * `onLost`: what it had begun must not go on beside the new leader.
 */
export async function startWorkers(config: WorkersConfig, log: Log, onLost: () => void): Promise<Workers> {
  const registry = builtInRegistry(config.runtimeConfig)
  const gangs = registry.served.some(({ storageName }) => storageName === podGroups.storageName)
  // Before anything is opened: it throws where the configuration is of no use.
  const scheduler: SchedulerRunnable = createScheduler({ configuration: config.scheduler, gangs })
  const connection = await connect(config.connection, registry, log)
  const runnables = [scheduler, ...allRunnables(registry)].filter(({ name }) => isEnabled(config.controllers, name))
  const controllers = allControllers(registry, config.rootCa, config).filter(({ name }) =>
    isEnabled(config.controllers, name),
  )
  const manager = new Manager({ client: connection.client, log, controllers, runnables, registry })
  let closing = false
  const election = new LeaderElection(
    connection.client,
    {
      namespace: 'kube-system',
      name: 'kube-controller-manager',
      identity: `${hostname()}_${randomUUID()}`,
      leaseMs: config.leaseMs,
      renewMs: (config.leaseMs * 2) / 3,
      retryMs: Math.min(2000, config.leaseMs / 7),
    },
    {
      onStarted() {
        log('info', 'leading')
        manager.start().catch((error: unknown) => {
          log('error', 'the loops could not start', { error: (error as Error).message })
          onLost()
        })
      },
      onStopped() {
        if (closing) return
        log('error', 'the lease is lost')
        onLost()
      },
      onError: (error) => log('warn', 'election', { error: (error as Error).message }),
    },
  )
  await manager.sync()
  election.start()
  return {
    get isLeader() {
      return election.isLeader
    },
    metrics: () => metricsOf(manager, scheduler, election.isLeader),
    async close() {
      closing = true
      await manager.stop()
      await election.stop()
      await connection.close()
    },
  }
}

function metricsOf(manager: Manager, scheduler: SchedulerRunnable, isLeader: boolean): string {
  const lines = [
    '# TYPE leader_election_master_status gauge',
    `leader_election_master_status{name="kube-controller-manager"} ${isLeader ? 1 : 0}`,
  ]
  const families = [
    ['workqueue_depth', 'gauge', 'depth'],
    ['workqueue_adds_total', 'counter', 'adds'],
    ['workqueue_retries_total', 'counter', 'retries'],
    ['workqueue_unfinished_work', 'gauge', 'processing'],
    ['controller_reconcile_total', 'counter', 'reconciled'],
    ['controller_reconcile_errors_total', 'counter', 'failed'],
  ] as const
  for (const [name, type, field] of families) {
    lines.push(`# TYPE ${name} ${type}`)
    for (const [controller, figures] of Object.entries(manager.figures))
      lines.push(`${name}{name="${controller}"} ${figures[field]}`)
  }
  const { figures } = scheduler
  if (figures !== undefined)
    lines.push(
      '# TYPE scheduler_schedule_attempts_total counter',
      `scheduler_schedule_attempts_total{result="scheduled"} ${figures.bound}`,
      `scheduler_schedule_attempts_total{result="unschedulable"} ${figures.unschedulable}`,
    )
  return `${lines.join('\n')}\n`
}
