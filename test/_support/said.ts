import { expect, vi } from 'vitest'
import type { LogLine, TestProcess } from './process.ts'

/** The lines of a service's log that hold a text. */
export const linesWith = (service: TestProcess, text: string): LogLine[] => service.lines.filter(({ msg }) => msg.includes(text))

/**
 * Waits until a service has said something; fails, with all it did say, where it does not within half a minute.
 * @returns the first such line
 */
export async function said(service: TestProcess, text: string): Promise<LogLine> {
  return vi.waitFor(
    () => {
      const [line] = linesWith(service, text)
      if (line) return line
      expect(service.lines.map(({ msg }) => msg)).toContainEqual(expect.stringContaining(text))
      throw new Error(`the service did not say ${JSON.stringify(text)}`)
    },
    { timeout: 30_000, interval: 10 },
  )
}

/** The same, as a warning at least. */
export async function warned(service: TestProcess, text: string): Promise<LogLine> {
  const line = await said(service, text)
  expect(line.level, line.msg).toBeGreaterThanOrEqual(40)
  return line
}
