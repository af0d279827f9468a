import type { ErrorDetail } from '#lib/contract/envelope.ts'

/** What is wrong, field by field. */
export const Violations = ({ title, violations }: { readonly title: string; readonly violations: readonly ErrorDetail[] }) => (
  <div id="problems" class="problem" role="alert">
    <p>
      <strong>{title}</strong>
    </p>
    <ul>
      {violations.map(({ path, message }) => (
        <li>
          <code>{path}</code>: {message}
        </li>
      ))}
    </ul>
  </div>
)
