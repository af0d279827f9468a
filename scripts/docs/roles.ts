import { permissions, rolePermissions, roles } from '#lib/contract/keys.ts'

/** Which role may what, as a table. */
export function rolesTable(): string {
  const held = new Map(roles.map((role): [string, ReadonlySet<string>] => [role, rolePermissions[role]]))
  const rows = Object.entries(permissions).map(
    ([permission, what]) => `| ${what} | ${roles.map((role) => (held.get(role)?.has(permission) ? 'yes' : '')).join(' | ')} |`,
  )
  return [`| may | ${roles.join(' | ')} |`, `|---|${roles.map(() => '---').join('|')}|`, ...rows].join('\n')
}
