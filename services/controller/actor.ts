import type { Context } from 'hono'
import { type AddressReader, addressOf } from '#lib/http/address.ts'
import { callerOf } from '#lib/http/caller.ts'
import { requestId } from '#lib/http/request-id.ts'
import type { Actor } from '#lib/store/port.ts'

/** Who makes the change that `c` asks for, as the audit tells of it. */
export function actorOf(c: Context, reader: AddressReader): Actor {
  const { id, name } = callerOf(c)
  return { key_id: id, name, address: addressOf(c, reader), request_id: requestId(c) }
}
