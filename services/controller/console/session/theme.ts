import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'

/** How the console looks: as the system does, light, or dark. */
export const themes = ['auto', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const COOKIE = 'dcm_theme'
/** How long a choice is kept, in seconds. */
const YEAR_S = 365 * 86_400

const isTheme = (text: string | undefined): text is Theme => themes.some((theme) => theme === text)

/** The look that was chosen; else the system's. */
export function themeOf(c: Context): Theme {
  const chosen = getCookie(c, COOKIE)
  return isTheme(chosen) ? chosen : 'auto'
}

/** Keeps a choice; another text chooses nothing. */
export function chooseTheme(c: Context, text: string | undefined): void {
  if (isTheme(text)) setCookie(c, COOKIE, text, { path: '/console', sameSite: 'Strict', maxAge: YEAR_S, httpOnly: true })
}
