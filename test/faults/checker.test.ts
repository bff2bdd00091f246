import { describe, expect, it } from 'vitest'
import { problemsOf } from './checker.ts'
import type { Attempt, History, SeenEvent } from './history.ts'

const event = (type: SeenEvent['type'], revision: number, name: string, token: string, uid = `uid-${name}`) =>
  ({ type, revision, name, token, uid }) satisfies SeenEvent

const attempts: Attempt[] = [
  { client: 'a', writes: [{ name: 'x', kind: 'create', token: 'x1' }], outcome: 'acknowledged', revisions: [10] },
  { client: 'a', writes: [{ name: 'x', kind: 'update', token: 'x2', base: 10 }], outcome: 'unknown' },
  {
    client: 'b',
    writes: [
      { name: 'g', kind: 'create', token: 'g1' },
      { name: 'h', kind: 'create', token: 'h1' },
    ],
    outcome: 'acknowledged',
    revisions: [12, 13],
  },
  { client: 'b', writes: [{ name: 'g', kind: 'create', token: 'g2' }], outcome: 'refused' },
  { client: 'b', writes: [{ name: 'lost', kind: 'create', token: 'l1' }], outcome: 'unknown' },
  { client: 'b', writes: [{ name: 'h', kind: 'delete', token: 'uid-h' }], outcome: 'acknowledged' },
]
const events = [
  event('ADDED', 10, 'x', 'x1'),
  event('MODIFIED', 11, 'x', 'x2'),
  event('ADDED', 12, 'g', 'g1'),
  event('ADDED', 13, 'h', 'h1'),
  event('DELETED', 15, 'h', 'h1'),
]
const listed = [event('ADDED', 11, 'x', 'x2'), event('ADDED', 12, 'g', 'g1')]
const sound: History = { attempts, reference: events, watchers: { watcher: events }, lists: { server: listed } }

/** The sound history with other events everywhere. */
const withEvents = (reference: SeenEvent[]): History => ({ ...sound, reference, watchers: { watcher: reference } })
const without = (index: number): SeenEvent[] => events.filter((_, at) => at !== index)
const withAttempt = (attempt: Attempt): History => ({ ...sound, attempts: [...attempts, attempt] })

describe('the checker of faults', () => {
  it('finds nothing in a sound history', () => {
    expect(problemsOf(sound)).toEqual([])
  })

  const planted: [string, History, string][] = [
    [
      'an acknowledged create that is missing',
      withEvents(without(0)),
      'create of x (x1) was acknowledged and is missing',
    ],
    [
      'an acknowledged delete that is missing',
      withEvents(without(4)),
      'delete of h (uid-h) was acknowledged and is missing',
    ],
    [
      'a refused write that is there',
      withEvents([...events, event('ADDED', 16, 'g', 'g2')]),
      'create of g (g2) was refused and is there at 16',
    ],
    [
      'a write under another revision than was told',
      withEvents(events.map((e) => (e.token === 'x1' ? { ...e, revision: 9 } : e))),
      'was acknowledged at 10 and is at 9',
    ],
    [
      'a lost update',
      withEvents([events[0] as SeenEvent, event('MODIFIED', 10.5, 'x', 'other'), ...events.slice(1)]),
      'update of x (x2) was meant for revision 10 and replaced 10.5',
    ],
    ['half of a group', withEvents(without(3).slice(0, 3)), 'of the group g1, h1 only 1 of 2 are there'],
    [
      'a group that others came between',
      withEvents(events.map((e) => (e.token === 'h1' && e.type === 'ADDED' ? { ...e, revision: 14 } : e))),
      'the group g1, h1 is spread over 12, 14',
    ],
    ['a write that nobody asked for', withEvents([...events, event('ADDED', 20, 'y', 'y1')]), 'nobody asked for it'],
    ['a write done twice', withEvents([...events, event('MODIFIED', 20, 'x', 'x2')]), 'it was done twice'],
    ['a second creation', withEvents([...events, event('ADDED', 20, 'x', 'l1')]), 'it existed already'],
    ['a change of what is not there', withEvents([...events, event('MODIFIED', 20, 'h', 'l1')]), 'it did not exist'],
    ['a changed uid', withEvents([...events, event('MODIFIED', 20, 'x', 'l1', 'uid-other')]), 'its uid has changed'],
    [
      'an event that a watcher missed',
      { ...sound, watchers: { w: without(1) } },
      'w: MODIFIED x at 11 (x2) was seen 0 times',
    ],
    [
      'an event that a watcher saw twice',
      { ...sound, watchers: { w: [...events.slice(0, 2), ...events.slice(1)] } },
      'w: MODIFIED x at 11 (x2) was seen 2 times',
    ],
    [
      'events in another order',
      { ...sound, watchers: { w: [events[1] as SeenEvent, events[0] as SeenEvent, ...events.slice(2)] } },
      'w: ADDED x at 10 (x1) came after MODIFIED x at 11 (x2)',
    ],
    [
      'an event that only a watcher saw',
      { ...sound, watchers: { w: [...events, event('ADDED', 30, 'z', 'z1')] } },
      'w: ADDED z at 30 (z1) is not in the reference',
    ],
    [
      'a list that lacks an object',
      { ...sound, lists: { s: listed.slice(1) } },
      's: does not list MODIFIED x at 11 (x2)',
    ],
    [
      'a list with an old state',
      { ...sound, lists: { s: [event('ADDED', 10, 'x', 'x1'), ...listed.slice(1)] } },
      's: lists x at 10 (x1) instead of MODIFIED x at 11 (x2)',
    ],
    [
      'a list with what was deleted',
      { ...sound, lists: { s: [...listed, event('ADDED', 13, 'h', 'h1')] } },
      's: lists h, which should not be there',
    ],
    [
      'an acknowledged write that never came to be',
      withAttempt({ client: 'c', writes: [{ name: 'n', kind: 'create', token: 'n1' }], outcome: 'acknowledged' }),
      'c: create of n (n1) was acknowledged and is missing',
    ],
  ]

  it.each(planted)('finds %s', (_, history, problem) => {
    expect(problemsOf(history).join('\n')).toContain(problem)
  })
})
