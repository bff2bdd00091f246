import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { containersMissing } from '../container-node-testing.ts'
import { PodCgroups } from '../kubelet/cgroups.ts'
import { openContainerRuntime } from './container-runtime.ts'
import { PrivateContainerd } from './private-containerd.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'bnr-'))
const nodeName = `bnr-${process.pid}`
const machines = new PrivateContainerd(path.join(folder, 'machine'))
const open = (criSocket: string, name = nodeName) =>
  openContainerRuntime({ criSocket, nodeName: name, directory: folder, log: () => undefined })

describe.skipIf(containersMissing !== undefined)('a container runtime of the machine', () => {
  beforeAll(() => machines.start())
  afterAll(async () => {
    await machines.stop()
    new PodCgroups(nodeName).removeAll()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is used where it is told to be, with its own settings, and is left running', async () => {
    const runtime = await open(machines.paths.socket)
    const { pid } = machines
    expect(runtime).toMatchObject({
      ...{ hasEvents: true, cniConfDir: machines.paths.cniConfDir, sandboxImage: 'binnacle.dev/pause:1' },
    })
    expect((await runtime.cri.version()).runtimeName).toBe('containerd')
    await runtime.close(true)
    expect(machines.pid).toBe(pid)
  })

  it("is left alone while another node's pods are in it", async () => {
    const { cri, close } = await open(machines.paths.socket)
    const security = { namespaceOptions: { network: 'NODE', pid: 'CONTAINER', ipc: 'POD' }, privileged: false } as const
    const sandbox = await cri.runPodSandbox({
      ...{ metadata: { name: 'p', uid: 'u', namespace: 'default', attempt: 0 }, hostname: '', portMappings: [] },
      ...{ logDirectory: folder, labels: { 'binnacle.dev/node': nodeName }, annotations: {} },
      linux: { cgroupParent: `/kubepods-${nodeName}`, sysctls: {}, securityContext: security },
    })
    try {
      await (await open(machines.paths.socket)).close(false)
      await expect(open(machines.paths.socket, 'node-b')).rejects.toThrow("another node agent's pods run in it")
    } finally {
      await cri.stopPodSandbox(sandbox)
      await cri.removePodSandbox(sandbox)
      await close(false)
    }
  })

  it('that nobody listens for is refused', async () => {
    const socket = path.join(folder, 'none.sock')
    writeFileSync(socket, '')
    await expect(open(socket)).rejects.toThrow(/connect|ECONNREFUSED|No connection/i)
  })
})
