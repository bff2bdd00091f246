import { describe, expect, it } from 'vitest'
import { Timeline, type Time } from './timeline.ts'

class FakeTime implements Time {
  now = 0
  timers = 0
  #timer: { atMs: number; callback: () => void } | undefined

  nowMs(): number {
    return this.now
  }

  setTimer(callback: () => void, afterMs: number): () => void {
    const timer = { atMs: this.now + afterMs, callback }
    this.#timer = timer
    this.timers++
    return () => {
      if (this.#timer === timer) this.#timer = undefined
    }
  }

  pass(untilMs: number): void {
    for (let timer = this.#timer; timer !== undefined && timer.atMs <= untilMs; timer = this.#timer) {
      this.#timer = undefined
      this.now = timer.atMs
      timer.callback()
    }
    this.now = untilMs
  }
}

describe('the timeline', () => {
  it('runs things in the order of their times, none before its time', () => {
    const time = new FakeTime()
    const timeline = new Timeline(time)
    const run: string[] = []
    const times = Array.from({ length: 200 }, (_, i) => (i * 7919) % 1000)
    for (const atMs of times) timeline.at(atMs, () => run.push(`${atMs} ${time.now >= atMs}`))
    time.pass(1000)
    expect(run).toEqual([...times].sort((a, b) => a - b).map((atMs) => `${atMs} true`))
  })

  it('serves things that are close to each other with one timer', () => {
    const time = new FakeTime()
    const timeline = new Timeline(time)
    for (let i = 0; i < 1000; i++) timeline.at(100 + (i % 5), () => {})
    time.pass(200)
    expect(time.timers).toBeLessThan(10)
  })

  it('takes a new thing that comes before all others', () => {
    const time = new FakeTime()
    const timeline = new Timeline(time)
    const run: number[] = []
    timeline.at(1000, () => run.push(1000))
    timeline.at(10, () => run.push(10))
    time.pass(500)
    expect(run).toEqual([10])
  })

  it('runs what a thing adds for now in the next round', () => {
    const time = new FakeTime()
    const timeline = new Timeline(time)
    const run: string[] = []
    timeline.at(10, () => {
      timeline.at(10, () => run.push('added'))
      run.push('first')
    })
    timeline.at(10, () => run.push('second'))
    time.pass(10)
    expect(run).toEqual(['first', 'second', 'added'])
  })

  it('runs nothing after it was stopped', () => {
    const time = new FakeTime()
    const timeline = new Timeline(time)
    const run: string[] = []
    timeline.at(10, () => run.push('late'))
    timeline.stop()
    timeline.at(20, () => run.push('later'))
    time.pass(100)
    expect(run).toEqual([])
  })
})
