/** `1536` → `1.5 KB`; powers of 1000, as for disks and downloads. */
export function bytes(n: number): string {
  if (n < 1000) return `${n} B`
  const power = Math.min(4, Math.floor(Math.log10(n) / 3))
  const value = n / 1000 ** power
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${['B', 'KB', 'MB', 'GB', 'TB'][power]}`
}

/** A time in seconds, formatted: `0.4 s`, `42 s`, `3:05`, `1:02:09`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const s = Math.round(seconds)
  if (s < 60) return `${s} s`
  const pad = (v: number) => String(v).padStart(2, '0')
  return s < 3600
    ? `${Math.floor(s / 60)}:${pad(s % 60)}`
    : `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`
}

/** A learning rate, formatted: `1e-3`, `2.5e-4`. */
export function rate(lr: number): string {
  return lr === 0 ? '0' : lr.toExponential(lr.toExponential(1).includes('.0e') ? 0 : 1)
}

/** `0.8734` → `87.3 %`. */
export const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`

/** The size of an error in the unit of a target, with four digits: `0.4213`, `12.35`, `3.2e-9`, `1234568`. */
export function amount(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e4 && size < 1e15) return String(Math.round(value))
  const four = Number(value.toPrecision(4))
  return size > 0 && size < 1e-3 ? four.toExponential() : String(four)
}

/** A number with this many decimals. A negative number of decimals rounds to tens, hundreds, …. Tiny and huge numbers
 *  get an exponent. Shows no more digits than a 64-bit float has. */
export function withDecimals(value: number, decimals: number): string {
  if (!Number.isFinite(value)) return String(value)
  const before = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)))
  const digits = before + 1 + decimals
  if (digits < 1) return '0'
  return String(Number(value.toPrecision(Math.min(digits, 17))))
}

/** A path quoted for a shell, if needed. */
export const quoted = (path: string): string =>
  /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`

/** `plural(1, 'picture')` → `1 picture`; `plural(2000, 'class', 'classes')` → `2,000 classes`. */
export const plural = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString('en-US')} ${n === 1 ? one : many}`
