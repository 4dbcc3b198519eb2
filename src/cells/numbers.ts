import { type AnnealError, DataError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { setting } from '../base/options.ts'
import { type Cell, cellText } from './cell.ts'
import { tidy } from './tidy.ts'

/** How cells were read, in words: a `Choice` of `data/types.ts`. */
interface Said {
  what: string
  value: string
  reason: string
}

/** The decimal sign of a number. */
export type Decimal = '.' | ','

/** The parts of a text that may be a number: `-$1,234.5 kg` has sign -1, affix `$…kg`, body `1,234.5`. */
interface Parts {
  sign: 1 | -1
  /** The digits and the signs between them. */
  body: string
  exponent: string
  /** Currency, unit or percent sign, or empty. */
  affix: string
  /** In parentheses, as accountants write negative numbers. */
  parentheses: boolean
}

const currency =
  '[\\p{Sc}]|(?:USD|EUR|GBP|CHF|JPY|CNY|INR|BRL|CAD|AUD|SEK|NOK|DKK|PLN|CZK|RUB|TRY|Fr\\.|Rs\\.?|R\\$|US\\$|kr)(?![\\p{L}])'
const digits = "\\d(?:[\\d.,'_ ]*\\d)?[.,]?|[.,]\\d+"
const shape = new RegExp(
  `^(?<open>\\()?\\s*(?<sign>[+-])?\\s*(?<before>${currency})?\\s*(?<inner>[+-])?(?<body>${digits})(?<exponent>[eE][+-]?\\d+)?(?<gap>\\s*)(?<after>%|‰|[\\p{L}°µμ$€£¥][\\p{L}\\d°µμ/²³%.·*^-]{0,11})?\\s*(?<close>\\))?$`,
  'u',
)
const units =
  /^(%|‰|[$€£¥₹₽]|°[CFK]?|[munµμck]?m[23²³]?|km\/h|km|k?g|m?g|µg|lbs?|oz|in|ft|yd|mi|[mcdµ]?l|h|hrs?|min|m?s|y|yrs?|years?|days?|months?|weeks?|[kM]?Hz|[kM]?W|[kM]?Pa|mmHg|bpm|px|mb|gb|kb|eur|usd|gbp|chf|kr|jahre?|ans|años?)$/iu
const zeros = [0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xe50, 0xff10]
const otherDigit =
  /[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0a66-\u0a6f\u0ae6-\u0aef\u0e50-\u0e59\uff10-\uff19]/g

/** Converts digits of other scripts and widths, minus signs and apostrophes to ASCII, and every blank to one space. */
function ascii(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text.trim()
  return tidy(text)
    .replace(otherDigit, digit => String(digit.charCodeAt(0) - zeros.findLast(zero => zero <= digit.charCodeAt(0))!))
    .replace(/[\uff01-\uff5e]/g, c => String.fromCharCode(c.charCodeAt(0) - 0xfee0))
    .replace(/[−–‒﹣]/g, '-')
    .replace(/[’‘ʼ´`]/g, "'")
    .replaceAll('٫', ',')
    .replaceAll('٬', "'")
}

function partsOf(text: string): Parts | undefined {
  const found = shape.exec(ascii(text))?.groups
  if (!found || Boolean(found.open) !== Boolean(found.close)) return undefined
  const { sign, inner, before = '', gap = '', after = '', body = '', exponent = '' } = found
  if ((sign && inner) || (found.open && (sign || inner)) || (before && after)) return undefined
  // "9a" is a school class; "9 kg", "9kg" and "9.5a" are amounts.
  if (after && gap === '' && !units.test(after) && !/[.,]\d/.test(body)) return undefined
  const negative = sign === '-' || inner === '-' || found.open === '('
  return { sign: negative ? -1 : 1, body, exponent, affix: before + after, parentheses: found.open === '(' }
}

/** The decimal signs with which a body is a number. Both if it has none of them, or if, as in `1,234`, the sign may
 *  stand before a fraction or between thousands. */
function readings(body: string): readonly Decimal[] {
  return (['.', ','] as const).filter(decimal => Number.isFinite(amountOf(body, decimal)))
}

/** The value of the digits, NaN if they are not a number. Thousands are groups of three digits (or groups as in India)
 *  with the same sign between them. */
function amountOf(body: string, decimal: Decimal | 'ask', exponent = ''): number {
  if (decimal === 'ask') return Number.NaN
  const at = body.indexOf(decimal)
  const whole = at < 0 ? body : body.slice(0, at)
  const fraction = at < 0 ? '' : body.slice(at + 1)
  if (!/^\d*$/.test(fraction)) return Number.NaN
  const group = /[^\d]/.exec(whole)?.[0]
  if (group !== undefined) {
    const groups = whole.split(group)
    const western = groups.slice(1).every(part => /^\d{3}$/.test(part))
    const indian =
      group === ',' && /^\d{3}$/.test(groups.at(-1)!) && groups.slice(1, -1).every(part => /^\d{2}$/.test(part))
    if (!/^[1-9]\d{0,2}$/.test(groups[0]!) || !(western || indian)) return Number.NaN
    return Number(`${groups.join('')}.${fraction || '0'}${exponent}`)
  }
  return Number(`${whole || '0'}.${fraction || '0'}${exponent}`)
}

/** How the cells of one column are read as numbers. */
export interface NumberColumn {
  /** The value of a cell, NaN if it is not a number. */
  read(cell: Cell | undefined): number
  /** Why a cell is not a number, and what to do. Only for cells for which `read` gives NaN. */
  why(cell: Cell | undefined): string
  /** A number with two possible values, if no other number shows which one is right. */
  ask: { text: string; values: Record<Decimal, number> } | undefined
  /** How numbers with units, thousands or decimal commas are read. */
  choices: Said[]
  /** How many of the different texts are numbers, and how many are not. */
  numbers: number
  others: number
  /** The sign before the fraction, or `ask` if two are possible. */
  decimal: Decimal | 'ask'
  /** The unit, currency or percent sign of the numbers; empty for plain ones. */
  unit: string
}

const isPlain = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** Finds the decimal sign, the thousands sign and the unit of a column's numbers. `texts`: all texts of the column,
 *  each once, without missing words. A number that stays ambiguous is in `ask`. `unit`: that of the numbers of training (empty: none); numbers
 *  with it and plain ones are read, others are not. Default: that of most texts. */
export function numberColumn(
  texts: Iterable<string>,
  { name, decimal, unit }: { name: string; decimal?: Decimal | undefined; unit?: string | undefined },
): NumberColumn {
  const cells = new Map<string, Parts>()
  const units = new Map<string, number>()
  const claims = { '.': 0, ',': 0 }
  const open: string[] = []
  let [plain, others] = [0, 0]
  for (const text of texts) {
    if (isPlain.test(text)) {
      plain++
      if (text.includes('.') && !/^[+-]?[1-9]\d{0,2}\.\d{3}$/.test(text)) claims['.']++
      continue
    }
    const parts = partsOf(text)
    const can = parts ? readings(parts.body) : []
    if (!parts || can.length === 0) {
      others++
      continue
    }
    cells.set(text, parts)
    units.set(parts.affix, (units.get(parts.affix) ?? 0) + 1)
    if (can.length === 1) claims[can[0]!]++
    else if (parts.body.includes(',')) open.push(text)
  }
  if (plain > 0) units.set('', (units.get('') ?? 0) + plain)
  const numbers = plain + cells.size
  const sign = decimal ?? decimalOf(claims, { numbers, open: open.length })
  const affix = unit ?? [...units].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0] as [string, number])[0]
  const fits = (parts: Parts) => parts.affix === affix || (unit !== undefined && parts.affix === '')
  const read = (cell: Cell | undefined): number => {
    if (typeof cell === 'number') return cell
    const text = cellText(cell)
    if (affix === '' && sign === '.' && isPlain.test(text)) return Number(text)
    const parts = cells.get(text) ?? partsOf(text)
    if (!parts || !fits(parts)) return Number.NaN
    return parts.sign * amountOf(parts.body, sign, parts.exponent)
  }
  const why = (cell: Cell | undefined): string => {
    const parts = partsOf(cellText(cell))
    if (!parts) return 'Correct the cell'
    if (!fits(parts)) {
      if (unit !== undefined)
        return `It has "${parts.affix}", and training had ${unit ? `"${unit}"` : 'plain numbers'}. Write all numbers in one unit`
      const rest = plural(units.get(affix) ?? 0, 'other number')
      return `It has ${parts.affix ? `"${parts.affix}"` : 'no unit'}, and ${rest} have ${affix ? `"${affix}"` : 'no unit'}. Write all numbers in one unit`
    }
    const otherwise = sign === '.' ? ',' : '.'
    const value = parts.sign * amountOf(parts.body, otherwise)
    if (!Number.isFinite(value)) return 'Correct the cell'
    const rule = decimal
      ? setting('decimal', decimal)
      : `the other numbers have "${sign}", or no sign, before the fraction`
    return `Here ${rule}; ${setting('decimal', otherwise)} would read this one as ${value}. Write all numbers in one way`
  }
  const ask = sign === 'ask' ? open[0] : undefined
  const asked = ask === undefined ? undefined : { text: ask, values: bothValues(cells.get(ask)!) }
  return {
    read,
    why,
    ask: asked,
    choices: said({ name, cells, sign, affix, decimal, read }),
    numbers,
    others,
    decimal: sign,
    unit: affix,
  }
}

const bothValues = ({ sign, body }: Parts): Record<Decimal, number> => ({
  '.': sign * amountOf(body, '.'),
  ',': sign * amountOf(body, ','),
})

/** The error for a number with two possible values. */
export const askDecimal = (
  where: string,
  name: string,
  { text, values }: NonNullable<NumberColumn['ask']>,
): AnnealError =>
  new DataError(
    `${where}: "${text}" may be ${values[',']} (a decimal comma) or ${values['.']} (a comma between thousands), and no other number of "${name}" shows which. ${setting('decimal', ',')} reads it as ${values[',']}, ${setting('decimal', '.')} as ${values['.']}.`,
  )

/** The decimal sign that most numbers of a column need. A single decimal comma among many numbers is probably a
 *  typo. */
function decimalOf(
  claims: Record<Decimal, number>,
  { numbers, open }: { numbers: number; open: number },
): Decimal | 'ask' {
  if (claims['.'] === 0 && claims[','] === 0) return open > 0 ? 'ask' : '.'
  const slip = claims[','] === 1 && open === 0 && numbers > 4
  return claims[','] > claims['.'] && !slip ? ',' : '.'
}

/** Reports how numbers with units, thousands or decimal commas are read. */
function said({
  name,
  cells,
  sign,
  affix,
  decimal,
  read,
}: {
  name: string
  cells: ReadonlyMap<string, Parts>
  sign: Decimal | 'ask'
  affix: string
  decimal: Decimal | undefined
  read(text: string): number
}): Said[] {
  const all = [...cells].filter(([text]) => Number.isFinite(read(text)))
  const example = all[0]
  if (!example) return []
  const has = (test: (parts: Parts, text: string) => boolean) => all.some(([text, parts]) => test(parts, text))
  const thousands = all.map(([, { body }]) => (sign === ',' ? /[.'_ ]/ : /[,'_ ]/).exec(body)?.[0]).find(Boolean)
  const ways = [
    sign === ',' && has(({ body }) => body.includes(',')) && 'a comma before the fraction',
    thousands && `${thousands === ' ' ? 'a blank' : `"${thousands}"`} between thousands`,
    affix && (affix === '%' ? 'in percent' : `in "${affix}"`),
    has(({ parentheses }) => parentheses) && 'parentheses for negative numbers',
    has((_, text) => /[^\x20-\x7e\p{Sc}\p{L}°²³\s]/u.test(text)) && 'digits and signs of other scripts',
  ].filter(way => typeof way === 'string' && way !== '')
  if (ways.length === 0) return []
  const other: Decimal = sign === ',' ? '.' : ','
  const otherwise = all.find(([, { body }]) => Number.isFinite(amountOf(body, other)) && /[.,]/.test(body))
  const how =
    otherwise && !decimal
      ? `; ${setting('decimal', other)} reads "${otherwise[0]}" as ${otherwise[1].sign * amountOf(otherwise[1].body, other)}`
      : ''
  const count = plural(all.length, 'different number')
  return [
    {
      what: 'numbers',
      value: ways.join(', '),
      reason: `${count} of "${name}" ${all.length === 1 ? 'is' : 'are'} written like this: "${example[0]}" is ${read(example[0])}${how}`,
    },
  ]
}
