import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const root = fileURLToPath(new URL('../..', import.meta.url))
const LogLineSchema = z.object({ part: z.string(), port: z.number() })

/** A system call of a traced process; another thread's may lie between its beginning and its end. */
export interface SystemCall {
  readonly name: string
  /** What strace shows between the brackets: `-y` names each descriptor's file. */
  readonly args: string
  /** What it returned; NaN where it was not seen to return. */
  readonly result: number
  /** Lines of the trace at which it began and returned: an order over all threads. */
  readonly began: number
  readonly returned: number
}

/** Reads what `strace -f -y -o` wrote. */
export function parseTrace(text: string): SystemCall[] {
  const calls: SystemCall[] = []
  const unfinished = new Map<string, { readonly name: string; readonly args: string; readonly began: number }>()
  const resultOf = (end: string) => Number(/= (-?\d+)/.exec(end)?.[1] ?? Number.NaN)
  for (const [at, line] of text.split('\n').entries()) {
    const begin = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/.exec(line)
    const end = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/.exec(line)
    const whole = /^(\d+) +(\w+)\((.*)\) += (-?\d+)/.exec(line)
    if (begin) unfinished.set(begin[1] ?? '', { name: begin[2] ?? '', args: begin[3] ?? '', began: at })
    else if (end) {
      const call = unfinished.get(end[1] ?? '')
      unfinished.delete(end[1] ?? '')
      if (call) calls.push({ ...call, args: call.args + (end[3] ?? ''), result: resultOf(end[3] ?? ''), returned: at })
    } else if (whole) calls.push({ name: whole[2] ?? '', args: whole[3] ?? '', result: Number(whole[4]), began: at, returned: at })
  }
  for (const call of unfinished.values()) calls.push({ ...call, result: Number.NaN, returned: Number.POSITIVE_INFINITY })
  return calls.sort((a, b) => a.began - b.began)
}

/**
 * Runs a controller under strace, lets `use` work with it, and gives the calls it made.
 * @param trace as strace's `-e trace=`
 */
export async function traceController(
  env: Readonly<Record<string, string>>,
  options: { readonly trace: string; readonly file: string },
  use: (port: number) => Promise<void>,
): Promise<SystemCall[]> {
  const { error } = spawnSync('strace', ['-V'])
  if (error) throw new Error('Cannot trace the controller: strace is not on the PATH; install it (apt-get install -y strace)', { cause: error })
  const { PATH = '', HOME = '' } = process.env
  const args = ['-f', '-y', '-s', '64', '-e', `trace=${options.trace}`, '-e', 'signal=none', '-o', options.file]
  const child = spawn('strace', [...args, process.execPath, '--import', 'tsx', 'services/controller/main.ts'], {
    cwd: root,
    env: { PATH, HOME, CONTROLLER_PORT: '0', LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    // strace does not pass signals on: they go to its group.
    detached: true,
  })
  const { pid } = child
  if (pid === undefined) throw new Error('Cannot trace the controller: strace did not start')
  const ended = once(child, 'close')
  const end = () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-pid, 'SIGKILL')
  }
  // A test that times out never gets to the end of this.
  process.once('exit', end)
  try {
    const port = await new Promise<number>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const listening = LogLineSchema.safeParse(line.startsWith('{') ? JSON.parse(line) : undefined)
        if (listening.success) resolve(listening.data.port)
      })
      ended.then(() => reject(new Error('Cannot trace the controller: it ended; may this process use ptrace?')), reject)
    })
    await use(port)
    process.kill(-pid, 'SIGTERM')
    await ended
  } finally {
    end()
    await ended
    process.off('exit', end)
  }
  return parseTrace(readFileSync(options.file, 'utf8'))
}
