import { z } from 'zod'

/** What a caller may do, from the least on; docs are made from {@link rolePermissions}. */
export const permissions = {
  read: 'read configs: the latest, one version, the stream',
  register: 'register an agent, and report what it has applied',
  batch: 'report for the agents below a relay',
  fleet: 'see the fleet: its agents, its status',
  publish: 'publish, roll back, try a publish, and read the history, the differences and the schema',
  admin: 'forget an agent, set the schema, make and revoke keys, read the audit, take a backup',
} as const
export type Permission = keyof typeof permissions

/** The roles of keys. */
export const roles = ['agent', 'relay', 'publisher', 'admin'] as const
export type Role = (typeof roles)[number]

/**
 * What each role may do. A publisher sees the fleet too: whoever publishes must see it converge.
 * A key without the permission for a route is told NOT_PERMITTED.
 */
export const rolePermissions: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  agent: new Set(['read', 'register']),
  relay: new Set(['read', 'register', 'batch']),
  publisher: new Set(['read', 'fleet', 'publish']),
  admin: new Set(['read', 'register', 'batch', 'fleet', 'publish', 'admin']),
}

/** The id of the key that `API_KEY` of the controller is: an admin's, which no route makes or revokes. */
export const BOOTSTRAP_KEY_ID = 'bootstrap'
/** Its name, in the audit and as author. */
export const BOOTSTRAP_KEY_NAME = 'API_KEY'

/** A key's id: a UUID, or `bootstrap`. */
export const KeyIdSchema = z.string().max(64).meta({ example: '0b6a2f6e-3f4f-4b1c-8f39-6f8b2f1a7c55' })

/** Whose key it is: a colleague, an agent, a pipeline. Keys of one name are one owner's: so keys are rotated. */
export const KeyNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9 ._@/-]{0,99}$/, {
    error: 'expected 1 to 100 letters, digits, spaces or . _ @ / -, the first a letter or digit',
  })
  .refine((name) => name !== BOOTSTRAP_KEY_NAME, { error: `expected another name than ${BOOTSTRAP_KEY_NAME}, which is the controller's own key` })
  .meta({ example: 'web-01' })

/** A role. */
export const RoleSchema = z.enum(roles, { error: `expected one of ${roles.join(', ')}` }).meta({ example: 'agent' })

/** `POST /keys`. */
export const KeyRequestSchema = z
  .object({
    name: KeyNameSchema,
    role: RoleSchema,
    expires_at: z.iso
      .datetime({ offset: true, error: 'expected a time as 2027-01-31T00:00:00Z' })
      .optional()
      .meta({ description: 'From when on it is refused; absent: never.', example: '2027-01-31T00:00:00Z' }),
  })
  .meta({ id: 'KeyRequest', example: { name: 'web-01', role: 'agent' } })
export type KeyRequest = z.infer<typeof KeyRequestSchema>

const key = z.object({
  id: KeyIdSchema,
  name: z.string().meta({ example: 'web-01' }),
  role: RoleSchema,
  prefix: z.string().meta({ description: 'How the key begins: enough to know it by, too little to guess it.', example: 'dcm_4fJ2' }),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().nullable(),
  last_used_at: z.iso.datetime().nullable().meta({ description: 'To within a minute; null: never.' }),
})

const example = {
  id: '0b6a2f6e-3f4f-4b1c-8f39-6f8b2f1a7c55',
  name: 'web-01',
  role: 'agent' as const,
  prefix: 'dcm_4fJ2',
  created_at: '2026-11-26T09:00:00.000Z',
  expires_at: null,
  last_used_at: null,
}

/** A key as lists show it. */
export const KeySchema = key.meta({ id: 'Key', example })
export type Key = z.infer<typeof KeySchema>

/** The answer to `POST /keys`: the one time that the key itself is shown. */
export const MadeKeySchema = key
  .extend({ key: z.string().meta({ description: 'The key. It is shown this once; what is kept is its digest.', example: 'dcm_4fJ2…' }) })
  .meta({ id: 'MadeKey', example: { ...example, key: 'dcm_4fJ2qX…' } })
export type MadeKey = z.infer<typeof MadeKeySchema>

/** `GET /keys`: those that are neither revoked nor long expired, the newest first. */
export const KeysSchema = z.object({ keys: z.array(KeySchema) }).meta({ id: 'Keys', example: { keys: [example] } })

/** The answer to `DELETE /keys/:id`. */
export const KeyRevokedSchema = z
  .object({ id: KeyIdSchema, revoked: z.literal(true) })
  .meta({ id: 'KeyRevoked', example: { id: '0b6a2f6e-3f4f-4b1c-8f39-6f8b2f1a7c55', revoked: true } })
