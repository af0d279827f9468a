/** Ends a script with one line on stderr: what failed, and what to do. @param code as in sysexits.h */
export function fail(message: string, code: number): never {
  console.error(message)
  process.exit(code)
}

/** The address of a service: its URL variable, else its port on this machine. */
export const addressOf = (url: string | undefined, port: string | undefined, standard: number): string => url || `http://localhost:${port || standard}`

/** Runs what calls a service; one that cannot be reached ends the script with a line that says so (exit 69). */
export async function reach<T>(address: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : error instanceof Error ? error.message : String(error)
    return fail(`Cannot reach ${address} (${cause || 'connection refused'}): is it running? npm start starts everything`, 69)
  }
}
