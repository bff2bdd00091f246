import { mkdirSync, rmSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { totalmem } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BatchedEventRecorder, type Client, Informer } from '@binnacle/client'
import {
  type Pod as ApiPod,
  configMaps,
  persistentVolumeClaims,
  persistentVolumes,
  type PersistentVolume,
  pods,
  secrets,
  services,
} from '@binnacle/resources'
import { ContainerdEvents } from '../cri/containerd-events.ts'
import type { CriClient } from '../cri/cri-client.ts'
import { ImageCollector, type ImageDisk } from '../images/image-gc.ts'
import { ImagePuller } from '../images/image-puller.ts'
import type { Log } from '../log.ts'
import { UsageMeter } from '../stats/usage-meter.ts'
import { localPathProvisioner, PodVolumes, type VolumeSources } from '../volumes/pod-volumes.ts'
import { PodCgroups } from './cgroups.ts'
import type { FieldFacts } from './environment.ts'
import { LogRotation } from './log-rotation.ts'
import { type NodeSignals, readSignals } from './eviction.ts'
import { EvictionLoop } from './eviction-loop.ts'
import { NodeRegistration } from './node-registration.ts'
import type { NodeFacts } from './node-status.ts'
import { type ObservedPod, readySandbox } from './observed-pod.ts'
import { containerPath, isTerminal, type Pod } from './pod.ts'
import { PodKiller, podIPOf } from './pod-killer.ts'
import { PodWorker, type WorkerEnvironment } from './pod-worker.ts'
import { Probes } from './probes.ts'
import { ReferencedObjects } from './referenced-objects.ts'
import { RuntimeView } from './runtime-view.ts'
import type { NodeNetwork } from './sandbox-config.ts'
import { type IssuedToken, ServiceAccountTokens, type TokenWish } from './service-account-tokens.ts'

/** How a kubelet is run. */
export interface KubeletOptions {
  readonly client: Client
  readonly cri: CriClient
  /** The runtime's socket, where its events are; undefined: it is only looked at now and then. */
  readonly eventsSocket: string | undefined
  readonly node: NodeFacts
  readonly network: NodeNetwork
  /** What sandboxes are made of: kept when images are removed for want of room. */
  readonly sandboxImage: string
  /** What the node has left; by default as the kernel tells. */
  readonly signals?: () => NodeSignals
  readonly log: Log
  /** Gets a token from the API server (`serviceaccounts/token`). */
  requestToken(wish: TokenWish): Promise<IssuedToken>
}

/** How often everything is looked at besides events: what they missed, and what is due. */
const relistMs = 10_000
/** How often each pod is synced although nothing happened (kubelet `syncFrequency`). */
const syncMs = 60_000
/** How often logs are looked at whether they have grown too large (kubelet `containerLogMonitorInterval`). */
const rotationMs = 10_000
/** How often it is looked whether there is room for images (kubelet `ImageGCPeriod`). */
const imageCollectionMs = 300_000
/** How often it is looked what the node is short of (kubelet's eviction manager). */
const pressureMs = 10_000
/** How long the runtime is waited for after it has told of an end; then the next look at everything shows it. */
const exitMsMax = 2000
/** What containers have to end when the machine's node is shut down. */
const shutdownGraceSeconds = 2

/**
 * The kubelet of one node: registers it, runs the pods that are bound to it, and reports of both. Containers outlive it; another kubelet on the same
 * directories takes them over as they are.
 */
export class Kubelet {
  readonly registration: NodeRegistration
  readonly #options: KubeletOptions
  readonly #context: WorkerEnvironment
  readonly #workers = new Map<string, PodWorker>()
  readonly #recorder: BatchedEventRecorder
  readonly #references: ReferencedObjects
  readonly #pods: Informer<ApiPod>
  readonly #services: Informer<any>
  readonly #volumes: Informer<PersistentVolume>
  #events: ContainerdEvents | undefined
  readonly #rotation: LogRotation
  readonly #images: ImageCollector
  readonly #evictions: EvictionLoop
  readonly #timers: NodeJS.Timeout[] = []
  #isRotating = false
  #isStopped = false

