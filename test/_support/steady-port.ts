import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the range that the kernel gives out by itself: what is free here stays free while a service is away. */
const FIRST = 12_000
const COUNT = 18_000

/** Each process begins elsewhere, so that tests that run side by side do not meet. */
let next = (process.pid * 131) % COUNT

/** A port for a service that is to come back at the same address after a kill. */
export async function steadyPort(): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const port = FIRST + next
    next = (next + 1) % COUNT
    const server = createServer()
    const free = new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!(await free)) continue
    server.close()
    await once(server, 'close')
    return port
  }
  throw new Error(`Cannot find a free port from ${FIRST} on: 200 were tried`)
}
