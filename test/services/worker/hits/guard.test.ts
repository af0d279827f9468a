import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, test } from 'vitest'
import { createGuard, type TargetPolicy } from '#services/worker/hits/guard.ts'

const guardOf = (targets: TargetPolicy, ownPort?: number) =>
  createGuard({
    targets,
    ownListeners: () => (ownPort === undefined ? [] : [{ address: '127.0.0.1', port: ownPort }]),
    localAddresses: () => ['10.1.2.3', 'fd00::3', '93.184.216.34'],
  })

/** Judges a URL as a hit does: what it says itself, then where a name would lead. */
const url = (text: string, targets: TargetPolicy = 'any', ownPort?: number) => guardOf(targets, ownPort).checkUrl(new URL(text))

const linkLocalAndMetadata = [
  '169.254.169.254',
  '169.254.0.1',
  '169.254.170.2',
  'fe80::1',
  'febf::1',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd20:ce::254',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '::169.254.169.254',
  '::ffff:0:169.254.169.254',
  '64:ff9b::169.254.169.254',
  '64:ff9b::a83f:8110',
  '64:ff9b:1::169.254.169.254',
  '64:ff9b:1:a9fe:a9:fe00::',
  '2002:a9fe:a9fe::1',
  '2001:0:5db8:d822:0:0:5601:5601',
  '2001:0:a9fe:a9fe::1',
  '2606:2800:220:1:0:5efe:a9fe:a9fe',
  '2606:2800:220:1:200:5efe:169.254.169.254',
]
const noHost = ['0.0.0.0', '0.1.2.3', '::', '224.0.0.1', '239.255.255.255', '255.255.255.255', 'ff02::1', '64:ff9b::255.255.255.255', '::ffff:0.0.0.0']
const notPublic = [
  '127.0.0.1',
  '127.255.255.254',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '100.64.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '240.0.0.1',
  '192.88.99.1',
  '::1',
  'fc00::1',
  'fd12::1',
  'fec0::1',
  '100::1',
  '2001:db8::1',
  '3fff::1',
  '4000::1',
  '5f00::1',
  '::ffff:127.0.0.1',
  '::ffff:10.0.0.1',
  '::127.0.0.1',
  '::8.8.8.8',
  '64:ff9b::10.0.0.1',
  '64:ff9b::127.0.0.1',
  '64:ff9b:1::8.8.8.8',
  '2002:7f00:1::1',
  '2002:808:808::1',
  '2001:0:808:808::1',
  '2606:2800:220:1:0:5efe:10.0.0.1',
]
const globalUnicast = [
  '8.8.8.8',
  '93.184.216.34',
  '1.1.1.1',
  '172.32.0.1',
  '172.15.255.255',
  '100.128.0.1',
  '2606:4700::1111',
  '2a00:1450::1',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
]

