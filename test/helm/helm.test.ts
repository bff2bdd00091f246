import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, https, type Product, startProduct } from '../fixtures/product.ts'

/** Helm, unchanged: a release through its whole life, waiting for readiness each time. */

const helmPath = spawnSync('helm', ['version', '--short'], { encoding: 'utf8' }).status === 0 ? 'helm' : undefined

let product: Product
let folder: string

beforeAll(async () => {
  if (helmPath === undefined) return
  folder = mkdtempSync(path.join(tmpdir(), 'binnacle-helm-'))
  writeChart(path.join(folder, 'shop'))
  product = startProduct(['--simulated-nodes', '3', '--no-dashboard'])
}, 240_000)
afterAll(() => {
  product?.remove()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

async function helm(...args: string[]): Promise<string> {
  const home = { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder }
  const env = { ...process.env, ...home, KUBECONFIG: path.join(product.dataDir, 'admin.kubeconfig') }
  return (await promisify(execFile)('helm', args, { cwd: folder, env, timeout: 120_000 })).stdout
}

async function deployed(): Promise<any> {
  const url = `${product.endpoints.api}/apis/apps/v1/namespaces/shop/deployments/front`
  const { status, body } = await https(product, url)
  return status === 404 ? undefined : JSON.parse(body)
}

function writeChart(chart: string): void {
  mkdirSync(path.join(chart, 'templates'), { recursive: true })
  const write = (name: string, text: string): void => writeFileSync(path.join(chart, name), text)
  write('Chart.yaml', 'apiVersion: v2\nname: shop\nversion: 1.0.0\n')
  write('values.yaml', 'image: nginx:1.27\nreplicas: 2\n')
  write(
    'templates/all.yaml',
    `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {image: {{ .Values.image }}}
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: front}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec: {containers: [{name: web, image: {{ .Values.image }}}]}
`,
  )
}

describe.skipIf(helmPath === undefined)('helm', () => {
  it('installs a chart and waits until it is ready', async () => {
    const output = await helm(
      'install',
      'shop',
      './shop',
      '-n',
      'shop',
      '--create-namespace',
      '--wait',
      '--timeout=90s',
    )
    expect(output).toContain('STATUS: deployed')
    expect((await deployed()).status.readyReplicas).toBe(2)
  })

  it('upgrades it', async () => {
    const values = ['--set', 'image=nginx:1.28,replicas=3']
    const output = await helm('upgrade', 'shop', './shop', '-n', 'shop', ...values, '--wait', '--timeout=90s')
    expect(output).toContain('REVISION: 2')
    const { spec, status } = await deployed()
    expect([spec.template.spec.containers[0].image, status.updatedReplicas, status.readyReplicas]).toEqual([
      'nginx:1.28',
      3,
      3,
    ])
  })

  it('knows its history, and rolls it back', async () => {
    expect(await helm('rollback', 'shop', '1', '-n', 'shop', '--wait', '--timeout=90s')).toContain(
      'Rollback was a success',
    )
    expect((await deployed()).spec.template.spec.containers[0].image).toBe('nginx:1.27')
    const history = JSON.parse(await helm('history', 'shop', '-n', 'shop', '-o', 'json')) as { status: string }[]
    expect(history.map(({ status }) => status)).toEqual(['superseded', 'superseded', 'deployed'])
  })

  it('lists it and tells its manifest', async () => {
    const [release] = JSON.parse(await helm('list', '-n', 'shop', '-o', 'json')) as { name: string; status: string }[]
    expect(release).toMatchObject({ name: 'shop', status: 'deployed' })
    expect(await helm('get', 'manifest', 'shop', '-n', 'shop')).toContain('kind: Deployment')
  })

  it('uninstalls it and waits until everything is gone', async () => {
    expect(await helm('uninstall', 'shop', '-n', 'shop', '--wait', '--timeout=90s')).toContain('uninstalled')
    await eventually(async () => expect(await deployed()).toBeUndefined())
  })
})
