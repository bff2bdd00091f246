import type { SeededRandom } from '@binnacle/testing'
import type { Answer, Requests, Server } from '../faults/servers.ts'

/** Users who never rest: they make, scale, roll and delete workloads of all kinds, through servers that may die at any moment. */

const namespaces = ['busy-0', 'busy-1'] as const
/** Where a quota keeps more from being made than it allows. */
const limited = 'limited'
const names = ['a', 'b', 'c'] as const
const triesMax = 240
const retryMs = 250

type Action = () => Promise<void>

/** See the file's head. */
export class Workloads {
  readonly #servers: readonly Server[]
  readonly #requests: Requests
  readonly #random: SeededRandom
  readonly #actions: readonly Action[]
  #turn = 0
  #made = 0
  /** How often each kind of request was made and answered. */
  readonly done = new Map<string, number>()

  constructor(servers: readonly Server[], requests: Requests, random: SeededRandom) {
    this.#servers = servers
    this.#requests = requests
    this.#random = random
    this.#actions = [
      () => this.#deployment(),
      () => this.#deployment(),
      () => this.#statefulSet(),
      () => this.#daemonSet(),
      () => this.#job(),
      () => this.#limitedNamespace(),
      () => this.#shortLivedNamespace(),
      () => (this.#random.chance(0.15) ? this.#loseANode() : this.#loseAPod()),
    ]
  }

