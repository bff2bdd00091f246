import { type FieldError, invalidValue, qualifiedNameProblems } from '@binnacle/apimachinery'
import { isExtendedResource } from '@binnacle/resources'
import { type ExtenderConfiguration, extenderTimeoutMs, type ExtenderTls } from '../extenders/extender-configuration.ts'
import { durationMs, type Structure } from './structure.ts'

/** One of `extenders` as written. */
export interface ExtenderDocument {
  readonly urlPrefix?: string
  readonly filterVerb?: string
  readonly preemptVerb?: string
  readonly prioritizeVerb?: string
  readonly weight?: number
  readonly bindVerb?: string
  readonly enableHTTPS?: boolean
  readonly tlsConfig?: {
    readonly insecure?: boolean
    readonly serverName?: string
    readonly certFile?: string
    readonly keyFile?: string
    readonly caFile?: string
    /** This and the next two: base64. */
    readonly certData?: string
    readonly keyData?: string
    readonly caData?: string
  }
  readonly httpTimeout?: string
  readonly nodeCacheCapable?: boolean
  readonly managedResources?: readonly { readonly name?: string; readonly ignoredByScheduler?: boolean }[]
  readonly ignorable?: boolean
}

const texts = (...names: string[]): Readonly<Record<string, Structure>> =>
  Object.fromEntries(names.map((name) => [name, 'string']))

/** The structure of `extenders`. */
export const extendersStructure: Structure = {
  list: {
    fields: {
      ...texts('urlPrefix', 'filterVerb', 'preemptVerb', 'prioritizeVerb', 'bindVerb'),
      weight: 'integer',
      enableHTTPS: 'boolean',
      tlsConfig: {
        fields: {
          insecure: 'boolean',
          ...texts('serverName', 'certFile', 'keyFile', 'caFile', 'certData', 'keyData', 'caData'),
        },
      },
      httpTimeout: 'duration',
      nodeCacheCapable: 'boolean',
      managedResources: { list: { fields: { name: 'string', ignoredByScheduler: 'boolean' } } },
      ignorable: 'boolean',
    },
  },
}

/** What an entry of `extenders` asks for. */
export function extenderOf(document: ExtenderDocument): ExtenderConfiguration {
  const { httpTimeout, managedResources = [], tlsConfig } = document
  return {
    urlPrefix: document.urlPrefix ?? '',
    filterVerb: document.filterVerb ?? '',
    prioritizeVerb: document.prioritizeVerb ?? '',
    preemptVerb: document.preemptVerb ?? '',
    bindVerb: document.bindVerb ?? '',
    weight: document.weight ?? 0,
    enableHttps: document.enableHTTPS ?? false,
    tls: tlsConfig === undefined ? undefined : tlsOf(tlsConfig),
    httpTimeoutMs: (httpTimeout === undefined ? 0 : durationMs(httpTimeout)) || extenderTimeoutMs,
    nodeCacheCapable: document.nodeCacheCapable ?? false,
    managedResources: managedResources.map(({ name = '', ignoredByScheduler = false }) => ({
      name,
      ignoredByScheduler,
    })),
    ignorable: document.ignorable ?? false,
  }
}

function tlsOf(document: NonNullable<ExtenderDocument['tlsConfig']>): ExtenderTls {
  const decoded = (text = ''): string => Buffer.from(text, 'base64').toString()
  return {
    insecure: document.insecure ?? false,
    serverName: document.serverName ?? '',
    certFile: document.certFile ?? '',
    keyFile: document.keyFile ?? '',
    caFile: document.caFile ?? '',
    certData: decoded(document.certData),
    keyData: decoded(document.keyData),
    caData: decoded(document.caData),
  }
}

/** What is wrong with `extenders`, by the rules of kube-scheduler's `validateExtenders`. */
export function extendersErrors(extenders: readonly ExtenderConfiguration[]): FieldError[] {
  const managed = new Set<string>()
  const binders = extenders.filter(({ bindVerb }) => bindVerb !== '').length
  return [
    ...extenders.flatMap((extender, i) => [
      ...(extender.prioritizeVerb !== '' && extender.weight <= 0
        ? [invalidValue(`extenders[${i}].weight`, extender.weight, 'must have a positive weight applied to it')]
        : []),
      ...extender.managedResources.flatMap(({ name }, j) => {
        const path = `extenders[${i}].managedResources[${j}].name`
        const isTwice = managed.has(name)
        managed.add(name)
        return [
          ...extendedResourceErrors(path, name),
          ...(isTwice ? [invalidValue(path, name, 'duplicate extender managed resource name')] : []),
        ]
      }),
    ]),
    ...(binders > 1
      ? [
          invalidValue(
            'extenders',
            `found ${binders} extenders implementing bind`,
            'only one extender can implement bind',
          ),
        ]
      : []),
  ]
}

function extendedResourceErrors(path: string, name: string): FieldError[] {
  const problems = qualifiedNameProblems(name).map((problem) => invalidValue(path, name, problem))
  if (problems.length > 0 || isExtendedResource(name)) return problems
  return [invalidValue(path, name, 'is an invalid extended resource name')]
}
