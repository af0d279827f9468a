import { z } from 'zod'
import { pageLimit } from './page.ts'

/** What is audited: every change that an operator makes. */
export const auditActions = ['publish', 'rollback', 'schema_set', 'schema_deleted', 'key_made', 'key_revoked', 'agent_deleted'] as const
export type AuditAction = (typeof auditActions)[number]

/** The hash before the first entry: there is none. */
export const AUDIT_START = '0'.repeat(64)

/** One change, as the audit keeps it for ever. */
export const AuditEntrySchema = z
  .object({
    seq: z.number().int().min(1).meta({ description: 'From 1 without gaps.', example: 12 }),
    at: z.iso.datetime(),
    action: z.enum(auditActions),
    key_id: z.string().meta({ description: 'Whose key it was: its id, `bootstrap` for the controller’s own.' }),
    actor: z.string().meta({ description: 'The name of that key.', example: 'ops' }),
    address: z.string().meta({ description: 'Where the request came from.', example: '10.0.0.9' }),
    request_id: z.string(),
    subject: z.string().nullable().meta({ description: 'What was changed beside the config: an agent’s id, a key’s id with name and role.' }),
    version_before: z.number().int().nullable().meta({ description: 'The latest config before; null where there was none.' }),
    version_after: z.number().int().nullable(),
    comment: z.string().nullable(),
    prev_hash: z.string().meta({ description: 'The hash of the entry before; 64 zeros for the first.' }),
    hash: z.string().meta({ description: 'SHA-256, in hex, of the entry’s other fields in their order as a JSON array.' }),
  })
  .meta({
    id: 'AuditEntry',
    example: {
      seq: 12,
      at: '2026-11-26T09:00:00.000Z',
      action: 'publish',
      key_id: 'bootstrap',
      actor: 'API_KEY',
      address: '10.0.0.9',
      request_id: '0f1c7b52-6a0e-4c1d-9a57-3d5f0a4f7f11',
      subject: null,
      version_before: 6,
      version_after: 7,
      comment: 'new target',
      prev_hash: AUDIT_START,
      hash: 'a3f1c2…',
    },
  })
export type AuditEntry = z.infer<typeof AuditEntrySchema>

/** `?before=&limit=` of lists that run from the newest down. */
export const beforeQuery = (what: string) =>
  z.object({
    before: z
      .string()
      .regex(/^\d{1,15}$/, { error: 'expected a whole number' })
      .transform(Number)
      .optional()
      .meta({ type: 'integer', description: `Only ${what} below this number; absent: from the newest.`, example: 100 }),
    limit: pageLimit(`How many at most; 100 where absent.`),
  })

/** A time of a query, as entries have theirs: so they can be compared as texts. */
const moment = (description: string) =>
  z.iso
    .datetime({ offset: true, error: 'expected a time as 2027-01-31T00:00:00Z' })
    .transform((text) => new Date(text).toISOString())
    .optional()
    .meta({ type: 'string', format: 'date-time', description, example: '2027-01-31T00:00:00Z' })

/** The query of `GET /audit`. */
export const AuditQuerySchema = beforeQuery('entries').extend({
  action: z
    .enum(auditActions, { error: `expected one of ${auditActions.join(', ')}` })
    .optional()
    .meta({ description: 'Only what was done so.' }),
  actor: z.string().max(200).optional().meta({ description: 'Only what was done with keys of this name.', example: 'ops' }),
  since: moment('Only from this time on.'),
  until: moment('Only before this time.'),
})
export type AuditQuery = z.output<typeof AuditQuerySchema>

/** `GET /audit`: the newest first. */
export const AuditPageSchema = z
  .object({
    entries: z.array(AuditEntrySchema),
    next_before: z.number().int().optional().meta({
      description:
        '`before` of the page that follows; absent on the last. Where it is filtered a page may hold fewer than `limit`, or none, and others follow.',
    }),
    head: z
      .object({
        seq: z.number().int(),
        hash: z.string(),
        written: z.number().int().meta({ description: 'How many entries were ever written: more than `seq` where the tail was cut off.' }),
      })
      .meta({ description: 'The newest entry of all; seq 0 where there is none.' }),
  })
  .meta({ id: 'AuditPage', example: { entries: [], head: { seq: 0, hash: AUDIT_START, written: 0 } } })
export type AuditPage = z.infer<typeof AuditPageSchema>

/** The fields of an entry that its hash is over, in their order. */
export const hashedFields = (entry: Omit<AuditEntry, 'hash'>): string =>
  JSON.stringify([
    entry.seq,
    entry.at,
    entry.action,
    entry.key_id,
    entry.actor,
    entry.address,
    entry.request_id,
    entry.subject,
    entry.version_before,
    entry.version_after,
    entry.comment,
    entry.prev_hash,
  ])
