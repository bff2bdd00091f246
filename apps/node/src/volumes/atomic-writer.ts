import { randomBytes } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  chmodSync,
  chownSync,
  readdirSync,
} from 'node:fs'
import path from 'node:path'

/** A file of a volume: its bytes and permission bits. */
export interface VolumeFile {
  readonly data: Buffer
  readonly mode: number
}

/** The files of a volume, by their path in it. */
export type Payload = ReadonlyMap<string, VolumeFile>

/** The link that leads to the present files. */
const dataLink = '..data'

/**
 * Makes the directory hold just these files, all at once for whoever reads them (upstream's `AtomicWriter`): they are written to a new directory, then the
 * link `..data`, through which all names lead, is swung over. Nothing is written when nothing changed. Returns whether something was.
 */
export function writeAtomically(directory: string, payload: Payload, groupID: number | undefined): boolean {
  const link = path.join(directory, dataLink)
  const old = readLink(link)
  if (old !== undefined && isSame(path.join(directory, old), payload)) {
    linkNames(directory, payload)
    return false
  }
  const name = `..${new Date().toISOString().replaceAll(/[-:TZ]/g, '_')}${randomBytes(4).toString('hex')}`
  const next = path.join(directory, name)
  mkdirSync(next)
  chmodSync(next, 0o755)
  if (groupID !== undefined) chownSync(next, 0, groupID)
  for (const [relative, file] of payload) writeFile(next, relative, file, groupID)
  const newLink = path.join(directory, '..data_tmp')
  rmSync(newLink, { force: true })
  symlinkSync(name, newLink)
  renameSync(newLink, link)
  linkNames(directory, payload)
  if (old !== undefined) rmSync(path.join(directory, old), { recursive: true, force: true })
  return true
}

function writeFile(root: string, relative: string, { data, mode }: VolumeFile, groupID: number | undefined): void {
  const file = path.join(root, relative)
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 })
  writeFileSync(file, data)
  // Of a volume with a group, the group may read what the owner may (`SetVolumeOwnership`).
  if (groupID !== undefined) chownSync(file, 0, groupID)
  chmodSync(file, groupID === undefined ? mode : mode | ((mode & 0o700) >> 3))
}

/** What users see: a link for each first part of a path, and none that leads nowhere. */
function linkNames(directory: string, payload: Payload): void {
  const names = new Set([...payload.keys()].map((relative) => relative.split('/')[0] as string))
  for (const name of names) {
    const link = path.join(directory, name)
    if (readLink(link) === undefined) symlinkSync(path.join(dataLink, name), link)
  }
  for (const name of readdirSync(directory)) {
    if (!name.startsWith('..') && !names.has(name)) rmSync(path.join(directory, name), { force: true })
  }
}

function readLink(link: string): string | undefined {
  try {
    return lstatSync(link).isSymbolicLink() ? readlinkSync(link) : undefined
  } catch {
    return undefined
  }
}

function isSame(root: string, payload: Payload): boolean {
  if (!existsSync(root)) return false
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(path.join(root, name)).isFile(),
  )
  if (files.length !== payload.size) return false
  return [...payload].every(([relative, { data }]) => {
    const file = path.join(root, relative)
    return existsSync(file) && readFileSync(file).equals(data)
  })
}