  /** Makes what the actions need: namespaces, the quota, and something of every kind. */
  async begin(): Promise<void> {
    for (const name of [...namespaces, limited]) await this.#create('/api/v1/namespaces', 'v1', 'Namespace', { name })
    const hard = { pods: '6', 'count/configmaps': '5' }
    const path = `/api/v1/namespaces/${limited}/resourcequotas`
    await this.#create(path, 'v1', 'ResourceQuota', { name: 'limits' }, { spec: { hard } })
    for (const namespace of namespaces) {
      await this.#create(
        `/apis/batch/v1/namespaces/${namespace}/cronjobs`,
        'batch/v1',
        'CronJob',
        { name: 'cron' },
        {
          spec: {
            schedule: '* * * * *',
            concurrencyPolicy: 'Forbid',
            jobTemplate: {
              spec: { template: { ...podTemplate('cron', 0), spec: { ...podSpec(0), restartPolicy: 'Never' } } },
            },
          },
        },
      )
      for (const name of names) await this.#service(namespace, name)
    }
  }

  /** Does one thing, whatever chance says. */
  async step(): Promise<void> {
    await this.#random.pick(this.#actions)()
  }

  /** Ends what would go on by itself. */
  async rest(): Promise<void> {
    for (const namespace of namespaces)
      await this.#patch(`/apis/batch/v1/namespaces/${namespace}/cronjobs/cron`, { spec: { suspend: true } })
  }

  async #deployment(): Promise<void> {
    const [namespace, name] = [this.#random.pick(namespaces), this.#random.pick(names)]
    const collection = `/apis/apps/v1/namespaces/${namespace}/deployments`
    const chance = this.#random.next()
    if (chance < 0.15) await this.#delete(`${collection}/${name}`)
    else if (chance < 0.4) await this.#roll(`${collection}/${name}`)
    else if (chance < 0.7) await this.#patch(`${collection}/${name}`, { spec: { replicas: this.#random.below(9) } })
    else await this.#create(collection, 'apps/v1', 'Deployment', { name }, this.#replicated(name, 8))
  }

  async #statefulSet(): Promise<void> {
    const [namespace, name] = [this.#random.pick(namespaces), `set-${this.#random.pick(names)}`]
    const collection = `/apis/apps/v1/namespaces/${namespace}/statefulsets`
    const chance = this.#random.next()
    if (chance < 0.15) await this.#delete(`${collection}/${name}`)
    else if (chance < 0.4) await this.#roll(`${collection}/${name}`)
    else if (chance < 0.7) await this.#patch(`${collection}/${name}`, { spec: { replicas: this.#random.below(4) } })
    else {
      const { spec } = this.#replicated(name, 3)
      const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
      const rest = {
        serviceName: name,
        podManagementPolicy: this.#random.pick(['OrderedReady', 'Parallel']),
        persistentVolumeClaimRetentionPolicy: {
          whenDeleted: 'Delete',
          whenScaled: this.#random.pick(['Retain', 'Delete']),
        },
        volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claim }],
      }
      await this.#create(collection, 'apps/v1', 'StatefulSet', { name }, { spec: { ...spec, ...rest } })
    }
  }

  async #daemonSet(): Promise<void> {
    const namespace = this.#random.pick(namespaces)
    const collection = `/apis/apps/v1/namespaces/${namespace}/daemonsets`
    const chance = this.#random.next()
    if (chance < 0.2) await this.#delete(`${collection}/agent`)
    else if (chance < 0.6) await this.#roll(`${collection}/agent`)
    else {
      const spec = { selector: { matchLabels: { app: 'agent' } }, template: podTemplate('agent', 0) }
      await this.#create(collection, 'apps/v1', 'DaemonSet', { name: 'agent' }, { spec })
    }
  }

  async #job(): Promise<void> {
    const collection = `/apis/batch/v1/namespaces/${this.#random.pick(namespaces)}/jobs`
    const name = `job-${++this.#made}`
    const { metadata, spec } = podTemplate('job', 0)
    const template = { metadata, spec: { ...spec, restartPolicy: 'Never' } }
    const isIndexed = this.#random.chance(0.7)
    const mode = isIndexed ? { completionMode: 'Indexed' } : {}
    // What dies with its node counts as failed; that is not what the story is about.
    const limits = { completions: 4, parallelism: 1 + this.#random.below(4), backoffLimit: 1000 }
    await this.#create(collection, 'batch/v1', 'Job', { name }, { spec: { ...limits, ...mode, template } })
  }

  async #limitedNamespace(): Promise<void> {
    const chance = this.#random.next()
    const collection = `/apis/apps/v1/namespaces/${limited}/deployments`
    const configMaps = `/api/v1/namespaces/${limited}/configmaps`
    if (chance < 0.3) await this.#create(configMaps, 'v1', 'ConfigMap', { name: `map-${this.#random.below(9)}` })
    else if (chance < 0.5) await this.#delete(`${configMaps}/map-${this.#random.below(9)}`)
    else if (chance < 0.7)
      await this.#create(collection, 'apps/v1', 'Deployment', { name: 'greedy' }, this.#replicated('greedy', 10))
    else if (chance < 0.8) await this.#delete(`${collection}/greedy`)
    else await this.#patch(`${collection}/greedy`, { spec: { replicas: this.#random.below(12) } })
  }

  async #shortLivedNamespace(): Promise<void> {
    const name = `short-${++this.#made}`
    await this.#create('/api/v1/namespaces', 'v1', 'Namespace', { name })
    const collection = `/apis/apps/v1/namespaces/${name}/deployments`
    await this.#create(collection, 'apps/v1', 'Deployment', { name: 'a' }, this.#replicated('a', 4))
    await this.#service(name, 'a')
    await this.#delete(`/api/v1/namespaces/${name}`)
  }

  async #loseAPod(): Promise<void> {
    const collection = `/api/v1/namespaces/${this.#random.pick(namespaces)}/pods`
    const { body } = await this.#send('GET', collection)
    const items = (body?.items ?? []) as { metadata: { name: string } }[]
    if (items.length > 0) await this.#delete(`${collection}/${this.#random.pick(items).metadata.name}`)
  }

  // It comes back when its agent starts the next time.
  async #loseANode(): Promise<void> {
    const { body } = await this.#send('GET', '/api/v1/nodes')
    const items = (body?.items ?? []) as { metadata: { name: string } }[]
    if (items.length > 1) await this.#delete(`/api/v1/nodes/${this.#random.pick(items).metadata.name}`)
  }

  async #service(namespace: string, name: string): Promise<void> {
    const spec = { type: 'NodePort', selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] }
    await this.#create(`/api/v1/namespaces/${namespace}/services`, 'v1', 'Service', { name }, { spec })
  }

  #replicated(name: string, replicasMax: number) {
    const replicas = 1 + this.#random.below(replicasMax)
    return { spec: { replicas, selector: { matchLabels: { app: name } }, template: podTemplate(name, ++this.#made) } }
  }

  async #roll(path: string): Promise<void> {
    await this.#patch(path, { spec: { template: { metadata: { annotations: { version: String(++this.#made) } } } } })
  }

  async #create(
    collection: string,
    apiVersion: string,
    kind: string,
    metadata: object,
    rest: object = {},
  ): Promise<void> {
    await this.#send('POST', collection, { apiVersion, kind, metadata, ...rest })
  }

  async #patch(path: string, body: object): Promise<void> {
    await this.#send('PATCH', path, body)
  }

  async #delete(path: string): Promise<void> {
    const propagationPolicy = this.#random.pick(['Background', 'Foreground'])
    await this.#send('DELETE', path, { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy })
  }

  // A server that does not answer is asked again, or another one. What is there already or no longer, or is over a quota, is as good as done.
  async #send(method: string, path: string, body?: object): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      const server = this.#servers[this.#turn++ % this.#servers.length] as Server
      const answer = await this.#requests.send(server, method, path, body)
      const isAnswered = answer.status > 0 && answer.status < 500 && answer.status !== 429
      if (isAnswered && (answer.status < 300 || [403, 404, 409].includes(answer.status))) {
        this.done.set(method, (this.done.get(method) ?? 0) + 1)
        return answer
      }
      if (isAnswered) throw new Error(`${method} ${path}: ${answer.status} ${answer.body?.message}`)
      if (tries >= triesMax) throw new Error(`${method} ${path}: no answer, the last one ${answer.status}`)
      await new Promise((resolve) => setTimeout(resolve, retryMs))
    }
  }
}

const podSpec = (number: number) => ({
  containers: [{ name: 'app', image: `registry.example.com/app:${number}` }],
  terminationGracePeriodSeconds: 5,
})
const podTemplate = (app: string, number: number) => ({ metadata: { labels: { app } }, spec: podSpec(number) })
