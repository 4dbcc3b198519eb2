import { isTensor } from './handle.ts'

/** An argument of an operator's schema. */
export interface SchemaArgument {
  /** Its type as written: `Tensor(a!)`, `SymInt[2]`, `float?`. */
  type: string
  name: string
  /** Its default as written. */
  default?: string
  /** Whether it can only be given by its name. */
  kwarg: boolean
}

/** The schema of one overload of an operator. */
export interface Schema {
  /** `aten`, `anneal`. */
  namespace: string
  name: string
  overload: string
  args: SchemaArgument[]
  /** Types of the results as written: `Tensor(a)`, `(Tensor, Tensor)`. */
  returns: string
}

/** Reads a schema as libtorch prints it: `aten::relu_(Tensor(a!) self) -> Tensor(a!)`; undefined for other text. */
export function parseSchema(text: string): Schema | undefined {
  const match = /^(\w+)::(\w+)(?:\.(\w+))?\((.*)\) -> (.*)$/.exec(text)
  if (!match) return undefined
  const [, namespace = '', name = '', overload = '', body = '', returns = ''] = match
  const args: SchemaArgument[] = []
  let kwarg = false
  for (const part of splitTop(body)) {
    if (part === '*') {
      kwarg = true
      continue
    }
    const parsed = /^(\S+(?:\([^)]*\))?\S*) ([A-Za-z_0-9]+)(?:=(.*))?$/.exec(part)
    if (!parsed) return undefined
    args.push({ type: parsed[1]!, name: parsed[2]!, kwarg, ...(parsed[3] === undefined ? {} : { default: parsed[3] }) })
  }
  return { namespace, name, overload, args, returns: returns.trim() }
}

/** The parts of a text between its commas, but for commas in brackets or quotes. */
export function splitTop(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let part = ''
  let quoted = false
  for (const c of text) {
    if (c === '"') quoted = !quoted
    if (!quoted && '([{'.includes(c)) depth++
    if (!quoted && ')]}'.includes(c)) depth--
    if (c === ',' && depth === 0 && !quoted) {
      parts.push(part.trim())
      part = ''
    } else part += c
  }
  if (part.trim()) parts.push(part.trim())
  return parts
}

/** The arguments of a call by their names, with the defaults of those that were not given; undefined where the call is
 *  not of this overload. The rules are those of the addon (`fill` in native/dispatch.cpp). */
export function bind(
  { args }: Schema,
  positional: readonly unknown[],
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> | undefined {
  const bound: Record<string, unknown> = {}
  let position = 0
  let used = 0
  for (const { name, type, kwarg, default: standard } of args) {
    let value: unknown
    if (!kwarg && position < positional.length) value = positional[position++]
    else if (name in options) {
      value = options[name]
      used++
    }
    if (value === undefined) {
      if (standard === undefined && !type.endsWith('?')) return undefined
      value = standard === undefined ? null : readDefault(standard)
    } else if (!fits(value, bare(type))) return undefined
    bound[name] = spread(value, bare(type))
  }
  const rest = positional.slice(position)
  return rest.every(value => value === undefined) && used === Object.keys(options).length ? bound : undefined
}

/** A type without notes on aliases. */
const bare = (type: string) => type.replace(/\([^)]*\)/g, '')
const listOf = (type: string) => /^(.*)\[(\d*)\]\??$/.exec(type)

function fits(value: unknown, type: string): boolean {
  if (value === null) return type.endsWith('?')
  const list = listOf(type)
  if (list) {
    const [, inner = '', count = ''] = list
    if (Array.isArray(value)) return value.every(item => fits(item, inner))
    return count !== '' && fits(value, inner)
  }
  switch (type.replace(/\?$/, '')) {
    case 'Tensor':
      return isTensor(value)
    case 'int':
    case 'SymInt':
      return Number.isInteger(value) || typeof value === 'bigint'
    case 'float':
    case 'SymFloat':
      return typeof value === 'number'
    case 'bool':
    case 'SymBool':
      return typeof value === 'boolean'
    case 'Scalar':
    case 'number':
      return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'
    case 'str':
    case 'Device':
    case 'ScalarType':
    case 'Layout':
    case 'MemoryFormat':
      return typeof value === 'string'
    default:
      return typeof value === 'object' && !isTensor(value)
  }
}

/** `int[2]` takes one number for both. */
function spread(value: unknown, type: string): unknown {
  const count = Number(listOf(type)?.[2] ?? 0)
  if (count === 0 || value === null) return value
  if (!Array.isArray(value)) return Array.from({ length: count }, () => value)
  return value.length === 1 ? Array.from({ length: count }, () => value[0]) : value
}

function readDefault(text: string): unknown {
  if (text === 'None') return null
  if (text === 'True' || text === 'False') return text === 'True'
  if (text.startsWith('[')) return splitTop(text.slice(1, -1)).map(readDefault)
  if (text.startsWith('"')) return text.slice(1, -1)
  return Number.isNaN(Number(text)) ? text : Number(text)
}
