import { createSocket, type Socket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Resolver as HitResolver } from '#services/worker/hits/resolve.ts'

/** What a name leads to at this moment: addresses, a DNS error code (3 is NXDOMAIN, 2 SERVFAIL), or silence. */
export type DnsAnswer = readonly string[] | number | 'silent'

const types = { A: 1, AAAA: 28 } as const

/** One record of an answer, which may not be cached (RFC 1035, section 3.2.1). */
function record(address: string): Buffer {
  const data = Buffer.from(ipaddr.parse(address).toByteArray())
  const head = Buffer.alloc(12)
  // A pointer to the name in the question.
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(isIPv4(address) ? types.A : types.AAAA, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

/** The name of a question, and where its type stands. */
function questionOf(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}

/** A DNS server of a test's own, on loopback by UDP, that may answer otherwise each time. */
export class TestDns implements AsyncDisposable {
  /** Names that were asked for, once for each question (A and AAAA are two). */
  readonly asked: string[] = []
  readonly #socket: Socket
  readonly #answer: (name: string) => DnsAnswer

  private constructor(socket: Socket, answer: (name: string) => DnsAnswer) {
    this.#socket = socket
    this.#answer = answer
    socket.on('message', (query, { port, address }) => {
      const reply = this.#reply(query)
      if (reply !== undefined) socket.send(reply, port, address)
    })
  }

  /** @param answer what a name leads to; asked for each question */
  static async open(answer: (name: string) => DnsAnswer): Promise<TestDns> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new TestDns(socket, answer)
  }

  /** Resolves names by this server alone, A before AAAA. */
  get resolve(): HitResolver {
    const resolver = new Resolver({ timeout: 200, tries: 1 })
    resolver.setServers([`127.0.0.1:${this.#socket.address().port}`])
    return async (name) => {
      const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
      if (four.status === 'rejected' && six.status === 'rejected') throw four.reason
      return [...(four.status === 'fulfilled' ? four.value : []), ...(six.status === 'fulfilled' ? six.value : [])]
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close()
    await once(this.#socket, 'close')
  }

  #reply(query: Buffer): Buffer | undefined {
    const { name, end } = questionOf(query)
    this.asked.push(name)
    const answer = this.#answer(name)
    if (answer === 'silent') return undefined
    const type = query.readUInt16BE(end)
    const addresses = typeof answer === 'number' ? [] : answer.filter((address) => isIPv4(address) === (type === types.A))
    const head = Buffer.alloc(12)
    query.copy(head, 0, 0, 2)
    head.writeUInt16BE(0x8180 | (typeof answer === 'number' ? answer : 0), 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(addresses.length, 6)
    return Buffer.concat([head, query.subarray(12, end + 4), ...addresses.map(record)])
  }
}
