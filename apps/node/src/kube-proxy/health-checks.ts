import { createServer, type Server } from 'node:http'
import type { Log } from '../log.ts'
import type { ServicePlan } from './plan.ts'

/** What a load balancer is told of a Service on this node. */
type Health = NonNullable<ServicePlan['health']>

/**
 * The servers on `spec.healthCheckNodePort`: 200 where the node has endpoints of the Service, 503 where it has none, so that load balancers send
 * traffic of policy Local only where it is answered (kube-proxy `service_health.go`).
 */
export class HealthChecks {
  readonly #log: Log
  readonly #servers = new Map<string, { health: Health; readonly server: Server }>()

  constructor(log: Log) {
    this.#log = log
  }

  /** `service`: NAMESPACE/NAME. undefined: no longer asked for. */
  put(service: string, health: Health | undefined): void {
    const existing = this.#servers.get(service)
    if (existing !== undefined && existing.health.port !== health?.port) {
      existing.server.close()
      existing.server.closeAllConnections()
      this.#servers.delete(service)
    } else if (existing !== undefined && health !== undefined) {
      existing.health = health
      return
    }
    if (health !== undefined) this.#listen(service, health)
  }

  stop(): void {
    for (const service of this.#servers.keys()) this.put(service, undefined)
  }

  #listen(service: string, health: Health): void {
    const [namespace, name] = service.split('/')
    const server = createServer((_request, response) => {
      const { localEndpoints } = this.#servers.get(service)?.health ?? health
      response.writeHead(localEndpoints > 0 ? 200 : 503, {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(localEndpoints),
      })
      response.end(JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: true }))
    })
    server.on('error', (error) =>
      this.#log('error', 'cannot listen for health checks', { service, port: health.port, error: error.message }),
    )
    server.listen(health.port)
    server.unref()
    this.#servers.set(service, { health, server })
  }
}