  constructor(options: KubeletOptions) {
    const { client, cri, log, node } = options
    this.#options = options
    this.registration = new NodeRegistration(client, cri, node, () => this.#evictions.conditions, log)
    this.#recorder = new BatchedEventRecorder(client, { component: 'kubelet', host: node.name })
    this.#references = new ReferencedObjects(client, (uid) => this.#workers.get(uid)?.wake())
    const failed = (error: unknown): void => log('warn', 'cannot watch', { error: String(error) })
    this.#pods = new Informer(client, pods, { fieldSelector: `spec.nodeName=${node.name}` }, failed)
    this.#services = new Informer(client, services as any, {}, failed)
    this.#volumes = new Informer(client, persistentVolumes, {}, failed)
    const store = {
      listImages: () => cri.listImages(),
      listContainers: () => cri.listContainers(),
      removeImage: (id: string) => cri.removeImage(id),
      disk: () => imageDisk(cri),
    }
    this.#evictions = new EvictionLoop({
      signals: options.signals ?? (() => readSignals(node.dataDirectory)),
      usage: async () => (await new UsageMeter(cri).measure()).containers,
      pods: () => [...this.#workers.values()].map(({ pod }) => pod).filter((pod) => !isTerminal(pod)),
      evict: (pod, message) => this.#workers.get(pod.metadata.uid ?? '')?.evict(message),
      freeImages: () => this.#images.removeUnused(),
      onChange: () => this.registration.report(),
      nowMs: () => Date.now(),
    })
    this.#images = new ImageCollector(store, options.sandboxImage, () => Date.now())
    this.#rotation = new LogRotation({ nowMs: () => Date.now(), reopen: (id) => cri.reopenContainerLog(id) })
    this.#context = this.#makeContext()
  }

