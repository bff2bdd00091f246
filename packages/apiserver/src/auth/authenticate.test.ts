import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SignJWT } from 'jose'
import type { StoredKey, StoredObject } from '@binnacle/store'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refusal } from '../test-server.ts'
import { Authenticator, type TokenSubject } from './authenticate.ts'

let folder = ''
let nowMs = Date.UTC(2030, 0, 1)
const objects = new Map<string, StoredObject>()

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'binnacle-auth-'))
  nowMs = Date.UTC(2030, 0, 1)
  objects.clear()
  put('serviceaccounts', 'ns', 'robot', 'uid-1')
})
afterEach(() => rmSync(folder, { recursive: true }))

function put(resource: string, namespace: string, name: string, uid: string, metadata: object = {}): void {
  const object = { uid, parse: () => ({ metadata: { name, ...metadata } }) } as unknown as StoredObject
  objects.set(`${resource}/${namespace}/${name}`, object)
}
const store = { get: ({ resource, namespace, name }: StoredKey) => objects.get(`${resource}/${namespace}/${name}`) }
const keyPem = (type: 'ec' | 'rsa'): string => {
  const { privateKey } =
    type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
const issuer = 'https://issuer'
const authenticator = (options: { tokenFile?: string; key?: string } = {}) =>
  new Authenticator({
    store,
    issuer,
    nowMs: () => nowMs,
    tokenFile: options.tokenFile,
    serviceAccountKey: options.key ?? keyPem('ec'),
  })
const subject = (extra: Partial<TokenSubject> = {}): TokenSubject => ({
  namespace: 'ns',
  name: 'robot',
  uid: 'uid-1',
  audiences: [issuer],
  nowSeconds: nowMs / 1000,
  expirationSeconds: 600,
  bound: {},
  ...extra,
})
const robot = {
  name: 'system:serviceaccount:ns:robot',
  uid: 'uid-1',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
}

describe('client certificates', () => {
  it('name the user and its groups', async () => {
    const clientCertificate = { commonName: 'jane', organizations: ['dev', 'ops'] }
    expect(await authenticator().authenticate({ clientCertificate })).toEqual({
      name: 'jane',
      groups: ['dev', 'ops', 'system:authenticated'],
    })
  })
})

describe('static tokens', () => {
  const file = (text: string): string => {
    const tokenFile = path.join(folder, 'tokens.csv')
    writeFileSync(tokenFile, text)
    return tokenFile
  }

  it('name the user, its uid and its groups', async () => {
    const tokenFile = file('secret,jane,7,"dev,ops"\nplain,joe,8,dev\nbare,jim,\n"quo""ted",jo,9\nbroken\n')
    const known = authenticator({ tokenFile })
    expect(await known.authenticate({ bearerToken: 'secret' })).toEqual({
      name: 'jane',
      uid: '7',
      groups: ['dev', 'ops', 'system:authenticated'],
    })
    expect((await known.authenticate({ bearerToken: 'plain' })).groups).toEqual(['dev', 'system:authenticated'])
    expect(await known.authenticate({ bearerToken: 'bare' })).toEqual({ name: 'jim', groups: ['system:authenticated'] })
    expect((await known.authenticate({ bearerToken: 'quo"ted' })).name).toBe('jo')
    expect((await refusal(known.authenticate({ bearerToken: 'broken' }))).code).toBe(401)
  })

  it('are read again when the file changes', async () => {
    const known = authenticator({ tokenFile: file('one,jane,1\n') })
    file('two,jane,1,"with,groups"\n')
    expect((await known.authenticate({ bearerToken: 'two' })).name).toBe('jane')
    expect((await refusal(known.authenticate({ bearerToken: 'one' }))).reason).toBe('Unauthorized')
  })

  it('still hold while the file is away', async () => {
    const tokenFile = file('one,jane,1\n')
    const known = authenticator({ tokenFile })
    rmSync(tokenFile)
    expect((await known.authenticate({ bearerToken: 'one' })).name).toBe('jane')
  })
})

describe('ServiceAccount tokens', () => {
  for (const type of ['ec', 'rsa'] as const) {
    it(`signed with an ${type} key name the account`, async () => {
      const known = authenticator({ key: keyPem(type) })
      const user = await known.authenticate({ bearerToken: await known.sign(subject()) })
      expect(user).toMatchObject(robot)
      expect(user.extra?.['authentication.kubernetes.io/credential-id']?.[0]).toMatch(/^JTI=[0-9a-f-]{36}$/)
    })
  }

  it('end', async () => {
    const known = authenticator()
    const bearerToken = await known.sign(subject())
    nowMs += 599_000
    expect((await known.authenticate({ bearerToken })).name).toBe(robot.name)
    nowMs += 1000
    expect(await refusal(known.authenticate({ bearerToken }))).toMatchObject({
      code: 401,
      reason: 'Unauthorized',
      message: 'Unauthorized',
    })
  })

  it('of another issuer, key or audience do not count', async () => {
    const known = authenticator()
    const foreign = await authenticator().sign(subject())
    expect((await refusal(known.authenticate({ bearerToken: foreign }))).code).toBe(401)
    const elsewhere = await known.sign(subject({ audiences: ['vault'] }))
    expect((await refusal(known.authenticate({ bearerToken: elsewhere }))).code).toBe(401)
    const [head, body] = (await known.sign(subject())).split('.')
    expect((await refusal(known.authenticate({ bearerToken: `${head}.${body}.AAAA` }))).code).toBe(401)
    const unsigned = Buffer.from('{"alg":"none"}').toString('base64url')
    expect((await refusal(known.authenticate({ bearerToken: `${unsigned}.${body}.` }))).code).toBe(401)
  })

  it('end with the account, also when it is made anew', async () => {
    const known = authenticator()
    const bearerToken = await known.sign(subject())
    expect((await known.authenticate({ bearerToken })).name).toBe(robot.name)
    put('serviceaccounts', 'ns', 'robot', 'uid-2')
    expect((await refusal(known.authenticate({ bearerToken }))).code).toBe(401)
    objects.clear()
    expect((await refusal(known.authenticate({ bearerToken }))).code).toBe(401)
  })

  it('end a minute after what they are bound to was deleted', async () => {
    const known = authenticator()
    const bearerToken = await known.sign(subject({ bound: { pod: { name: 'p', uid: 'uid-p' } } }))
    expect((await refusal(known.authenticate({ bearerToken }))).code).toBe(401)
    put('pods', 'ns', 'p', 'uid-p', { deletionTimestamp: '2030-01-01T00:00:00Z' })
    nowMs += 59_000
    expect((await known.authenticate({ bearerToken })).extra).toMatchObject({
      'authentication.kubernetes.io/pod-name': ['p'],
      'authentication.kubernetes.io/pod-uid': ['uid-p'],
    })
    nowMs += 2000
    expect((await refusal(known.authenticate({ bearerToken }))).code).toBe(401)
  })
})

describe('no credentials', () => {
  it('are not enough', async () => {
    expect((await refusal(authenticator().authenticate({}))).code).toBe(401)
    expect((await refusal(authenticator().authenticate({ bearerToken: '' }))).code).toBe(401)
  })
})

describe('tokens that Secrets hold', () => {
  const prefix = 'kubernetes.io/serviceaccount'
  const key = keyPem('ec')
  const claims = {
    [`${prefix}/namespace`]: 'ns',
    [`${prefix}/secret.name`]: 'robot-token',
    [`${prefix}/service-account.name`]: 'robot',
    [`${prefix}/service-account.uid`]: 'uid-1',
  }
  const legacyToken = async (): Promise<string> =>
    await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer('kubernetes/serviceaccount')
      .sign(createPrivateKey(key))
  const hold = (token: string, metadata: object = {}): void => {
    const data = { token: Buffer.from(token).toString('base64') }
    const parse = () => ({ metadata: { name: 'robot-token', ...metadata }, data })
    objects.set('secrets/ns/robot-token', { uid: 's', parse } as unknown as StoredObject)
  }

  it('are their account, however old', async () => {
    const token = await legacyToken()
    hold(token)
    expect(await authenticator({ key }).authenticate({ bearerToken: token })).toEqual(robot)
  })

  it.each<[string, (token: string) => void]>([
    ['its Secret is gone', () => undefined],
    ['its Secret holds another', () => hold('another')],
    ['its Secret is being deleted', (token) => hold(token, { deletionTimestamp: '2030-01-01T00:00:00Z' })],
    [
      'its Secret was not used for long',
      (token) => hold(token, { labels: { 'kubernetes.io/legacy-token-invalid-since': '2029-01-01' } }),
    ],
    [
      'its account was replaced',
      (token) => {
        hold(token)
        put('serviceaccounts', 'ns', 'robot', 'uid-2')
      },
    ],
  ])('do not hold when %s', async (_, arrange) => {
    const token = await legacyToken()
    arrange(token)
    expect((await refusal(authenticator({ key }).authenticate({ bearerToken: token }))).code).toBe(401)
  })

  it('are noted once a day as used', async () => {
    const uses: string[] = []
    const noting = new Authenticator({
      store,
      issuer,
      nowMs: () => nowMs,
      serviceAccountKey: key,
      onSecretTokenUse: ({ namespace, name }, day) => uses.push(`${namespace}/${name} ${day}`),
    })
    const token = await legacyToken()
    hold(token, { labels: { 'kubernetes.io/legacy-token-last-used': '2029-12-31' } })
    await noting.authenticate({ bearerToken: token })
    hold(token, { labels: { 'kubernetes.io/legacy-token-last-used': '2030-01-01' } })
    await noting.authenticate({ bearerToken: token })
    expect(uses).toEqual(['ns/robot-token 2030-01-01'])
  })

  it('are for this API only', async () => {
    const token = await legacyToken()
    hold(token)
    expect(await authenticator({ key }).verifyToken(token, ['elsewhere'])).toBe('invalid bearer token')
  })
})
