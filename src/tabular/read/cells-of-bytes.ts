/** Powers of ten that a float64 holds exactly. */
const powers = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`))
/** Whole numbers of at most so many digits are exact in a float64. */
const exactDigits = 15

/** The number in these bytes, exactly as `Number` reads it; undefined if they hold none, or a name made of digits: a zero
 *  in front (`007`), or more digits than a float64 holds. A point stands before the fraction. */
export function numberIn(bytes: Uint8Array, from: number, to: number): number | undefined {
  let at = from
  const sign = bytes[at]!
  if (sign === 0x2d || sign === 0x2b) at++
  const first = at
  let value = 0
  let byte = 0
  for (; at < to && (byte = bytes[at]! - 0x30) >= 0 && byte <= 9; at++) value = 10 * value + byte
  const whole = at - first
  if (whole > 1 && first === from && bytes[first] === 0x30) return undefined
  let fraction = 0
  if (at < to && bytes[at] === 0x2e) {
    const point = ++at
    for (; at < to && (byte = bytes[at]! - 0x30) >= 0 && byte <= 9; at++) value = 10 * value + byte
    fraction = at - point
  }
  if (whole + fraction === 0) return infinity(bytes, from, to)
  if (at === to && whole + fraction <= exactDigits) {
    // Both are exact, so the quotient is the nearest float64 (Clinger 1990).
    if (fraction > 0) value /= powers[fraction]!
    return sign === 0x2d ? -value : value
  }
  if (at === to && fraction === 0 && bytes[at - 1] !== 0x2e) return undefined
  const text = latin1(bytes, from, to)
  return at === to || /^[+-]?(\d+\.?\d*|\.\d+)e[+-]?\d+$/i.test(text) ? Number(text) : undefined
}

function infinity(bytes: Uint8Array, from: number, to: number): number | undefined {
  const byte = bytes[to - 1]! | 0x20
  if (to - from < 3 || to - from > 9 || (byte !== 0x66 && byte !== 0x79)) return undefined
  const [, sign] = /^([+-]?)inf(?:inity)?$/i.exec(latin1(bytes, from, to)) ?? []
  return sign === undefined ? undefined : sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1')

/** Days since 1970 of a day in the Gregorian calendar (Hinnant's `days_from_civil`). */
export function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - 400 * era
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = 365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return 146_097 * era + dayOfEra - 719_468
}

const lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const monthLength = (year: number, month: number): number =>
  month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : lengths[month - 1]!

/** So many digits from here on as a number, or -1. */
function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) {
    const digit = bytes[i]! - 0x30
    if (!(digit >= 0 && digit <= 9)) return -1
    value = 10 * value + digit
  }
  return value
}

/** Seconds since 1970 in UTC of a date with the year in front: `2020-01-31` or `2020/1/31`, with a time of day
 *  `T03:04:05.678` and a zone `Z` or `+02:00` where they stand there. Undefined for all else, which is read as a word. */
export function dateIn(bytes: Uint8Array, from: number, to: number): number | undefined {
  const sign = bytes[from + 4]!
  const year = to - from >= 8 && (sign === 0x2d || sign === 0x2f) ? digits(bytes, from, 4) : -1
  if (year < 0) return undefined
  const monthDigits = bytes[from + 6] === sign ? 1 : 2
  const month = digits(bytes, from + 5, monthDigits)
  const dayAt = from + 6 + monthDigits
  if (month < 1 || month > 12 || bytes[dayAt - 1] !== sign || dayAt >= to) return undefined
  const dayDigits = dayAt + 1 < to && digits(bytes, dayAt + 1, 1) >= 0 ? 2 : 1
  const day = digits(bytes, dayAt, dayDigits)
  if (day < 1 || day > monthLength(year, month)) return undefined
  const midnight = 86_400 * daysOf(year, month, day)
  const at = dayAt + dayDigits
  return at === to ? midnight : timeIn(bytes, at, { to, midnight })
}

/** The rest of a date behind its day: `T03:04`, ` 03:04:05.678`, and a zone. */
function timeIn(
  bytes: Uint8Array,
  from: number,
  { to, midnight }: { to: number; midnight: number },
): number | undefined {
  if ((bytes[from] !== 0x20 && bytes[from] !== 0x54) || to < from + 6 || bytes[from + 3] !== 0x3a) return undefined
  const [hour, minute] = [digits(bytes, from + 1, 2), digits(bytes, from + 4, 2)]
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return undefined
  let at = from + 6
  let seconds = midnight + 3600 * hour + 60 * minute
  let micros = 0
  if (at < to && bytes[at] === 0x3a) {
    const second = to >= at + 3 ? digits(bytes, at + 1, 2) : -1
    if (second < 0 || second > 59) return undefined
    seconds += second
    at += 3
    if (at < to && bytes[at] === 0x2e) {
      const first = ++at
      for (let digit: number; at < to && (digit = bytes[at]! - 0x30) >= 0 && digit <= 9; at++)
        micros = 10 * micros + digit
      if (at === first || at - first > 6) return undefined
      micros *= powers[6 - (at - first)]!
    }
  }
  const zone = zoneIn(bytes, at, to)
  return zone === undefined ? undefined : (1e6 * (seconds - zone) + micros) / 1e6
}

/** Seconds east of Greenwich: nothing, `Z`, `+02`, `+0200` or `+02:00`. */
function zoneIn(bytes: Uint8Array, at: number, to: number): number | undefined {
  if (at === to || (bytes[at] === 0x5a && at + 1 === to)) return 0
  const sign = bytes[at] === 0x2b ? 1 : bytes[at] === 0x2d ? -1 : 0
  const colon = bytes[at + 3] === 0x3a ? 1 : 0
  if (sign === 0 || (to !== at + 3 && to !== at + 5 + colon)) return undefined
  const hours = digits(bytes, at + 1, 2)
  const minutes = to === at + 3 ? 0 : digits(bytes, at + 3 + colon, 2)
  return hours < 0 || hours > 15 || minutes < 0 || minutes > 59 ? undefined : sign * (3600 * hours + 60 * minutes)
}
