import { describe, expect, it } from 'vitest'
import { matchProxy } from './proxy-target.ts'

describe('matchProxy', () => {
  const pod = '/api/v1/namespaces/ns/pods'

  it.each([
    [`${pod}/web/proxy`, { plural: 'pods', namespace: 'ns', name: 'web', port: '', rest: '' }],
    [`${pod}/web:80/proxy/`, { name: 'web', port: '80', rest: '/' }],
    [`${pod}/https:web:443/proxy/a/b`, { scheme: 'https', name: 'web', port: '443', rest: '/a/b' }],
    [`${pod}/http%3Aweb%3A/proxy/`, { scheme: 'http', name: 'web', port: '' }],
    ['/api/v1/namespaces/ns/services/web:http/proxy/x', { plural: 'services', port: 'http', rest: '/x' }],
    ['/api/v1/nodes/one/proxy/pods', { plural: 'nodes', namespace: '', name: 'one', rest: '/pods' }],
  ])('reads %s', (path, expected) => {
    expect(matchProxy(path)).toMatchObject(expected)
  })

  it.each([`${pod}/web`, `${pod}/web/proxies`, '/api/v1/namespaces/ns/secrets/a/proxy', '/apis/x/v1/nodes/one/proxy'])(
    'leaves %s to others',
    (path) => {
      expect(matchProxy(path)).toBeUndefined()
    },
  )

  it.each(['ftp:web:1', 'a:b:c:d', ':80', 'https::1'])('refuses %s', (id) => {
    expect(() => matchProxy(`${pod}/${id}/proxy/`)).toThrow(`invalid pod request "${id}"`)
  })
})
