import type { Rate } from './protocol.ts'

/** Does something `times` times, `concurrency` at once: each is begun when one before it has ended. */
export async function closedLoop(times: number, concurrency: number, once: () => Promise<unknown>): Promise<Rate> {
  let left = times
  const start = performance.now()
  const loop = async () => {
    while (left > 0) {
      left -= 1
      await once()
    }
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
  return { count: times, seconds: (performance.now() - start) / 1000 }
}
