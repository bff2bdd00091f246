import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Product, eventually, https, npm, root, startProduct } from '../fixtures/product.ts'

/** `npm start` and `npm stop`: what they leave in the data directory, what survives, how they fail. */

let product: Product

beforeAll(() => {
  product = startProduct(['--simulated-nodes', '2', '--no-dashboard'])
}, 240_000)
afterAll(() => product?.remove())

describe('npm start', () => {
  it('leaves what people and scripts need in the data directory', () => {
    expect(product.endpoints.api).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    expect(product.endpoints.graphql).toBe(`${product.endpoints.api}/graphql`)
    expect(product.endpoints.graphqlWs).toBe(`${product.endpoints.api.replace('https', 'wss')}/graphql`)
    expect(product.endpoints.dashboard).toBeNull()
    expect(statSync(path.join(product.dataDir, 'admin.kubeconfig')).mode & 0o777).toBe(0o600)
    expect(readFileSync(path.join(product.dataDir, 'ca.crt'), 'utf8')).toContain('BEGIN CERTIFICATE')
  })

  it('shows how far it is, where everything is, and how to end it', () => {
    const steps = [...product.output.matchAll(/^ {2}✓ (.+) \(\d+\.\d s\)$/gm)].map((match) => match[1])
    expect(steps).toEqual(['Keys and certificates', 'Postgres', 'API server', 'Workers', '2 simulated nodes'])
    expect(product.output).toContain(`Binnacle runs. 'npm stop -- --data-dir ${product.dataDir}' ends it.`)
    expect(product.output).toContain(product.endpoints.graphql)
    expect(product.output).toContain(`export KUBECONFIG=${product.dataDir}/admin.kubeconfig`)
  })

  it('serves requests with the admin token and refuses those without', async () => {
    const answer = await https(product, `${product.endpoints.api}/api/v1/namespaces`)
    expect(answer.status).toBe(200)
    const anonymous = await https(product, `${product.endpoints.api}/api/v1/namespaces`, {
      headers: { authorization: '' },
    })
    expect(anonymous.status).toBe(401)
    expect(JSON.parse(anonymous.body)).toMatchObject({ kind: 'Status', reason: 'Unauthorized', code: 401 })
  })

  it('refuses a second start on the same data directory', () => {
    const { port } = new URL(product.endpoints.api)
    const second = npm('start', ['--data-dir', product.dataDir, '--port', port, '--no-dashboard'])
    expect(second.status).toBe(1)
    expect(second.stderr).toMatch(
      /^binnacle: Binnacle already runs on .* stop it with 'npm stop', or use another --data-dir\.\n$/,
    )
  })

  it('finds the data of the first start on the second', async () => {
    const body = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept' }, data: { a: '1' } })
    const created = await https(product, `${product.endpoints.api}/api/v1/namespaces/default/configmaps`, {
      method: 'POST',
      body,
    })
    expect(created.status).toBe(201)
    product.stop()
    product.restart()
    const found = await https(product, `${product.endpoints.api}/api/v1/namespaces/default/configmaps/kept`)
    expect(JSON.parse(found.body)).toEqual(JSON.parse(created.body))
  })

  it('repairs a process that dies', async () => {
    for (const entry of ['apps/workers/src/main.ts', 'apps/api/src/main.ts']) {
      const [pid] = product.pids(entry)
      process.kill(pid as number, 'SIGKILL')
    }
    await eventually(async () => {
      const answer = await https(product, `${product.endpoints.api}/readyz`)
      expect(answer.status).toBe(200)
      expect(product.pids('apps/workers/src/main.ts')).toHaveLength(1)
    })
  })

  it('leaves nothing running after npm stop', () => {
    product.stop()
    for (const entry of ['apps/api/src/main.ts', 'apps/workers/src/main.ts', 'bin/postgres'])
      expect(product.pids(entry)).toEqual([])
  })
})

describe('npm start that cannot', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-refused-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('names a taken port', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const result = npm('start', ['--data-dir', path.join(folder, 'port'), '--port', String(port), '--no-dashboard'])
    server.close()
    expect(result.status).toBe(1)
    expect(result.stderr).toBe(
      `binnacle: Port ${port} is taken or not allowed: choose another with --port N (0: any free one).\n`,
    )
  })

  it('names a data directory that cannot be used', () => {
    const file = path.join(folder, 'file')
    writeFileSync(file, '')
    for (const dataDir of [path.join(file, 'below'), '/proc/binnacle']) {
      const result = npm('start', ['--data-dir', dataDir, '--port', '0', '--no-dashboard'])
      expect(result.status).toBe(1)
      expect(result.stderr).toMatch(/^binnacle: The data directory .* cannot be used: .*\n$/)
    }
  })

  it('names a database that does not answer, and leaves nothing running', () => {
    const dataDir = path.join(folder, 'database')
    mkdirSync(dataDir)
    const result = npm('start', [
      '--data-dir',
      dataDir,
      '--port',
      '0',
      '--no-dashboard',
      '--database-url',
      'postgres://nobody@127.0.0.1:1/none',
    ])
    expect(result.status).toBe(1)
    expect(result.stderr.trim().split('\n')).toHaveLength(1)
    expect(result.stderr).toMatch(/^binnacle: .*(database|Postgres|ECONNREFUSED)/)
  })

  it('leaves nothing running when it is interrupted, whatever was starting at that moment', async () => {
    const dataDir = path.join(folder, 'interrupted')
    for (const step of ['Keys and certificates', 'Postgres', 'API server']) {
      const args = ['run', '--silent', 'start', '--', '--data-dir', dataDir, '--port', '0', '--no-dashboard']
      // A group of its own, which gets the signal as one, as at a terminal.
      const child = spawn('npm', args, { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = new Promise((resolve) => child.once('close', resolve))
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text
        if (text.includes(`✓ ${step}`)) process.kill(-(child.pid as number), 'SIGINT')
      })
      await ended
      expect(output).toContain('Stopped.')
      const processes = execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).split('\n')
      expect(processes.filter((line) => line.includes(dataDir))).toEqual([])
    }
  })

  it('names an unknown option', () => {
    const result = npm('start', ['--no-dashboard', '--colour'])
    expect(result.status).toBe(1)
    expect(result.stderr).toBe("binnacle: Unknown option '--colour'. See 'npm start -- --help'.\n")
  })
})
