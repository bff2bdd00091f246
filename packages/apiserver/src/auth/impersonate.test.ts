import type { StatusError } from '@binnacle/apimachinery'
import { describe, expect, it } from 'vitest'
import { type Impersonation, impersonate } from './impersonate.ts'

const admin = { name: 'admin', groups: ['system:authenticated'] }
const refused = (user: typeof admin, wanted: Impersonation): StatusError => {
  try {
    impersonate(user, wanted)
  } catch (error) {
    return error as StatusError
  }
  throw new Error('not refused')
}

describe('impersonation', () => {
  it('changes nothing when nobody is asked for', () => {
    expect(impersonate(admin, {})).toBe(admin)
  })

  it('acts as a user with groups, uid and extra', () => {
    const wanted = { user: 'jane', uid: '7', groups: ['dev'], extra: { scope: ['view'] } }
    expect(impersonate(admin, wanted)).toEqual({
      name: 'jane',
      uid: '7',
      groups: ['dev', 'system:authenticated'],
      extra: { scope: ['view'] },
    })
  })

  it('gives a ServiceAccount its groups', () => {
    expect(impersonate(admin, { user: 'system:serviceaccount:ns:robot' }).groups).toEqual([
      'system:serviceaccounts',
      'system:serviceaccounts:ns',
      'system:authenticated',
    ])
  })

  it('makes the anonymous user no authenticated one', () => {
    expect(impersonate(admin, { user: 'system:anonymous' }).groups).toEqual(['system:unauthenticated'])
  })

  it('needs a user, and the right to do it', () => {
    expect(refused(admin, { groups: ['dev'] }).code).toBe(400)
    expect(refused({ name: 'system:anonymous', groups: ['system:unauthenticated'] }, { user: 'jane' }).message).toBe(
      'users "jane" is forbidden: User "system:anonymous" cannot impersonate resource "users" in API group "" at the cluster scope',
    )
  })
})
