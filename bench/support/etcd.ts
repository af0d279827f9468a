import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './port.ts'

const program = 'etcd'

/** The version of the installed etcd; undefined where there is none. */
export function etcdVersion(): string | undefined {
  const { stdout, error } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  return error === undefined ? /etcd Version: (\S+)/.exec(stdout)?.[1] : undefined
}

/** An etcd of the bench's own: one member on loopback, as its documentation starts one. */
export class BenchEtcd implements AsyncDisposable {
  readonly port: number
  readonly #process: ChildProcess

  private constructor(port: number, child: ChildProcess) {
    this.port = port
    this.#process = child
  }

  /** @param folder where its files go */
  static async start(folder: string): Promise<BenchEtcd> {
    const [port, peerPort] = [await freePort(), await freePort()]
    const client = `http://127.0.0.1:${port}`
    const peer = `http://127.0.0.1:${peerPort}`
    const member = ['--name', 'bench', '--initial-cluster', `bench=${peer}`, '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer]
    const settings = ['--data-dir', folder, '--listen-client-urls', client, '--advertise-client-urls', client, ...member]
    const child = spawn(program, settings, { stdio: 'ignore' })
    process.once('exit', () => child.kill('SIGKILL'))
    while (child.exitCode === null) {
      const healthy = await fetch(`${client}/health`).then(
        (answer) => answer.ok,
        () => false,
      )
      if (healthy) return new BenchEtcd(port, child)
      await delay(20)
    }
    throw new Error(`etcd on port ${port} ended with code ${child.exitCode}`)
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('etcd did not start')
    return this.#process.pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exit
  }
}
