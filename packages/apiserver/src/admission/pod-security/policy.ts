import { type FieldError, invalidValue } from '@binnacle/apimachinery'
import { baselineChecks } from './baseline.ts'
import type { CheckedPod, Violation } from './check.ts'
import { restrictedChecks } from './restricted.ts'

/** How strict: privileged allows everything, baseline what is known not to lead out of the pod, restricted what is hardened besides. */
export type Level = 'privileged' | 'baseline' | 'restricted'

/** A level as of one version of Kubernetes. */
export interface LevelVersion {
  readonly level: Level
  /** The minor version; Infinity for the latest. */
  readonly minor: number
}

/** What a namespace asks for: pods that are refused, noted for the audit, and warned of. */
export interface Policy {
  readonly enforce: LevelVersion
  readonly audit: LevelVersion
  readonly warn: LevelVersion
  /** Labels that make no sense. A level that does not is the strictest for `enforce`, else the laxest. */
  readonly errors: readonly FieldError[]
}

const prefix = 'pod-security.kubernetes.io/'
const levels: readonly Level[] = ['privileged', 'baseline', 'restricted']
const privileged: LevelVersion = { level: 'privileged', minor: Number.POSITIVE_INFINITY }
const noPolicy: Policy = { enforce: privileged, audit: privileged, warn: privileged, errors: [] }
const modes = ['enforce', 'audit', 'warn'] as const

/** Reads the labels of a namespace (pod-security-admission `api/helpers.go` PolicyToEvaluate). Without labels everything is allowed. */
export function policyOf(labels: Readonly<Record<string, string>>): Policy {
  if (!modes.some((mode) => `${prefix}${mode}` in labels || `${prefix}${mode}-version` in labels)) return noPolicy
  const errors: FieldError[] = []
  const [enforce, audit, warn] = modes.map((mode) => readMode(labels, mode, errors)) as [
    LevelVersion,
    LevelVersion,
    LevelVersion,
  ]
  const [enforced, warned] = [labels[`${prefix}enforce`], labels[`${prefix}warn`]]
  // Who says only what is enforced is warned of it, too: where a controller would fail to make its pods.
  const isWarnedToo = warned === undefined && isLevel(enforced) && isStricter(enforced, warn.level)
  if (!isWarnedToo) return { enforce, audit, warn, errors }
  const minor = `${prefix}warn-version` in labels ? warn.minor : enforce.minor
  return { enforce, audit, warn: { level: enforced, minor }, errors }
}

function readMode(
  labels: Readonly<Record<string, string>>,
  mode: (typeof modes)[number],
  errors: FieldError[],
): LevelVersion {
  const [level, version] = [labels[prefix + mode], labels[`${prefix}${mode}-version`]]
  if (level !== undefined && !isLevel(level))
    errors.push(invalidLabel(mode, level, `must be one of ${levels.join(', ')}`))
  const minor = version === undefined ? Number.POSITIVE_INFINITY : minorOf(version)
  if (minor === undefined) errors.push(invalidLabel(`${mode}-version`, version, 'must be "latest" or "v1.x"'))
  const known = level === undefined ? 'privileged' : isLevel(level) ? level : undefined
  return {
    level: known ?? (mode === 'enforce' ? 'restricted' : 'privileged'),
    minor: minor ?? Number.POSITIVE_INFINITY,
  }
}

function invalidLabel(key: string, value: unknown, why: string): FieldError {
  return invalidValue(`metadata.labels[${prefix}${key}]`, value, why)
}

function isLevel(text: string | undefined): text is Level {
  return (levels as readonly (string | undefined)[]).includes(text)
}

function minorOf(version: string): number | undefined {
  if (version === 'latest') return Number.POSITIVE_INFINITY
  const match = /^v1\.(0|[1-9]\d*)$/.exec(version)
  return match === null ? undefined : Number(match[1])
}

/** The first level allows less than the second. */
export function isStricter(level: Level, other: Level): boolean {
  return levels.indexOf(level) > levels.indexOf(other)
}

/** `restricted:latest`, `baseline:v1.28`. */
export function levelVersionText({ level, minor }: LevelVersion): string {
  return `${level}:${minor === Number.POSITIVE_INFINITY ? 'latest' : `v1.${minor}`}`
}

/** The same level of the same version. */
export function isSameLevel(a: LevelVersion, b: LevelVersion): boolean {
  return a.level === b.level && a.minor === b.minor
}

/** What of the level the pod breaks, in the order of the checks' names, those of baseline first. */
export function violationsOf({ level, minor }: LevelVersion, pod: CheckedPod): readonly Violation[] {
  if (level === 'privileged') return []
  const checks = level === 'baseline' ? baselineChecks : [...baselineChecks, ...restrictedChecks]
  const active = checks.flatMap(({ id, versions }) => {
    const version = versions.findLast(({ since }) => since <= minor)
    return version === undefined ? [] : [{ id, version }]
  })
  const replaced = new Set(active.map(({ version }) => version.replaces))
  return active.filter(({ id }) => !replaced.has(id)).flatMap(({ version }) => version.violationOf(pod) ?? [])
}

/** Why the pod is refused: `hostPort (container "c" uses hostPort 80), privileged (…)`. */
export function detailsText(violations: readonly Violation[]): string {
  return violations.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ')
}

/** Likewise of several pods at once: `hostPort, privileged`. */
export function reasonsText(violations: readonly Violation[]): string {
  return violations.map(({ reason }) => reason).join(', ')
}
