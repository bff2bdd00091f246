import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readConfig } from './config.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-workers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function withScheduler(text: string): ReturnType<typeof readConfig> {
  const file = path.join(folder, 'scheduler.yaml')
  writeFileSync(file, text)
  return readConfig(['--database-url', 'postgres://h/db', '--scheduler-config', file])
}

const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n'

describe('--scheduler-config', () => {
  it('reads the profiles of a file', () => {
    const text = `${head}profiles:\n- schedulerName: default-scheduler\n- schedulerName: packing\n  percentageOfNodesToScore: 100\n`
    expect(withScheduler(text).scheduler?.profiles.map((p) => [p.schedulerName, p.percentageOfNodesToScore])).toEqual([
      ['default-scheduler', undefined],
      ['packing', 100],
    ])
  })

  it('may be left out', () => {
    expect(readConfig(['--database-url', 'postgres://h/db']).scheduler).toBeUndefined()
  })

  it.each([
    [`${head}profile: []\n`, 'strict decoding error: unknown field "profile"'],
    [`${head}parallelism: 1\nparallelism: 2\n`, 'Map keys must be unique'],
    [`${head}profiles: [\n`, 'Flow sequence in block collection'],
  ])('names the file and what is wrong with it: %j', (text, message) => {
    expect(() => withScheduler(text)).toThrow(message)
    expect(() => withScheduler(text)).toThrow(/^--scheduler-config .*scheduler\.yaml: /)
  })
})

describe('--allocate-node-cidrs', () => {
  const read = (...args: string[]) => readConfig(['--database-url', 'postgres://h/db', ...args]).nodeAddressing

  it('cuts the range of the cluster into ranges of nodes', () => {
    expect(read('--cluster-cidr', '10.0.0.0/16')).toBeUndefined()
    expect(read('--allocate-node-cidrs', '--cluster-cidr', '10.0.0.0/16', '--node-cidr-mask-size', '25')).toEqual({
      clusterCidrs: ['10.0.0.0/16'],
      serviceCidrs: ['10.96.0.0/16'],
      nodeMaskSizeIPv4: 25,
      nodeMaskSizeIPv6: 25,
    })
    const two = ['--allocate-node-cidrs', '--cluster-cidr', '10.0.0.0/16,fd00::/56', '--node-cidr-mask-size-ipv6', '66']
    expect(read(...two)).toMatchObject({ nodeMaskSizeIPv4: 24, nodeMaskSizeIPv6: 66 })
  })

  it('needs a range, and one size for each', () => {
    expect(() => read('--allocate-node-cidrs')).toThrow('--allocate-node-cidrs needs a --cluster-cidr')
    const two = ['--allocate-node-cidrs', '--cluster-cidr', '10.0.0.0/16,fd00::/56', '--node-cidr-mask-size', '24']
    expect(() => read(...two)).toThrow('--node-cidr-mask-size is for one --cluster-cidr')
  })
})
