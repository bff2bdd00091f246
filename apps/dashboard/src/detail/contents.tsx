'use client'

import { statusColor } from '../tables/cells.ts'
import { PlainTable, Section } from './facts'
import type { AnyObject } from './live-object.ts'

interface Container {
  readonly name: string
  readonly image?: string
  readonly ports?: readonly { containerPort: number; name?: string; protocol?: string }[]
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string | number>>
    readonly limits?: Readonly<Record<string, string | number>>
  }
}

interface ContainerStatus {
  readonly name: string
  readonly ready: boolean
  readonly restartCount: number
  readonly state?: Readonly<Record<string, { reason?: string; exitCode?: number } | undefined>>
}

interface PodSpec {
  readonly containers?: readonly Container[]
  readonly initContainers?: readonly Container[]
}

/** The containers of a pod with their state, or of a workload's template. */
export function Containers({ object }: { object: AnyObject }) {
  const template = object.spec?.['template'] as { spec?: PodSpec } | undefined
  const spec = object.kind === 'Pod' ? (object.spec as PodSpec) : template?.spec
  if (spec?.containers === undefined) return null
  const containers = [
    ...(spec.initContainers ?? []).map((container) => ({ container, init: true })),
    ...spec.containers.map((container) => ({ container, init: false })),
  ]
  const statuses = statusesOf(object)
  return (
    <Section title="Containers" note={object.kind === 'Pod' ? '' : 'of the template'}>
      <PlainTable
        label="Containers"
        titles={[
          'Name',
          'Image',
          ...(object.kind === 'Pod' ? ['State', 'Restarts'] : []),
          'Ports',
          'Requests',
          'Limits',
        ]}
        rows={containers.map(({ container, init }) => [
          <>
            {container.name} {init ? <span className="text-faint">init</span> : null}
          </>,
          <span key="image" className="break-all">
            {container.image}
          </span>,
          ...(object.kind === 'Pod' ? stateCells(statuses.get(container.name)) : []),
          (container.ports ?? [])
            .map((port) => `${port.name ?? ''} ${port.containerPort}/${port.protocol ?? 'TCP'}`.trim())
            .join(', '),
          amounts(container.resources?.requests),
          amounts(container.resources?.limits),
        ])}
      />
    </Section>
  )
}

function statusesOf(object: AnyObject): Map<string, ContainerStatus> {
  const lists = [object.status?.['initContainerStatuses'], object.status?.['containerStatuses']]
  const all = lists.flatMap((list) => (list ?? []) as readonly ContainerStatus[])
  return new Map(all.map((status) => [status.name, status]))
}

function stateCells(status: ContainerStatus | undefined) {
  const [state, detail] = Object.entries(status?.state ?? {}).find(([, each]) => each !== undefined) ?? ['waiting', {}]
  const word = detail?.reason ?? { running: 'Running', terminated: 'Terminated', waiting: 'Waiting' }[state] ?? state
  const ready = state === 'running' && status?.ready === false ? ', not ready' : ''
  return [
    <span key="state" className={ready === '' ? statusColor(word) : 'text-warn'}>
      {word}
      {ready}
      {detail?.exitCode === undefined ? '' : `, exit code ${detail.exitCode}`}
    </span>,
    status?.restartCount ?? 0,
  ]
}

function amounts(amount: Readonly<Record<string, string | number>> | undefined): string {
  return Object.entries(amount ?? {})
    .map(([name, quantity]) => `${name} ${quantity}`)
    .join(', ')
}

const shownCharacters = 4000

/** The keys of a ConfigMap with their values, and those of a Secret with their sizes only. */
export function DataKeys({ object }: { object: AnyObject }) {
  if (object.apiVersion !== 'v1' || (object.kind !== 'ConfigMap' && object.kind !== 'Secret')) return null
  const data = Object.entries((object['data'] ?? {}) as Readonly<Record<string, string>>)
  const binary = Object.entries((object['binaryData'] ?? {}) as Readonly<Record<string, string>>)
  if (data.length + binary.length === 0) return <Section title="Data">No keys.</Section>
  const size = (value: string): string => `${base64Bytes(value).toLocaleString('en')} bytes`
  const isSecret = object.kind === 'Secret'
  return (
    <Section title="Data" note={isSecret ? 'values are in the YAML only' : ''}>
      <PlainTable
        label="Data"
        titles={['Key', isSecret ? 'Size' : 'Value']}
        rows={[
          ...data.map(([key, value]) => [
            key,
            isSecret ? (
              size(value)
            ) : (
              <pre key="value" className="font-mono break-all whitespace-pre-wrap">
                {value.slice(0, shownCharacters)}
                {value.length > shownCharacters ? '\n…' : ''}
              </pre>
            ),
          ]),
          ...binary.map(([key, value]) => [key, size(value)]),
        ]}
      />
    </Section>
  )
}

function base64Bytes(text: string): number {
  return Math.floor((text.length * 3) / 4) - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)
}