describe('addresses', () => {
  test.each([...linkLocalAndMetadata, ...noHost])('%s is refused whatever the policy', (address) => {
    for (const targets of ['any', 'public', { publicAnd: ['0.0.0.0/0', '::/0'] }] as const) expect(guardOf(targets).checkAddress(address, 80)).toBeDefined()
  })

  test.each(notPublic)('%s is refused as public only, and let through by any', (address) => {
    expect(guardOf('public').checkAddress(address, 80)).toContain('HIT_TARGETS')
    expect(guardOf('any').checkAddress(address, 80)).toBeUndefined()
  })

  test.each(globalUnicast)('%s is public', (address) => {
    expect(guardOf('public').checkAddress(address, 80)).toBeUndefined()
    expect(guardOf('any').checkAddress(address, 80)).toBeUndefined()
  })

  test.each(['', 'localhost', '1.2.3.4.5', '::1::', '127.0.0.1:80'])('%j is no address, and refused', (text) => {
    expect(guardOf('any').checkAddress(text, 80)).toBeDefined()
  })

  test('exceptions let their own range through, and no other', () => {
    const guard = guardOf({ publicAnd: ['10.1.0.0/16', 'fd12::/16', '192.168.7.7'] })
    for (const allowed of ['10.1.0.0', '10.1.255.255', 'fd12:ffff::', '192.168.7.7', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', '8.8.8.8'])
      expect(guard.checkAddress(allowed, 80)).toBeUndefined()
    for (const refused of ['10.0.255.255', '10.2.0.0', 'fd13::', '192.168.7.8', '127.0.0.1']) expect(guard.checkAddress(refused, 80)).toBeDefined()
  })

  test('an exception that is no range is refused with what was wanted', () => {
    for (const wrong of ['10.0.0.0/33', '10.0.0', 'example.com', '', '0x7f000001']) {
      expect(() => guardOf({ publicAnd: [wrong] })).toThrow(`Cannot allow targets in "${wrong}": expected a CIDR range`)
    }
  })
})

describe('own listeners', () => {
  test.each([
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '10.1.2.3',
    'fd00::3',
    '93.184.216.34',
    '::ffff:127.0.0.1',
    '::ffff:10.1.2.3',
    '0.0.0.0',
    '64:ff9b::127.0.0.1',
    '::127.0.0.1',
  ])('by %s are refused at their port only', (address) => {
    expect(guardOf('any', 6002).checkAddress(address, 6002)).toContain('this worker itself')
    expect(guardOf('any', 6002).checkAddress(address, 6001) ?? '').not.toContain('this worker itself')
  })

  test('other machines may use the same port', () => {
    expect(guardOf('any', 6002).checkAddress('10.1.2.4', 6002)).toBeUndefined()
  })

  test("are asked for at each decision, and the machine's own interfaces looked at", () => {
    const listeners: { address: string; port: number }[] = []
    const guard = createGuard({ targets: 'any', ownListeners: () => listeners })
    expect(guard.checkAddress('127.0.0.1', 7)).toBeUndefined()
    listeners.push({ address: '::', port: 7 })
    expect(guard.checkAddress('127.0.0.1', 7)).toBeDefined()
  })
})

describe('URLs', () => {
  test.each([
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://127.0.0.1:6379/_x',
    'data:text/plain,x',
    'ws://example.com/',
    'javascript:1',
    'blob:http://a/b',
  ])('%s is refused', (text) => {
    expect(url(text)).toContain('only http: and https:')
  })

  test.each(['http://user:pass@example.com/', 'https://user@example.com/', 'http://:pass@example.com/'])(
    '%s is refused, and what it holds is not shown',
    (text) => {
      const refusal = url(text)
      expect(refusal).toContain('credentials')
      expect(refusal).not.toMatch(/user|pass/)
    },
  )

  test.each([
    'http://127.0.0.1/',
    'http://127.0.0.1./',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://017700000001/',
    'http://[::1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[0:0:0:0:0:0:0:1]/',
    'http://１２７.０.０.１/',
    'http://①②⑦.⓪.⓪.①/',
    'http://127。0。0。1/',
    'http://%31%32%37.0.0.1/',
    'https://[64:ff9b::7f00:1]/',
  ])('%s is loopback in disguise', (text) => {
    expect(url(text, 'public')).toContain('HIT_TARGETS')
    expect(url(text, 'any')).toBeUndefined()
  })

  test.each([
    ['http://127.0.0.1/', 80],
    ['https://127.0.0.1/', 443],
    ['http://127.0.0.1:6002/', 6002],
    ['http://[::1]:6002/', 6002],
  ])('%s means port %d', (text, port) => {
    expect(url(text, 'any', port)).toContain('this worker itself')
  })

  test('a name is judged by where it leads, not by how it looks', () => {
    for (const text of ['http://localhost/', 'http://metadata.google.internal/', 'http://example.com./']) expect(url(text, 'public')).toBeUndefined()
  })
})

describe('properties', () => {
  const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255))
  const refused = (targets: TargetPolicy, address: string) => guardOf(targets).checkAddress(address, 80) !== undefined

  test('how an IPv4 address is written changes no decision', () => {
    fc.assert(
      fc.property(octets, fc.constantFrom<TargetPolicy>('any', 'public', { publicAnd: ['10.0.0.0/8'] }), ([a, b, c, d], targets) => {
        const number = ((a * 256 + b) * 256 + c) * 256 + d
        const hex = number.toString(16).padStart(8, '0')
        const plain = `${a}.${b}.${c}.${d}`
        const written = [
          `${number}`,
          `0x${hex}`,
          `0${number.toString(8)}`,
          `${a}.${b}.${c * 256 + d}`,
          `${plain}.`,
          `[::ffff:${plain}]`,
          `[::ffff:${hex.slice(0, 4)}:${hex.slice(4)}]`,
          `[64:ff9b::${plain}]`,
        ]
        for (const host of written) expect(url(`http://${host}/`, targets) !== undefined, host).toBe(refused(targets, plain))
      }),
    )
  })

  test('what carries a refused IPv4 address is refused', () => {
    fc.assert(
      fc.property(octets, fc.constantFrom<TargetPolicy>('any', 'public'), (bytes, targets) => {
        const v4 = bytes.join('.')
        fc.pre(refused(targets, v4))
        const [high, low] = [0, 2].map((at) => Buffer.from(bytes).readUInt16BE(at).toString(16))
        const inverted = [0, 2].map((at) => (0xffff ^ Buffer.from(bytes).readUInt16BE(at)).toString(16))
        for (const v6 of [
          `64:ff9b::${high}:${low}`,
          `2002:${high}:${low}::1`,
          `2001:0:808:808::${inverted.join(':')}`,
          `2001:0:${high}:${low}::f7f7:f7f7`,
          `::ffff:0:${high}:${low}`,
        ]) {
          expect(refused(targets, v6), v6).toBe(true)
        }
      }),
    )
  })

  test('public lets through no IPv6 address outside 2000::/3 but NAT64', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const first = bytes[0] ?? 0
        fc.pre((first & 0xe0) !== 0x20)
        const address = ipaddr.fromByteArray([...bytes]).toString()
        fc.pre(!address.startsWith('64:ff9b::') && !address.startsWith('::ffff:'))
        expect(refused('public', address), address).toBe(true)
      }),
    )
  })

  test('any refuses nothing that public and all exceptions let through', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        expect(refused('any', address)).toBe(refused({ publicAnd: ['0.0.0.0/0', '::/0'] }, address))
        if (refused('any', address)) expect(refused('public', address)).toBe(true)
      }),
    )
  })
})
