import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { Context } from 'hono'
import { ApiError } from '#lib/http/errors.ts'
import type { BuiltAssets } from './build.ts'
import { ICON } from './icon.ts'

const types: Readonly<Record<string, string>> = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml' }

/** A file as it is sent. */
interface Asset {
  readonly type: string
  readonly etag: string
  readonly plain: Uint8Array<ArrayBuffer>
  readonly gzip: Uint8Array<ArrayBuffer>
  readonly brotli: Uint8Array<ArrayBuffer>
}

/** Where the files lie in production: beside the bundle. */
const builtFolder = fileURLToPath(new URL('./console/', import.meta.url))

async function readBuilt(): Promise<BuiltAssets> {
  if (!import.meta.url.endsWith('.ts') && existsSync(builtFolder))
    return new Map(readdirSync(builtFolder).map((name) => [name, new Uint8Array(readFileSync(`${builtFolder}${name}`))]))
  // From source, as under tsx and in tests: they are made now.
  const { buildAssets } = await import('./build.ts')
  return buildAssets(fileURLToPath(new URL('../browser/', import.meta.url)))
}

async function compressed(name: string, bytes: Uint8Array): Promise<Asset> {
  const plain = new Uint8Array(bytes)
  const [zipped, brotli] = await Promise.all([
    promisify(gzip)(plain, { level: 9 }),
    promisify(brotliCompress)(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.byteLength } }),
  ])
  return {
    type: types[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
    etag: createHash('sha256').update(plain).digest('base64url').slice(0, 16),
    plain,
    gzip: new Uint8Array(zipped),
    brotli: new Uint8Array(brotli),
  }
}

/** The scripts and styles of the console, from our own origin; read, made small and kept at the first request for one. */
export class Assets {
  #files: Promise<ReadonlyMap<string, Asset>> | undefined

  /** The address of a file. A page that is older than an update asks with the version that it knows. */
  href(name: string): string {
    return `/console/assets/${name}`
  }

  /**
   * Answers with a file.
   * @throws ApiError NOT_FOUND
   */
  async answer(c: Context, name: string): Promise<Response> {
    const asset = (await this.#all()).get(name)
    if (asset === undefined) throw new ApiError('NOT_FOUND', `Cannot find ${JSON.stringify(name.slice(0, 100))}: the console has no such file`)
    const { type, etag, plain } = asset
    // No name with a hash: the browser asks whether it is still the one, and mostly hears 304.
    const headers = { 'Content-Type': type, ETag: `"${etag}"`, 'Cache-Control': 'no-cache', Vary: 'Accept-Encoding' }
    if (c.req.header('If-None-Match')?.includes(etag)) return c.body(null, 304, headers)
    const accepted = c.req.header('Accept-Encoding') ?? ''
    if (/\bbr\b/.test(accepted)) return c.body(asset.brotli, 200, { ...headers, 'Content-Encoding': 'br' })
    if (/\bgzip\b/.test(accepted)) return c.body(asset.gzip, 200, { ...headers, 'Content-Encoding': 'gzip' })
    return c.body(plain, 200, headers)
  }

  #all(): Promise<ReadonlyMap<string, Asset>> {
    this.#files ??= readBuilt()
      .then((built) =>
        Promise.all(
          [...built, ['icon.svg', new TextEncoder().encode(ICON)] as const].map(async ([name, bytes]) => [name, await compressed(name, bytes)] as const),
        ),
      )
      .then((all) => new Map(all))
    // One that failed is tried anew.
    this.#files.catch(() => {
      this.#files = undefined
    })
    return this.#files
  }
}
