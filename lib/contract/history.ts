import { z } from 'zod'
import { beforeQuery } from './audit.ts'
import { ConfigSchema, VersionSchema } from './config.ts'
import { ErrorDetailSchema } from './envelope.ts'

const flag = (description: string) =>
  z
    .enum(['true', 'false'], { error: 'expected true or false' })
    .transform((value) => value === 'true')
    .optional()
    .meta({ type: 'boolean', description, example: 'true' })

/** The query of `GET /configs`. */
export const HistoryQuerySchema = beforeQuery('versions').extend({
  data: flag('With the data of each version; a page then ends where it would be larger than 8 MiB.'),
})

/** One version of the history. */
export const HistoryEntrySchema = z.object({
  id: z.string(),
  version: VersionSchema,
  poll_interval_seconds: z.number().int(),
  created_at: z.iso.datetime(),
  author: z.string().nullable().meta({ description: 'Who is named as author; null where nobody was.' }),
  published_by: z.string().nullable().meta({ description: 'The name of the key that published it; null for what is older than keys.' }),
  comment: z.string().nullable(),
  rollback_of: VersionSchema.nullable().meta({ description: 'The version whose content it brought back; null where it is no rollback.' }),
  bytes: z.number().int().meta({ description: 'Of its data as JSON.' }),
  data: z.record(z.string(), z.unknown()).optional(),
})
export type HistoryEntry = z.infer<typeof HistoryEntrySchema>

/** `GET /configs`: the newest first. */
export const HistoryPageSchema = z
  .object({
    configs: z.array(HistoryEntrySchema),
    next_before: z.number().int().optional().meta({ description: '`before` of the page that follows; absent on the last.' }),
  })
  .meta({
    id: 'HistoryPage',
    example: {
      configs: [
        {
          id: '5b1d7a5e-93c8-4c53-8f0a-0a5b0f2f6c11',
          version: 7,
          poll_interval_seconds: 30,
          created_at: '2026-11-26T09:00:00.000Z',
          author: 'ops',
          published_by: 'ops',
          comment: 'new target',
          rollback_of: null,
          bytes: 35,
        },
      ],
    },
  })
export type HistoryPage = z.infer<typeof HistoryPageSchema>

/** One operation of a JSON Patch (RFC 6902, section 4): those that a difference is made of. */
export const PatchOperationSchema = z.discriminatedUnion('op', [
  z.object({ op: z.literal('add'), path: z.string(), value: z.unknown() }),
  z.object({ op: z.literal('remove'), path: z.string() }),
  z.object({ op: z.literal('replace'), path: z.string(), value: z.unknown() }),
])
export type PatchOperation = z.infer<typeof PatchOperationSchema>

const differenceExample = {
  patch: [{ op: 'replace' as const, path: '/data/url', value: 'https://example.com/b' }],
  text: '~ data.url: "https://example.com/a" -> "https://example.com/b"',
}

/** What differs between two configs, over `{data, poll_interval_seconds}`. */
export const DifferenceSchema = z
  .object({
    patch: z.array(PatchOperationSchema).meta({ description: 'RFC 6902, over `{data, poll_interval_seconds}`; empty where nothing differs.' }),
    text: z.string().meta({ description: 'The same for people: a line each, `~` changed, `+` added, `-` removed.' }),
  })
  .meta({ id: 'Difference', example: differenceExample })
export type Difference = z.infer<typeof DifferenceSchema>

/** The query of `GET /configs/diff`. */
export const DiffQuerySchema = z.object({
  from: z.string().meta({ description: 'A version.', example: '6' }),
  to: z.string().meta({ description: 'A version.', example: '7' }),
})

/** `GET /configs/diff`. */
export const VersionDiffSchema = z
  .object({ from: VersionSchema, to: VersionSchema, ...DifferenceSchema.shape })
  .meta({ id: 'VersionDiff', example: { from: 6, to: 7, ...differenceExample } })
export type VersionDiff = z.infer<typeof VersionDiffSchema>

/** `POST /config/rollback`. */
export const RollbackRequestSchema = z
  .object({ version: VersionSchema, comment: z.string().max(1000).optional(), author: z.string().max(200).optional() })
  .meta({ id: 'RollbackRequest', example: { version: 6, comment: 'the new target does not answer' } })
export type RollbackRequest = z.infer<typeof RollbackRequestSchema>

/** The query of `POST /config` and of `POST /config/rollback`. */
export const PublishQuerySchema = z.object({ dry_run: flag('Only say what would be published: nothing is stored.') })

/** What a dry run answers. */
export const DryRunSchema = z
  .object({
    dry_run: z.literal(true),
    would_publish: ConfigSchema.omit({ id: true, created_at: true }),
    diff: DifferenceSchema.meta({ description: 'Against the latest version; everything is added where there is none.' }),
    violations: z.array(ErrorDetailSchema).meta({ description: 'Of the config schema; a publish with any of them is refused.' }),
  })
  .meta({
    id: 'DryRun',
    example: {
      dry_run: true,
      would_publish: { version: 8, data: { url: 'https://example.com/b' }, poll_interval_seconds: 30 },
      diff: differenceExample,
      violations: [],
    },
  })
export type DryRun = z.infer<typeof DryRunSchema>
