import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/**
 * Makes a server listen on loopback.
 * @param port the kernel chooses where absent
 */
export async function portOf(server: Server, port = 0): Promise<number> {
  server.listen({ port, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address')
  return address.port
}

/** A port of loopback that nobody listens on, for a program that must be told one. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

/** Where ports are looked for that must stay free while their owner is away: below what systems give to connections. */
const KEPT = { from: 20_000, to: 30_000 }

/**
 * A free port to which a server can come back. One of the kernel's choice may be taken by a connection meanwhile, even
 * by one that is trying to reach that very server: a connection to itself.
 */
export async function keptPort(): Promise<number> {
  for (;;) {
    const port = randomInt(KEPT.from, KEPT.to)
    const server = createServer()
    const listening = await portOf(server, port).then(
      () => true,
      () => false,
    )
    if (!listening) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
