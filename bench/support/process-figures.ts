import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** Clock ticks a second that /proc counts CPU time in; 100 on every Linux that Node runs on. */
const TICKS = 100

const readProc = (pid: number, file: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}

/** The resident memory of a process in MiB; undefined where there is no /proc (macOS, Windows). */
export function residentMib(pid: number): number | undefined {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(pid, 'status') ?? '')?.[1]
  return kib === undefined ? undefined : Number(kib) / 1024
}

/** The most memory a process has had resident since {@link forgetPeak}, in MiB; undefined where there is no /proc. */
export function peakMib(pid: number): number | undefined {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readProc(pid, 'status') ?? '')?.[1]
  return kib === undefined ? undefined : Number(kib) / 1024
}

/** Makes the peak what is resident now. @throws Error where the system does not do that */
export const forgetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5')

/** Between two looks at the memory of a process that comes to rest, how many of them, and what still is the same. */
const SETTLE = { every_ms: 1000, looks: 15, share: 0.01 }

/** The resident memory of a process in MiB once it has come to rest, or after a quarter of a minute; undefined where there is no /proc. */
export async function settledMib(pid: number): Promise<number | undefined> {
  let before = residentMib(pid)
  for (let look = 0; look < SETTLE.looks; look += 1) {
    await delay(SETTLE.every_ms)
    const now = residentMib(pid)
    if (now === undefined || before === undefined || Math.abs(now - before) <= SETTLE.share * now) return now
    before = now
  }
  return before
}

/** The CPU time a process has used, user and system, in seconds; undefined where there is no /proc. */
export function cpuSeconds(pid: number): number | undefined {
  const stat = readProc(pid, 'stat')
  if (stat === undefined) return undefined
  // The second field is the name in brackets, which may hold blanks; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}
