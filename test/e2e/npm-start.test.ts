import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { TempFolder } from '#test/_support/temp.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

test.each([
  ['npm alone, whose shell does not pass it on', (pid: number) => process.kill(pid, 'SIGTERM')],
  ['the whole group, as by Ctrl-C or a supervisor', (pid: number) => process.kill(-pid, 'SIGTERM')],
])('npm start builds what is missing, starts all three, and drains at a SIGTERM to %s', { timeout: 60_000 }, async (_whom, signal) => {
  using folder = new TempFolder()
  // A clone as npm ci leaves it: sources and packages, and nothing built.
  for (const name of ['lib', 'services', 'cli', 'scripts', 'migrations', 'package.json', 'tsconfig.json', '.npmrc'])
    cpSync(join(root, name), folder.file(name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), folder.file('node_modules'))
  const { PATH = '', HOME = '' } = process.env
  const child = spawn('npm', ['start'], {
    cwd: folder.path,
    env: { PATH, HOME, DATA_DIR: folder.file('data'), HIT_QUEUE: 'embedded', LOG_FORMAT: 'json', CONTROLLER_PORT: '0', AGENT_PORT: '0', WORKER_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  const { pid } = child
  if (pid === undefined) throw new Error('npm did not start')
  const ended = once(child, 'close')
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const says = (text: string) => vi.waitFor(() => expect(lines.some((line) => line.includes(text))).toBe(true), { timeout: 20_000, interval: 20 })
  try {
    for (const text of ['controller listening', 'worker listening', 'agent listening', 'following the controller']) await says(text)
    expect(existsSync(folder.file('dist/all.js'))).toBe(true)
    signal(pid)
    await says('[shutdown] done')
    await ended
  } finally {
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // The group has ended by itself.
    }
  }
})