  /** Registers the node, unless that is done, and begins to run its pods. Resolves once those that are known are being seen to. */
  async start(): Promise<void> {
    mkdirSync(this.#context.logsDirectory, { recursive: true, mode: 0o755 })
    if (this.registration.node === undefined) await this.registration.register()
    this.registration.start()
    await this.#context.view.relist()
    this.#services.start()
    this.#volumes.addHandler({ onDelete: (volume) => this.#removeLocalVolume(volume) })
    this.#volumes.start()
    await this.#services.synced
    this.#pods.addHandler({
      onAdd: (pod) => this.#podChanged(pod),
      onUpdate: (pod, old) => {
        if (old.metadata.uid !== pod.metadata.uid) this.#podGone(old)
        this.#podChanged(pod)
      },
      onDelete: (pod) => this.#podGone(pod),
    })
    this.#pods.start()
    await this.#pods.synced
    this.#follow()
  }

  /** Ends the kubelet, not the containers. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#events?.stop()
    this.registration.stop()
    for (const informer of [this.#pods, this.#services, this.#volumes]) informer.stop()
    for (const worker of this.#workers.values()) worker.stop()
    this.#context.probes.stop()
    this.#references.stop()
    await this.#recorder.flush()
  }

  /**
   * Ends all containers of the node, without a word to the cluster, as if the machine were shut down: another kubelet on the same directories finds what
   * ended and goes on from there. Nothing runs and nothing is mounted afterwards. Call after {@link stop}.
   */
  async stopAllPods(): Promise<void> {
    const { cgroups, cri, volumes } = this.#context
    const running = (await cri.listContainers()).filter(({ state }) => state === 'CONTAINER_RUNNING')
    await Promise.allSettled(running.map(({ id }) => cri.stopContainer(id, shutdownGraceSeconds)))
    await Promise.all((await cri.listPodSandboxes()).map(({ id }) => cri.stopPodSandbox(id)))
    await Promise.all([...this.#workers.values()].map((worker) => worker.idle()))
    await volumes.unmountAll()
    cgroups.removeAll()
  }

  /** Ends all containers of the node at once, without a word to the cluster, and what was made for them. Call after {@link stop}. */
  async removeAllPods(): Promise<void> {
    const { cri, view } = this.#context
    // What a worker waits for ends, and then it touches nothing any more.
    await Promise.all((await cri.listPodSandboxes()).map(({ id }) => cri.stopPodSandbox(id)))
    await Promise.all([...this.#workers.values()].map((worker) => worker.idle()))
    await view.relist()
    await Promise.all([...view.all()].map((observed) => this.#removeFromRuntime(observed)))
    this.#context.cgroups.removeAll()
  }

  /** The pods of this node with the newest status, which the API server may not know yet. */
  pods(): readonly ApiPod[] {
    return [...this.#workers.values()].map(({ pod }) => pod)
  }

  /** The sandbox that the pod runs in; undefined while it has none that is ready. */
  sandboxOf(podUID: string): string | undefined {
    return readySandbox(this.observed(podUID))?.id
  }

  /** What the runtime has of the pod, as seen last. */
  observed(podUID: string): ObservedPod {
    return this.#context.view.get(podUID)
  }

  #makeContext(): WorkerEnvironment {
    const { client, cri, log, network, node, requestToken } = this.#options
    const wake = (uid: string): void => this.#runtimeChanged(uid)
    const nowMs = (): number => Date.now()
    const tokens = new ServiceAccountTokens((wish) => requestToken(wish), nowMs)
    const at = (name: string): string => path.join(node.dataDirectory, name)
    const probes = new Probes({
      target: (pod, container, containerId) => ({ cri, container, containerId, podIP: podIPOf(pod, this.#context) }),
      onChange: wake,
      onFailure: (pod, container, message) => this.#context.tell(pod, 'Warning', 'Unhealthy', message, container.name),
    })
    return {
      ...{ client, cri, log, network, nowMs, probes, tokens },
      view: new RuntimeView(cri, wake),
      puller: new ImagePuller(cri, nowMs),
      volumes: new PodVolumes(at('pods')),
      cgroups: new PodCgroups(node.name),
      logsDirectory: at('logs'),
      seccompRoot: at('seccomp'),
      memoryCapacity: totalmem(),
      sources: (pod, facts) => this.#sources(pod, facts, tokens),
      allocatable: () => this.registration.allocatable,
      services: () => this.#services.all(),
      tell: (pod, type, reason, message, container) => {
        const about = container === undefined ? {} : { fieldPath: containerPath(pod, container) }
        this.#recorder.record(pod, type, reason, message, about)
      },
      secret: (pod, name) => this.#references.get(secrets, pod.metadata.namespace ?? '', name, pod.metadata.uid ?? ''),
      onGone: (uid) => {
        this.#workers.delete(uid)
        this.#references.release(uid)
      },
    }
  }

  #sources(pod: Pod, facts: FieldFacts, tokens: ServiceAccountTokens): VolumeSources {
    const { namespace = '', uid = '' } = pod.metadata
    return {
      facts,
      configMap: (name) => this.#references.get(configMaps, namespace, name, uid),
      secret: (name) => this.#references.get(secrets, namespace, name, uid),
      serviceAccountToken: (owner, audience, seconds) => tokens.get(owner, audience, seconds),
      // The API server has no such kind yet.
      trustBundle: async () => undefined,
      claim: (claimNamespace, name) => this.#references.get(persistentVolumeClaims, claimNamespace, name, uid),
      persistentVolume: (name) => this.#references.get(persistentVolumes, '', name, uid),
    }
  }

  #podChanged(pod: ApiPod): void {
    const uid = pod.metadata.uid ?? ''
    const worker = this.#workers.get(uid)
    if (worker !== undefined) return worker.update(pod as Pod)
    const created = new PodWorker(this.#context, pod as Pod)
    this.#workers.set(uid, created)
    // One that is over has nothing left to do until it is deleted, unless an earlier agent left something running.
    if (!isTerminal(pod as Pod) || pod.metadata.deletionTimestamp !== undefined) created.wake()
    else if (readySandbox(this.#context.view.get(uid)) !== undefined) created.wake()
  }

  #podGone(pod: ApiPod): void {
    this.#workers.get(pod.metadata.uid ?? '')?.forget()
  }

  #runtimeChanged(podUID: string): void {
    this.#workers.get(podUID)?.wake()
  }

  #follow(): void {
    const { log } = this.#options
    const look = (): void => {
      this.#lookAtEverything().catch((error: unknown) =>
        log('warn', 'cannot list containers', { error: String(error) }),
      )
    }
    if (this.#options.eventsSocket !== undefined) {
      this.#events = new ContainerdEvents(this.#options.eventsSocket, {
        onTask: (id, what) => {
          if (what === 'exit') void this.#awaitExit(id)
          else if (this.#context.view.podOf(id) === undefined) look()
        },
        onGap: look,
      })
      this.#events.start()
    } else look()
    const sync = (): void => {
      for (const worker of this.#workers.values()) if (!isTerminal(worker.pod)) worker.wake()
    }
    this.#timers.push(
      setInterval(look, relistMs),
      setInterval(sync, syncMs),
      setInterval(() => void this.#rotateLogs(), rotationMs),
      setInterval(() => void this.#collectImages(), imageCollectionMs),
      setInterval(() => {
        this.#evictions
          .check()
          .catch((error: unknown) => log('warn', 'cannot look for pressure', { error: String(error) }))
      }, pressureMs),
    )
    void this.#collectImages()
  }

  async #collectImages(): Promise<void> {
    const { log } = this.#options
    try {
      const { wanted, freed } = await this.#images.collect()
      if (freed > 0) log('info', 'images were removed for want of room', { bytes: freed })
      if (freed >= wanted) return
      const found = `Attempted to free ${wanted} bytes, but only found ${freed} bytes eligible to free.`
      const message = `Failed to garbage collect required amount of images. ${found}`
      const { name } = this.#options.node
      // As kubelets name their node in events: its name stands for the uid.
      const node = { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name } }
      this.#recorder.record(node, 'Warning', 'FreeDiskSpaceFailed', message)
    } catch (error) {
      log('warn', 'cannot look after images', { error: String(error) })
    }
  }

  async #rotateLogs(): Promise<void> {
    // One that is large to compress may take longer than the pause between two looks.
    if (this.#isRotating) return
    this.#isRotating = true
    const running = [...this.#context.view.all()].flatMap(({ containers }) =>
      containers.filter(({ state, logPath }) => state === 'running' && logPath !== ''),
    )
    for (const error of await this.#rotation.rotate(running))
      this.#options.log('warn', 'cannot rotate a log', { error: error.message })
    this.#isRotating = false
  }

  /** The interface learns of an end from the same event as the agent, and needs some milliseconds more. */
  async #awaitExit(id: string): Promise<void> {
    const { view } = this.#context
    for (let waitMs = 5; waitMs < exitMsMax; waitMs *= 2) {
      // One that ends as soon as it starts may not have been seen at all.
      if (view.podOf(id) === undefined) await view.relist().catch(() => undefined)
      const uid = view.podOf(id)
      if (uid === undefined || this.#isStopped) return
      const { containers, sandboxes } = await view.refresh(uid).catch(() => view.get(uid))
      const isUp =
        containers.some((c) => c.id === id && c.state === 'running') || sandboxes.some((s) => s.id === id && s.isReady)
      if (!isUp) return this.#runtimeChanged(uid)
      await sleep(waitMs)
    }
  }

  async #lookAtEverything(): Promise<void> {
    const { view } = this.#context
    await view.relist()
    // Pods that were deleted while no agent looked.
    const orphans = [...view.all()].filter(({ uid }) => uid !== '' && !this.#workers.has(uid))
    for (const observed of orphans) await this.#removeFromRuntime(observed)
  }

  async #removeFromRuntime(observed: ObservedPod): Promise<void> {
    const { cgroups, cri, logsDirectory, view, volumes } = this.#context
    const { uid, namespace, name } = observed
    await Promise.all(observed.sandboxes.map(({ id }) => cri.stopPodSandbox(id)))
    await new PodKiller(this.#context).removePod(observed)
    await view.refresh(uid)
    await volumes.removePod(uid)
    cgroups.remove(uid)
    rmSync(path.join(logsDirectory, `${namespace}_${name}_${uid}`), { recursive: true, force: true })
  }

  /** The in-tree provisioner has deleted the volume of a directory here: the directory goes, too. */
  #removeLocalVolume({ metadata, spec }: PersistentVolume): void {
    const isOurs = metadata.annotations?.['pv.kubernetes.io/provisioned-by'] === localPathProvisioner
    const terms = spec?.nodeAffinity?.required?.nodeSelectorTerms ?? []
    const isHere = terms.some(({ matchExpressions = [] }) =>
      matchExpressions.some(({ values = [] }) => values.includes(this.#options.node.name)),
    )
    const place = spec?.local?.path
    if (!isOurs || !isHere || place === undefined || spec?.persistentVolumeReclaimPolicy !== 'Delete') return
    rmSync(place, { recursive: true, force: true })
  }
}

/** The file system that the runtime keeps images on; without room for the root user's own, as `df` counts. */
async function imageDisk(cri: CriClient): Promise<ImageDisk> {
  const [usage] = await cri.imageFsInfo()
  const mountpoint = usage?.fsId?.mountpoint
  if (mountpoint === undefined || mountpoint === '') return { capacity: 0, available: 0 }
  const { bavail, blocks, bsize } = await statfs(mountpoint)
  return { capacity: blocks * bsize, available: bavail * bsize }
}
