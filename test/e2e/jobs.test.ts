import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, kubectlPath, type Product, startProduct } from '../fixtures/product.ts'

/** Work that ends: through the API, the scheduler and simulated nodes, and counted by the job controller. */

let product: Product

beforeAll(() => {
  product = startProduct(['--simulated-nodes', '3', '--no-dashboard'])
}, 240_000)
afterAll(() => product?.remove())

const template = (annotations: Record<string, string> = {}) => ({
  metadata: { annotations: { 'simulated.binnacle.dev/run-seconds': '1', ...annotations } },
  spec: { restartPolicy: 'Never', containers: [{ name: 'app', image: 'app:1' }] },
})

async function apply(kind: 'Job' | 'CronJob', name: string, spec: object): Promise<void> {
  const file = path.join(product.dataDir, `${name}.json`)
  writeFileSync(file, JSON.stringify({ apiVersion: 'batch/v1', kind, metadata: { name }, spec }))
  await product.kubectl('apply', '-f', file)
}

async function get<T = any>(...what: string[]): Promise<T> {
  return JSON.parse(await product.kubectl('get', ...what, '-o', 'json')) as T
}

describe.skipIf(kubectlPath === undefined)('jobs with kubectl', () => {
  it('complete when each index has succeeded', async () => {
    await apply('Job', 'indexed', { completions: 3, parallelism: 2, completionMode: 'Indexed', template: template() })
    await product.kubectl('wait', '--for=condition=complete', 'job/indexed', '--timeout=60s')
    const { metadata, status } = await get('job', 'indexed')
    expect(status).toMatchObject({ succeeded: 3, completedIndexes: '0-2', ready: 0, terminating: 0 })
    expect(metadata.labels).toMatchObject({ 'batch.kubernetes.io/job-name': 'indexed', 'job-name': 'indexed' })
    const { items } = await get('pods', '-l', 'job-name=indexed')
    expect(items.map((pod: any) => pod.spec.hostname).toSorted()).toEqual(['indexed-0', 'indexed-1', 'indexed-2'])
    expect(items.flatMap((pod: any) => pod.metadata.finalizers ?? [])).toEqual([])
    expect(await product.kubectl('get', 'job', 'indexed')).toMatch(/indexed\s+Complete\s+3\/3/)
    expect(await product.kubectl('describe', 'job', 'indexed')).toMatch(/Completed .*Job completed/)
  })

  it('fail when their pods fail, as their policy says', async () => {
    const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }]
    const failing = template({ 'simulated.binnacle.dev/exit-code': '42' })
    await apply('Job', 'failing', { podFailurePolicy: { rules }, template: failing })
    await product.kubectl('wait', '--for=condition=failed', 'job/failing', '--timeout=60s')
    const { status } = await get('job', 'failing')
    expect(status.failed).toBe(1)
    expect(status.conditions.map(({ type, reason }: any) => `${type} ${reason}`)).toEqual([
      'FailureTarget PodFailurePolicy',
      'Failed PodFailurePolicy',
    ])
  })

  it('stop when they are suspended, and go on when they are resumed', async () => {
    const lasting = template({ 'simulated.binnacle.dev/run-seconds': '2' })
    await apply('Job', 'paused', { completions: 2, parallelism: 2, template: lasting })
    await product.kubectl('wait', '--for=jsonpath={.status.ready}=2', 'job/paused', '--timeout=60s')
    await product.kubectl('patch', 'job', 'paused', '-p', '{"spec":{"suspend":true}}')
    await product.kubectl('wait', '--for=condition=suspended', 'job/paused', '--timeout=60s')
    await eventually(async () => expect((await get('pods', '-l', 'job-name=paused')).items).toEqual([]))
    await product.kubectl('patch', 'job', 'paused', '-p', '{"spec":{"suspend":false}}')
    await product.kubectl('wait', '--for=condition=complete', 'job/paused', '--timeout=60s')
    expect((await get('job', 'paused')).status).toMatchObject({ succeeded: 2 })
  })

  it('go with their pods when they have been finished for long enough', async () => {
    await apply('Job', 'passing', { ttlSecondsAfterFinished: 1, template: template() })
    await product.kubectl('wait', '--for=delete', 'job/passing', '--timeout=60s')
    await eventually(async () => expect((await get('pods', '-l', 'job-name=passing')).items).toEqual([]))
  })

  it('run each index once and count it once though the workers are killed meanwhile', async () => {
    await apply('Job', 'shaken', { completions: 40, parallelism: 10, completionMode: 'Indexed', template: template() })
    for (const least of [1, 15]) {
      await eventually(async () => expect((await get('job', 'shaken')).status.succeeded).toBeGreaterThanOrEqual(least))
      const [workers] = product.pids('apps/workers/src/main.ts')
      process.kill(workers as number, 'SIGKILL')
    }
    await product.kubectl('wait', '--for=condition=complete', 'job/shaken', '--timeout=110s')
    const { status } = await get('job', 'shaken')
    expect(status).toMatchObject({ succeeded: 40, completedIndexes: '0-39' })
    expect(status.failed).toBeUndefined()
    const { items } = await get('pods', '-l', 'job-name=shaken')
    expect(new Set(items.map((pod: any) => pod.spec.hostname)).size).toBe(40)
    expect(items).toHaveLength(40)
  }, 240_000)

  it('are deleted with their pods while they run', async () => {
    const lasting = template({ 'simulated.binnacle.dev/run-seconds': '600' })
    await apply('Job', 'lasting', { completions: 2, parallelism: 2, template: lasting })
    await product.kubectl('wait', '--for=jsonpath={.status.ready}=2', 'job/lasting', '--timeout=60s')
    await product.kubectl('delete', 'job', 'lasting', '--timeout=60s')
    await eventually(async () => expect((await get('pods', '-l', 'job-name=lasting')).items).toEqual([]))
  })
})

describe.skipIf(kubectlPath === undefined)('cron jobs with kubectl', () => {
  const jobTemplate = { spec: { template: template() } }

  it('run at their time', async () => {
    await apply('CronJob', 'often', { schedule: '@every 2s', jobTemplate })
    await eventually(async () => {
      const { status } = await get('cronjob', 'often')
      expect(status.lastScheduleTime).toBeDefined()
      expect(status.lastSuccessfulTime).toBeDefined()
    })
    const { items } = await get('jobs')
    const made = items.filter((job: any) => job.metadata.ownerReferences?.[0]?.name === 'often')
    expect(made[0].metadata.name).toMatch(/^often-\d{8}$/)
    await product.kubectl('delete', 'cronjob', 'often')
  })

  it('lend their template to a job by hand', async () => {
    await apply('CronJob', 'yearly', { schedule: '@yearly', timeZone: 'Asia/Tokyo', jobTemplate })
    await product.kubectl('create', 'job', 'by-hand', '--from=cronjob/yearly')
    await product.kubectl('wait', '--for=condition=complete', 'job/by-hand', '--timeout=60s')
    await eventually(async () => expect((await get('cronjob', 'yearly')).status.lastSuccessfulTime).toBeDefined())
    expect(await product.kubectl('get', 'cronjob', 'yearly')).toMatch(/@yearly\s+Asia\/Tokyo\s+False\s+0/)
  })
})
