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
    await page.getByRole('searchbox', { name: 'Filter rows' }).fill('web')
    await page.getByRole('button', { name: 'Name', exact: true }).click()
    await expect.poll(() => page.url()).toContain('q=web')
    await expect.poll(() => page.url()).toContain('sort=Name')
    await page.reload()
    await page.getByRole('row', { name: /web-/ }).first().waitFor()
    expect(await page.getByRole('searchbox', { name: 'Filter rows' }).inputValue()).toBe('web')
  })

  it('shows one object with its YAML, conditions and events', async () => {
    await page.goto(`${product.endpoints.dashboard}/deployments.apps/default/web`)
    await page.getByRole('cell', { name: 'Available', exact: true }).waitFor()
    await page.getByRole('tab', { name: 'YAML' }).click()
    await page.getByRole('textbox', { name: 'YAML of the object' }).getByText('nginx:1.27').waitFor()
    await page.getByRole('tab', { name: 'Events' }).click()
    await page.getByText('ScalingReplicaSet').first().waitFor()
  })

  it('has a table for every kind that can be listed', async () => {
    const links = page.getByRole('navigation', { name: 'Resources' }).getByRole('link')
    const paths = await links.evaluateAll((elements) => elements.map((element) => element.getAttribute('href')))
    expect(paths.length).toBeGreaterThan(50)
    for (const target of paths) {
      await page.goto(`${product.endpoints.dashboard}${target}`)
      await page.locator('[role=table][aria-busy=false]').waitFor()
    }
  }, 180_000)

  it.each(['/pods', '/nodes', '/deployments.apps/default/web'])(
    'has no accessibility violation on %s',
    async (target) => {
      await page.goto(`${product.endpoints.dashboard}${target}`)
      await page.getByText(/^live/).waitFor()
      await page.addScriptTag({ path: axePath })
      const violations = await page.evaluate(async () => {
        const { violations } = await (globalThis as any).axe.run()
        return violations.map(
          (violation: any) =>
            `${violation.id}: ${violation.nodes.map((node: any) => node.target.join(' ')).join(', ')}`,
        )
      })
      expect(violations).toEqual([])
    },
  )

  it('signs out', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Token').waitFor()
  })
})
