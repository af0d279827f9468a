import { Redis } from 'ioredis'

/** What BullMQ would find once the locks had run out: saves the 5 s of each. */
export async function expireLeases(port: number): Promise<void> {
  const redis = new Redis({ port, db: 1 })
  const active = await redis.lrange('bull:hits:active', 0, -1)
  await redis.del('bull:hits:stalled-check', ...active.map((id) => `bull:hits:${id}:lock`))
  if (active.length > 0) await redis.sadd('bull:hits:stalled', ...active)
  await redis.quit()
}
