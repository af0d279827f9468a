import { BOOTSTRAP_KEY_ID } from '#lib/contract/keys.ts'
import { ApiError } from '#lib/http/errors.ts'

/** Says that there is no such key. */
export function keyNotFound(id: string): ApiError {
  if (id === BOOTSTRAP_KEY_ID)
    return new ApiError('NOT_FOUND', "key not found: the controller's own key is revoked by another API_KEY in its environment, and a restart")
  return new ApiError('NOT_FOUND', `key not found: there is none with the id ${JSON.stringify(id.slice(0, 100))}, or it was revoked before; see GET /keys`)
}
