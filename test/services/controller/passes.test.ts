import { expect, it } from 'vitest'
import { Passes } from '#services/controller/fleet/slices.ts'
import { HeldClock } from './held-clock.ts'

it('at most one of many passes goes on in a turn of the event loop, and each gets its turns', async () => {
  const clock = new HeldClock()
  const passes = new Passes(clock)
  let turn = 0
  let over = false
  const count = () => {
    turn++
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  const went: { readonly turn: number; readonly pass: number }[] = []
  const walk = async (pass: number) => {
    const slices = await passes.begin()
    for (let part = 0; part < 3; part++) {
      went.push({ turn, pass })
      clock.pass(5)
      let steps = 1
      while (!slices.due()) steps++
      expect(steps).toBe(256)
      await slices.next()
    }
  }
  await Promise.all(Array.from({ length: 20 }, (_, pass) => walk(pass)))
  over = true
  expect(new Set(went.map((one) => one.turn)).size).toBe(60)
  expect(went.slice(0, 20).map((one) => one.pass)).toEqual(Array.from({ length: 20 }, (_, pass) => pass))
})
