import { ApiError } from '#lib/http/errors.ts'
import { StoreUnavailableError } from '#lib/store/port.ts'

/**
 * Runs what needs the store, with its absence as the contract's 503.
 * @param action what is attempted, for the message: "publish the config"
 */
export async function storeAnswers<T>(action: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error
    throw new ApiError('STORE_UNAVAILABLE', `Cannot ${action}: ${error.message}; nothing was changed`, { headers: { 'Retry-After': '5' }, cause: error })
  }
}
