import { type Client, Informer } from '@binnacle/client'
import {
  type EndpointSlice,
  endpointSlices,
  type Namespace,
  namespaces,
  type Service,
  services,
} from '@binnacle/resources'
import type { Answer, Question } from 'dns-packet'
import type { Log } from '../log.ts'
import { codes, DnsServer, type Reply } from './dns-server.ts'
import { Forwarder, type Upstream, upstreamsOf } from './forwarder.ts'
import { type DnsView, type Lookup, lookUp, startOfAuthority } from './records.ts'

/** What the DNS server of a node is given. */
export interface ClusterDnsOptions {
  readonly client: Client
  /** Addresses to listen on; the endpoints of the Service `kube-dns` lead here. */
  readonly addresses: readonly string[]
  /** 0: any free one, for tests. */
  readonly port: number
  /** `cluster.local`. */
  readonly zone: string
  /** Where the servers for all other names are found; read anew every half minute. */
  readonly resolvConf: string
  /** Instead of those of resolvConf. */
  readonly upstreams?: readonly Upstream[]
  readonly log: Log
}

/** A running DNS server. */
export interface ClusterDns {
  /** Resolves once the cluster's names are known and the server listens, with the port. */
  readonly ready: Promise<number>
  stop(): Promise<void>
}

interface Informers {
  readonly services: Informer<Service>
  readonly slices: Informer<EndpointSlice>
  readonly namespaces: Informer<Namespace>
}

const rereadMs = 30_000
const serviceNameLabel = 'kubernetes.io/service-name'
const byService = 'service'
const byAddress = 'address'
/** Aliases of aliases are followed this far. */
const aliasesMax = 8

/** Answers for the names of Services and pods from the cluster's own objects, and asks other servers for the rest. */
export function startClusterDns(options: ClusterDnsOptions): ClusterDns {
  const informers = startInformers(options)
  let upstreams = options.upstreams ?? []
  const reread = async (): Promise<void> => {
    if (options.upstreams === undefined) upstreams = await upstreamsOf(options.resolvConf, options.addresses)
  }
  const forwarder = new Forwarder(() => upstreams)
  const server = new DnsServer(answererOf(viewOf(informers), options.zone, forwarder))
  const timer = setInterval(() => void reread(), rereadMs)
  timer.unref()
  const all: readonly Informer<any>[] = Object.values(informers)
  const start = async (): Promise<number> => {
    await Promise.all([reread(), ...all.map(({ synced }) => synced)])
    let { port } = options
    for (const address of options.addresses) port = await server.listen(address, port)
    return port
  }
  return {
    ready: start(),
    async stop() {
      clearInterval(timer)
      for (const informer of all) informer.stop()
      await server.close()
    },
  }
}

function startInformers({ client, log }: ClusterDnsOptions): Informers {
  const onError = (error: unknown): void => log('warn', 'DNS cannot watch', { error: String(error) })
  const informers = {
    services: new Informer(client, services, {}, onError),
    slices: new Informer(client, endpointSlices, {}, onError),
    namespaces: new Informer(client, namespaces, {}, onError),
  }
  informers.slices.addIndex(byService, ({ metadata }) => [
    `${metadata.namespace}/${metadata.labels?.[serviceNameLabel] ?? ''}`,
  ])
  informers.slices.addIndex(byAddress, ({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses))
  informers.services.addIndex(byAddress, ({ spec }) => spec?.clusterIPs ?? [])
  informers.services.start()
  informers.slices.start()
  informers.namespaces.start()
  return informers
}

function viewOf(informers: Informers): DnsView {
  return {
    service: (namespace, name) => informers.services.get({ namespace, name }),
    slices: (namespace, name) => informers.slices.byIndex(byService, `${namespace}/${name}`),
    hasNamespace: (name) => informers.namespaces.get({ namespace: '', name }) !== undefined,
    servicesAt: (address) => informers.services.byIndex(byAddress, address),
    slicesAt: (address) => informers.slices.byIndex(byAddress, address),
  }
}

type Ask = (question: Question) => Promise<Reply>

/** Answers questions from the cluster's records, and those about other names by asking on. */
export function answererOf(
  view: DnsView,
  zone: string,
  forwarder: Pick<Forwarder, 'ask'>,
): (question: Question) => Reply | Promise<Reply> {
  const forward: Ask = async (question) => ({ ...(await forwarder.ask(question)), isAuthoritative: false })
  const ask: Ask = (question) => follow(question, 0)
  const follow = async (question: Question, depth: number): Promise<Reply> => {
    const found = lookUp(view, zone, question.name.toLowerCase(), question.type)
    if (found === undefined) return forward(question)
    if (found.alias === undefined || question.type === 'CNAME') return replyOf(found, zone, question)
    const own = replyOf(found, zone, question)
    if (depth === aliasesMax) return { ...own, code: codes.failed }
    const rest = await follow({ ...question, name: found.alias }, depth + 1)
    return { ...rest, isAuthoritative: true, answers: [...own.answers, ...rest.answers] }
  }
  return (question) => {
    const found = lookUp(view, zone, question.name.toLowerCase(), question.type)
    return found === undefined || found.alias !== undefined ? ask(question) : replyOf(found, zone, question)
  }
}

function replyOf({ exists, answers, additionals }: Lookup, zone: string, question: Question): Reply {
  return {
    code: exists ? codes.ok : codes.missing,
    isAuthoritative: true,
    // Answers repeat the name as it was asked: some resolvers vary its letters and compare them.
    answers: rotated(answers).map((answer): Answer => ({ ...answer, name: question.name })),
    authorities: answers.length === 0 ? [startOfAuthority(zone)] : [],
    additionals,
  }
}

/** Answers from another one on each time: most clients take the first address. */
function rotated(answers: readonly Answer[]): readonly Answer[] {
  if (answers.length < 2) return answers
  const start = Math.floor(Math.random() * answers.length)
  return [...answers.slice(start), ...answers.slice(0, start)]
}
