import { writeFileSync } from 'node:fs'
import { selfSigned } from '../services/worker/hits/certificate.ts'
import type { TempFolder } from './temp.ts'

/** What a Redis needs to be reached by TLS only, with a certificate for 127.0.0.1, and what a client needs to trust it. */
export interface TestTls {
  readonly ca: string
  /** Of redis-server. */
  settings(port: number): string[]
}

/** Makes a certificate in this folder. */
export function testTls(folder: TempFolder): TestTls {
  const { key, cert } = selfSigned('redis.test')
  const [keyFile, certFile] = [folder.file('key.pem'), folder.file('cert.pem')]
  writeFileSync(keyFile, key)
  writeFileSync(certFile, cert)
  const files = ['--tls-key-file', keyFile, '--tls-cert-file', certFile, '--tls-ca-cert-file', certFile]
  return { ca: cert, settings: (port) => ['--port', '0', '--tls-port', String(port), ...files, '--tls-auth-clients', 'no', '--tls-replication', 'yes'] }
}
