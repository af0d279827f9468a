// Loaded before a service by NODE_OPTIONS=--import: its wall clock is off by what the file that SHIFT_FILE names says,
// in ms, and steps anew at each SIGUSR2. What is monotonic (timers, performance.now) goes on as it does.
import { readFileSync } from 'node:fs'

const read = (): number => Number(readFileSync(process.env.SHIFT_FILE ?? '', 'utf8'))
let shift = read()
const now = Date.now

globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now() + shift] : args, newTarget),
  get: (target, name, receiver) => (name === 'now' ? () => now() + shift : Reflect.get(target, name, receiver)),
})

process.on('SIGUSR2', () => {
  shift = read()
  process.stdout.write(`the clock is off by ${shift} ms\n`)
})
