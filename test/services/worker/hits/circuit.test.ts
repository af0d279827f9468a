import { describe, expect, test } from 'vitest'
import { Circuit } from '#services/worker/hits/circuit.ts'

const middle = { random: () => 0.5 }

/** A circuit that took as many no-answers, each begun and failed a second after the one before, from 0 on. */
const failing = (times: number): Circuit => {
  const circuit = new Circuit(middle)
  for (let n = 0; n < times; n += 1) circuit.failed({ error_class: 'timeout', began: n * 1000 }, n * 1000)
  return circuit
}

describe('a circuit', () => {
  test('opens at the fifth no-answer in a row, not at the fourth: a hit makes four attempts', () => {
    expect(failing(4).state(3000)).toBe('closed')
    const circuit = failing(5)
    expect(circuit.state(4000)).toBe('open')
    expect(circuit.reopensAt).toBe(9000)
    expect(circuit.lastClass).toBe('timeout')
  })

  test('counts only what comes in a row', () => {
    const circuit = failing(4)
    circuit.answered()
    circuit.failed({ error_class: 'timeout', began: 5000 }, 5000)
    expect(circuit.state(5000)).toBe('closed')
  })

  test('does not open for a moment: a target that restarts refuses many at once', () => {
    const circuit = new Circuit(middle)
    for (let n = 0; n < 100; n += 1) expect(circuit.failed({ error_class: 'connection_refused', began: n * 10 }, n * 10)).toBeUndefined()
    expect(circuit.state(1000)).toBe('closed')
    expect(circuit.failed({ error_class: 'connection_refused', began: 2000 }, 2000)).toBe('opened')
  })

  test('opens at once where five attempts were without an answer for long', () => {
    const circuit = new Circuit(middle)
    const changes = [1, 2, 3, 4, 5].map(() => circuit.failed({ error_class: 'timeout', began: 0 }, 30_000))
    expect(changes).toEqual([undefined, undefined, undefined, undefined, 'opened'])
  })

  test('is half open once its time is over, and opens for twice as long where the probe fails, a minute at most', () => {
    const circuit = failing(5)
    const open = [5000]
    for (let at = circuit.reopensAt ?? 0; open.length < 7; at = circuit.reopensAt ?? 0) {
      expect(circuit.state(at - 1)).toBe('open')
      expect(circuit.state(at)).toBe('half_open')
      circuit.failed({ error_class: 'timeout', began: at }, at)
      open.push((circuit.reopensAt ?? 0) - at)
    }
    expect(open).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000])
  })

  test('varies its times by a fifth', () => {
    for (const [random, expected] of [[0, 4000] as const, [0.999_999, 6000] as const]) {
      const circuit = new Circuit({ random: () => random })
      for (let n = 0; n < 5; n += 1) circuit.failed({ error_class: 'timeout', began: 0 }, 4000)
      expect((circuit.reopensAt ?? 0) - 4000).toBeCloseTo(expected, 0)
    }
  })

  test('closes at any answer, also to an attempt from before', () => {
    const circuit = failing(5)
    expect(circuit.answered()).toBe('closed')
    expect(circuit.state(4001)).toBe('closed')
    expect(circuit.downFor(4001)).toBe(0)
    expect(circuit.answered()).toBeUndefined()
  })

  test('learns nothing from attempts that began before it opened', () => {
    const circuit = failing(5)
    const reopensAt = circuit.reopensAt
    circuit.failed({ error_class: 'timeout', began: 3500 }, 4500)
    circuit.failed({ error_class: 'timeout', began: 3600 }, (reopensAt ?? 0) + 1)
    expect(circuit.reopensAt).toBe(reopensAt)
  })

  test('says how long the destination has been silent, from the start of the first attempt', () => {
    const circuit = failing(5)
    expect(circuit.downFor(60_000)).toBe(60_000)
  })
})
