import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { containersMissing } from '../container-node-testing.ts'
import { CriClient } from './cri-client.ts'
import { PrivateContainerd } from './private-containerd.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'bnc-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(containersMissing !== undefined)('a containerd of the agent', () => {
  it('is kept in a directory whose path is too long for a socket', async () => {
    const containerd = new PrivateContainerd(path.join(folder, 'long'.repeat(30)))
    await containerd.start()
    const cri = new CriClient(containerd.paths.socket)
    try {
      expect(containerd.paths.socket).toMatch(/^\/run\/binnacle\/[0-9a-f]{16}\/containerd\.sock$/)
      expect((await cri.version()).runtimeName).toBe('containerd')
      expect(readFileSync(containerd.paths.config, 'utf8')).toContain('snapshotter = "overlayfs"')
    } finally {
      cri.close()
      await containerd.stop()
    }
  })

  it('copies files where its directory cannot be under an overlay', async () => {
    const at = (name: string): string => path.join(folder, name)
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(at(name))
    const options = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, at('merged')])
    const containerd = new PrivateContainerd(path.join(at('merged'), 'c'))
    try {
      await containerd.start()
      expect(readFileSync(containerd.paths.config, 'utf8')).toContain('snapshotter = "native"')
    } finally {
      await containerd.stop()
      execFileSync('umount', [at('merged')])
    }
  })

  it('is started again when it ends, until it is left', async () => {
    const containerd = new PrivateContainerd(folder)
    await containerd.start()
    const { promise, resolve } = Promise.withResolvers<void>()
    containerd.keep(resolve)
    const { pid } = containerd
    process.kill(pid as number, 'SIGKILL')
    await promise
    expect(containerd.pid).not.toBe(pid)
    await containerd.start()
    await containerd.stop()
    expect(containerd.pid).toBeUndefined()
  })
})
