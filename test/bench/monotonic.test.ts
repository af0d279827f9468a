import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { monotonicMs } from '../../bench/support/monotonic.ts'

const module = fileURLToPath(new URL('../../bench/support/monotonic.ts', import.meta.url))

it('one clock for all processes: what another one reads lies between two readings of this one', () => {
  for (let round = 0; round < 3; round += 1) {
    const before = monotonicMs()
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', `import(${JSON.stringify(module)}).then(({ monotonicMs }) => console.log(monotonicMs()))`], {
      encoding: 'utf8',
    })
    const after = monotonicMs()
    expect(Number(stdout), stderr).toBeGreaterThan(before)
    expect(Number(stdout)).toBeLessThan(after)
  }
})

it('counts as the machine does, to a tenth of a millisecond', () => {
  const machine = () => Number(process.hrtime.bigint()) / 1e6
  const before = machine()
  const now = monotonicMs()
  expect(now).toBeGreaterThan(before - 0.1)
  expect(now).toBeLessThan(machine() + 0.1)
})
