import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createRequire } from 'node:module'
import { type BrowserContext, type Page, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Product, chromiumPath, https, startProduct } from '../fixtures/product.ts'

/** The dashboard in a real browser, with the API as the second actor. */

const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

let product: Product
let browser: BrowserContext
let page: Page
const profile = mkdtempSync(path.join(tmpdir(), 'binnacle-browser-'))

const deployment = (replicas: number) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx:1.27' }] } },
  },
})

async function send(method: string, where: string, body?: unknown, headers = {}): Promise<void> {
  const answer = await https(product, `${product.endpoints.api}${where}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (answer.status >= 300) throw new Error(answer.body)
}

/** Goes to a path and waits until it is live. */
async function open(target: string): Promise<void> {
  await page.goto(`${product.endpoints.dashboard}${target}`)
  await page.locator('[data-state=live]').waitFor()
}

async function violations(): Promise<string[]> {
  await page.addScriptTag({ path: axePath })
  return page.evaluate(async () => {
    const { violations: found } = await (globalThis as any).axe.run()
    return found.map(
      (violation: any) => `${violation.id}: ${violation.nodes.map((node: any) => node.target.join(' ')).join(', ')}`,
    )
  })
}

describe.skipIf(chromiumPath === undefined)('the dashboard in Chromium', () => {
  beforeAll(async () => {
    product = startProduct(['--simulated-nodes', '3'])
    const args = [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ]
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: chromiumPath as string,
      args,
      viewport: { width: 1400, height: 900 },
    })
    page = await browser.newPage()
  }, 240_000)
  afterAll(async () => {
    await browser?.close()
    product?.remove()
    rmSync(profile, { recursive: true, force: true })
  })

  it('asks for a token and refuses a wrong one', async () => {
    await page.goto(product.endpoints.dashboard as string)
    await page.getByLabel('Token').fill('wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('The API does not accept this token.').waitFor()
  })

  it('signs in with the admin token', async () => {
    await page.getByLabel('Token').fill(product.token)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('navigation', { name: 'Resources' }).getByRole('link', { name: 'Deployment' }).waitFor()
  })

  it('shows objects as they are created, scaled and deleted, without a reload', async () => {
    await page.goto(`${product.endpoints.dashboard}/pods?ns=default`)
    await page.getByRole('heading', { name: 'Pod' }).waitFor()
    const rows = page.getByRole('row', { name: /web-.*Running/ })
    await send('POST', '/apis/apps/v1/namespaces/default/deployments', deployment(2))
    await expect.poll(() => rows.count(), { timeout: 30_000 }).toBe(2)
    await send(
      'PATCH',
      '/apis/apps/v1/namespaces/default/deployments/web/scale',
      { spec: { replicas: 5 } },
      { 'content-type': 'application/merge-patch+json' },
    )
    await expect.poll(() => rows.count(), { timeout: 30_000 }).toBe(5)
    await send(
      'PATCH',
      '/apis/apps/v1/namespaces/default/deployments/web/scale',
      { spec: { replicas: 1 } },
      { 'content-type': 'application/merge-patch+json' },
    )
    await expect.poll(() => rows.count(), { timeout: 60_000 }).toBe(1)
  })

  it('keeps filter and sort in the URL', async () => {
    await page.getByRole('searchbox', { name: 'Filter rows' }).fill('web status:running')
    await page.getByRole('button', { name: 'Name', exact: true }).click()
    await expect.poll(() => new URL(page.url()).searchParams.get('q')).toBe('web status:running')
    await expect.poll(() => page.url()).toContain('sort=Name')
    await page.reload()
    await page.getByRole('row', { name: /web-/ }).first().waitFor()
    expect(await page.getByRole('searchbox', { name: 'Filter rows' }).inputValue()).toBe('web status:running')
    await page.getByRole('searchbox', { name: 'Filter rows' }).fill('!web')
    await page.getByText('No pods match.').waitFor()
    await page.getByRole('button', { name: 'Clear the filters' }).click()
    await page.getByRole('row', { name: /web-/ }).first().waitFor()
  })

  it('is worked with keys alone: select, open, look, and go back to the same row', async () => {
    await open('/pods?q=web')
    await page.getByRole('row', { name: /web-/ }).first().waitFor()
    await page.keyboard.press('j')
    const selected = page.locator('[role=row][aria-selected=true]')
    await selected.waitFor()
    const uid = await selected.getAttribute('data-uid')
    await expect.poll(() => new URL(page.url()).searchParams.get('sel')).toBe(uid)
    await page.keyboard.press('y')
    await page.getByRole('textbox', { name: 'YAML of the object' }).getByText('nginx:1.27').waitFor()
    await page.keyboard.press('Escape')
    await selected.waitFor()
    expect(await selected.getAttribute('data-uid')).toBe(uid)
    expect(new URL(page.url()).searchParams.get('q')).toBe('web')
    await page.keyboard.press('Enter')
    await page.getByRole('tab', { name: 'Summary', selected: true }).waitFor()
    await page.keyboard.press('Escape')
    await selected.waitFor()
    await page.keyboard.press('/')
    expect(await page.locator(':focus').getAttribute('aria-label')).toBe('Filter rows')
    await page.keyboard.press('Escape')
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys and filters' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
  })

  it('never cuts a name off, however many columns there are', async () => {
    const name = 'a-pod-whose-name-is-about-as-long-as-generated-names-get-5d8f9c'
    await send('POST', '/api/v1/namespaces/default/pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { containers: [{ name: 'main', image: 'busybox:1.36' }] },
    })
    await page.setViewportSize({ width: 900, height: 700 })
    await open('/pods?wide=true')
    const link = page.getByRole('link', { name })
    await link.waitFor()
    const cell = await link.locator('..').evaluate(({ clientWidth, scrollWidth }) => ({ clientWidth, scrollWidth }))
    expect(cell.scrollWidth).toBeLessThanOrEqual(cell.clientWidth)
    // It stays in sight when the other columns are scrolled to.
    const grid = page.getByRole('grid')
    await grid.evaluate((element) => (element.scrollLeft = element.scrollWidth))
    const [inside, outside] = [await link.boundingBox(), await grid.boundingBox()]
    expect(inside?.x).toBeGreaterThanOrEqual(outside?.x ?? 0)
    await page.setViewportSize({ width: 1400, height: 900 })
    await send('DELETE', `/api/v1/namespaces/default/pods/${name}?gracePeriodSeconds=0`)
  })

  it('chooses several namespaces, also one that is new', async () => {
    await open('/configmaps')
    await send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'second' } })
    await page.keyboard.press('n')
    await page.getByLabel('second').check()
    await page.getByLabel('default').check()
    await page.keyboard.press('Escape')
    await expect.poll(() => new URL(page.url()).searchParams.get('ns')).toBe('second,default')
    await page.getByRole('row', { name: /second kube-root-ca.crt/ }).waitFor()
    await page.getByRole('row', { name: /default kube-root-ca.crt/ }).waitFor()
    expect(await page.getByRole('row', { name: /kube-system/ }).count()).toBe(0)
    // Other tables keep them.
    await page.getByRole('link', { name: 'Secret', exact: true }).click()
    await expect.poll(() => page.url()).toMatch(/secrets\?ns=second/)
  })

  it('holds only the rows on the screen in the page', async () => {
    const names = Array.from({ length: 400 }, (_, index) => `many-${String(index).padStart(3, '0')}`)
    await Promise.all(
      names.map((name) =>
        send('POST', '/api/v1/namespaces/second/configmaps', {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name },
        }),
      ),
    )
    await open('/configmaps?ns=second&q=many')
    await page.locator('[data-count="400"]').waitFor()
    expect(await page.locator('[data-uid]').count()).toBeLessThan(100)
    await page.keyboard.press('G')
    await page.getByRole('link', { name: 'many-399' }).waitFor()
    await page.keyboard.press('g')
    await page.getByRole('link', { name: 'many-000' }).waitFor()
  })

  it('says what is wrong with a label selector', async () => {
    await open('/pods')
    await page.getByRole('searchbox', { name: 'Label selector' }).fill('app in (')
    await page.keyboard.press('Enter')
    await page.locator('main [role=alert]').getByText('unable to parse requirement').waitFor()
    await page.getByRole('searchbox', { name: 'Label selector' }).fill('app=web')
    await page.keyboard.press('Enter')
    await page.getByRole('row', { name: /web-/ }).first().waitFor()
  })

  it('shows one object with its containers, conditions, labels, relations, YAML and events', async () => {
    await open('/deployments.apps/default/web')
    await page.getByRole('cell', { name: 'Available', exact: true }).waitFor()
    await page.getByRole('cell', { name: 'nginx:1.27' }).waitFor()
    await page.getByRole('tab', { name: 'Related' }).click()
    const pod = page.getByRole('grid', { name: 'Pod' }).getByRole('link', { name: /^web-/ })
    await pod.waitFor()
    await page.getByRole('grid', { name: 'ReplicaSet' }).getByRole('link', { name: /^web-/ }).waitFor()
    await page.getByRole('tab', { name: 'YAML' }).click()
    const yaml = page.getByRole('textbox', { name: 'YAML of the object' })
    await yaml.getByText('nginx:1.27').waitFor()
    await page.getByRole('button', { name: 'Fold all', exact: true }).click()
    await yaml.getByText('nginx:1.27').waitFor({ state: 'hidden' })
    await page.getByRole('tab', { name: 'Events' }).click()
    await page.getByText('ScalingReplicaSet').first().waitFor()
    await page.getByRole('tab', { name: 'Related' }).click()
    await pod.click()
    await page.getByRole('link', { name: 'app=web' }).waitFor()
    await page.getByRole('link', { name: /^ReplicaSet web-/ }).click()
    await page.getByRole('link', { name: 'Deployment web' }).waitFor()
  })

  it('says when an object is deleted under the reader, or never was', async () => {
    await open('/configmaps/second/many-000')
    await page.getByRole('tab', { name: 'Summary' }).waitFor()
    await send('DELETE', '/api/v1/namespaces/second/configmaps/many-000')
    await page.getByText('This object was deleted.').waitFor()
    await page.reload()
    await page.getByText('There is no ConfigMap of this name.').waitFor()
  })

  it('leads on from the short names of kubectl, and says what it does not know', async () => {
    await page.goto(`${product.endpoints.dashboard}/deploy?ns=default`)
    await page.waitForURL(/\/deployments\.apps\?ns=default/)
    await page.goto(`${product.endpoints.dashboard}/sails`)
    await page.getByText('The API serves no resource “sails”.').waitFor()
    const answer = await page.goto(`${product.endpoints.dashboard}/a/b/c/d`)
    expect(answer?.status()).toBe(404)
  })

  it('turns amber when the API is killed, and goes on by itself', async () => {
    await open('/pods?ns=default')
    const before = await page.locator('[data-uid]').count()
    process.kill(product.pids('apps/api/src/main.ts')[0] as number, 'SIGKILL')
    await page.locator('[data-state=reconnecting]').getByText('showing').waitFor()
    expect(await page.locator('[data-uid]').count()).toBe(before)
    await page.locator('[data-state=live]').waitFor({ timeout: 60_000 })
  }, 120_000)

  it('catches up with what was deleted and created while the connection was silent', async () => {
    await open('/configmaps?ns=second&q=many')
    await page.locator('[data-count="399"]').waitFor()
    const server = product.pids('apps/dashboard/server.ts')[0] as number
    process.kill(server, 'SIGSTOP')
    try {
      await page.locator('[data-state=reconnecting]').waitFor({ timeout: 60_000 })
      await send('DELETE', '/api/v1/namespaces/second/configmaps/many-001')
      await send('POST', '/api/v1/namespaces/second/configmaps', {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'many-0005' },
      })
    } finally {
      process.kill(server, 'SIGCONT')
    }
    await page.getByRole('link', { name: 'many-0005' }).waitFor({ timeout: 60_000 })
    await page.getByRole('link', { name: 'many-001' }).waitFor({ state: 'hidden' })
    expect(await page.locator('[data-count]').getAttribute('data-count')).toBe('399')
  }, 180_000)

  it('has a table for every kind that can be listed', async () => {
    await open('/pods')
    const links = page.getByRole('navigation', { name: 'Resources' }).getByRole('link')
    const paths = await links.evaluateAll((elements) => elements.map((element) => element.getAttribute('href')))
    expect(paths.length).toBeGreaterThan(50)
    for (const target of paths) {
      await page.goto(`${product.endpoints.dashboard}${target}`)
      await page.locator('[role=grid][aria-busy=false]').waitFor()
    }
  }, 180_000)

  it.each(
    [
      '/pods',
      '/pods?q=nothing-like-this',
      '/nodes?wide=true',
      '/events',
      '/sails',
      '/configmaps/second/absent',
      '/deployments.apps/default/web',
      '/deployments.apps/default/web?tab=related',
      '/deployments.apps/default/web?tab=yaml',
      '/deployments.apps/default/web?tab=events',
    ].flatMap((target) => (['light', 'dark'] as const).map((scheme) => [target, scheme] as const)),
  )('has no accessibility violation on %s in %s', async (target, colorScheme) => {
    await page.emulateMedia({ colorScheme })
    await page.goto(`${product.endpoints.dashboard}${target}`)
    await page.getByRole('navigation', { name: 'Resources' }).waitFor()
    if (target !== '/sails') await page.locator('[data-state=live]').waitFor()
    if (target.endsWith('tab=yaml')) await page.getByRole('textbox', { name: 'YAML of the object' }).waitFor()
    expect(await violations()).toEqual([])
  })

  it.each(['light', 'dark'] as const)('has no accessibility violation in the menus in %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width: 480, height: 800 })
    await open('/pods')
    await page.getByRole('button', { name: 'Resources' }).click()
    await page.getByRole('navigation', { name: 'Resources' }).waitFor()
    expect(await violations()).toEqual([])
    await page.keyboard.press('n')
    await page.getByLabel('kube-system').waitFor()
    expect(await violations()).toEqual([])
    await page.setViewportSize({ width: 1400, height: 900 })
  })

  it('keeps the token where neither the page nor the address has it', async () => {
    // As text: the page's own globals are none of this program's.
    const seen = await page.evaluate<string[]>(
      '[document.cookie, location.href, JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })]',
    )
    expect(seen.join(' ')).not.toContain(product.token)
    const [cookie] = await browser.cookies()
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' })
  })

  it('signs out, and the way back asks for a token again', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Token').waitFor()
    expect(await violations()).toEqual([])
    expect(await browser.cookies()).toEqual([])
    await page.goBack()
    await page.getByLabel('Token').waitFor()
  })
})
