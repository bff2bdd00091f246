import { mkdirSync, statSync, type Stats, writeFileSync } from 'node:fs'
import path from 'node:path'
import { VolumeError } from './payload.ts'

const checks: Readonly<Record<string, { readonly what: string; is(stats: Stats): boolean }>> = {
  Directory: { what: 'a directory', is: (stats) => stats.isDirectory() },
  DirectoryOrCreate: { what: 'a directory', is: (stats) => stats.isDirectory() },
  File: { what: 'a file', is: (stats) => stats.isFile() },
  FileOrCreate: { what: 'a file', is: (stats) => stats.isFile() },
  Socket: { what: 'a socket file', is: (stats) => stats.isSocket() },
  CharDevice: { what: 'a character device', is: (stats) => stats.isCharacterDevice() },
  BlockDevice: { what: 'a block device', is: (stats) => stats.isBlockDevice() },
}

/** Checks that a path of the machine is what a hostPath volume says, and makes it where it asks for that (upstream's `hostPathTypeChecker`). */
export function prepareHostPath(hostPath: string, type: string): void {
  const check = checks[type]
  if (check === undefined) return
  const stats = statSync(hostPath, { throwIfNoEntry: false })
  if (stats !== undefined) {
    if (!check.is(stats)) throw new VolumeError(`hostPath type check failed: ${hostPath} is not ${check.what}`)
  } else if (type === 'DirectoryOrCreate') mkdirSync(hostPath, { recursive: true, mode: 0o755 })
  else if (type === 'FileOrCreate') {
    if (statSync(path.dirname(hostPath), { throwIfNoEntry: false }) === undefined)
      throw new VolumeError(`hostPath type check failed: ${hostPath} is not a file`)
    writeFileSync(hostPath, '', { mode: 0o644, flag: 'a' })
  } else throw new VolumeError(`hostPath type check failed: ${hostPath} is not ${check.what}`)
}
