import { describe, expect, it } from 'vitest'
import { logQuery } from './log-query.ts'

const query = (text: string): string => String(logQuery(new URLSearchParams(text)))

describe('logQuery', () => {
  it.each([
    ['', ''],
    ['container=app&follow=true&pretty=true', 'follow=true'],
    ['follow=false&previous=0&timestamps=1', 'timestamps=true'],
    ['tailLines=0&limitBytes=1&sinceSeconds=3', 'tailLines=0&limitBytes=1&sinceSeconds=3'],
    ['sinceTime=2026-01-01T00%3A00%3A00Z', 'sinceTime=2026-01-01T00%3A00%3A00Z'],
  ])('passes on what the agent reads: %s', (given, expected) => {
    expect(query(given)).toBe(expected)
  })

  it.each([
    ['tailLines=-1', 'Invalid', 'tailLines: Invalid value: -1: must be greater than or equal to 0'],
    ['limitBytes=0', 'Invalid', 'limitBytes: Invalid value: 0: must be greater than 0'],
    ['sinceSeconds=0', 'Invalid', 'sinceSeconds: Invalid value: 0: must be greater than 0'],
    [
      'sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z',
      'Invalid',
      'at most one of `sinceTime` or `sinceSeconds` may be specified',
    ],
    ['tailLines=few', 'BadRequest', 'parsing "few": invalid syntax'],
    ['sinceTime=yesterday', 'BadRequest', 'parsing time "yesterday"'],
  ])('refuses %s', (given, reason, message) => {
    expect(() => query(given)).toThrow(expect.objectContaining({ reason, message: expect.stringContaining(message) }))
  })
})
