import { readFileSync } from 'node:fs'

/** What a process needs beside its agents: its own files, and connections that are being replaced. */
const SPARE = 200

/** How many files one process may hold open, sockets among them; undefined where the system does not say. Node raises the soft limit to the hard one. */
export function openFilesLimit(): number | undefined {
  try {
    const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return hard === undefined || hard === 'unlimited' ? undefined : Number(hard)
  } catch {
    return undefined
  }
}

/**
 * Why so many agents cannot be had with so many open files; undefined where they can.
 * @param servers how many they spread over: a controller, or relays
 */
export function filesProblem(agents: number, processes: number, servers: number, limit: number | undefined): string | undefined {
  if (limit === undefined) return undefined
  const perProcess = Math.ceil(agents / processes) + SPARE
  const perServer = Math.ceil(agents / servers) + SPARE
  const raise = (wanted: number) => `raise it with ulimit -n ${wanted}`
  if (perServer > limit)
    return `Cannot hold ${agents} agents: a server would need ${perServer} open files, and the limit is ${limit}; ${raise(perServer)}, or put more relays between (--relays ${Math.ceil(agents / Math.max(1, limit - SPARE))})`
  if (perProcess > limit)
    return `Cannot simulate ${agents} agents in ${processes} processes: each would need ${perProcess} open files, and the limit is ${limit}; ${raise(perProcess)}, or spread them (--processes ${Math.ceil(agents / Math.max(1, limit - SPARE))})`
  return undefined
}
