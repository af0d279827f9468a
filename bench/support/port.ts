import { once } from 'node:events'
import type { Server } from 'node:net'

/** Makes a server listen on loopback, on a port that the kernel chooses. */
export async function portOf(server: Server): Promise<number> {
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address')
  return address.port
}
