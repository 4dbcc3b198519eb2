import { WeightsError } from '../base/errors.ts'

/** The entry of one tensor in a safetensors header. Offsets are in bytes from the start of the data. */
export interface HeaderTensor {
  dtype: string
  shape: number[]
  begin: number
  end: number
}

/** A safetensors header, in the order of the file. */
export interface Header {
  tensors: Map<string, HeaderTensor>
  metadata: Map<string, string>
}

/** Reads the JSON of a safetensors header. The parser knows only this grammar, so wrong depths, types, repeated keys
 *  and unknown fields are errors at their first character. Throws an AnnealError with the reason and the character. */
export function parseHeader(json: string): Header {
  let at = 0

  function fail(reason: string): never {
    throw new WeightsError(`${reason} at character ${at}`)
  }

  function peek(): string {
    while (json[at] === ' ' || json[at] === '\n' || json[at] === '\r' || json[at] === '\t') at++
    return json[at] ?? 'the end'
  }

  function expect(character: string): void {
    if (peek() !== character) fail(`${JSON.stringify(peek())} instead of ${JSON.stringify(character)}`)
    at++
  }

  function string(): string {
    expect('"')
    const start = at - 1
    while (json[at] !== '"') {
      if (at >= json.length) fail('a text that does not end')
      at += json[at] === '\\' ? 2 : 1
    }
    at++
    try {
      return JSON.parse(json.slice(start, at)) as string
    } catch {
      return fail('a text that is not valid JSON')
    }
  }

  function integer(): number {
    peek()
    const start = at
    while (json[at]! >= '0' && json[at]! <= '9') at++
    const digits = json.slice(start, at)
    if (digits === '' || (digits.length > 1 && digits.startsWith('0')))
      fail('a number >= 0 without fraction is missing')
    const value = digits.length > 16 ? Number.NaN : Number(digits)
    return Number.isSafeInteger(value) ? value : fail('a number beyond 2^53')
  }

  function list(): number[] {
    expect('[')
    const items: number[] = []
    if (peek() !== ']')
      for (;;) {
        items.push(integer())
        if (peek() === ']') break
        expect(',')
      }
    at++
    return items
  }

  /** Reads an object. Calls `member` with each key; `member` reads the value. */
  function object(member: (key: string) => void): void {
    const seen = new Set<string>()
    expect('{')
    if (peek() !== '}')
      for (;;) {
        const key = string()
        if (seen.has(key)) fail(`the key ${JSON.stringify(key.slice(0, 80))} for the second time`)
        seen.add(key)
        expect(':')
        member(key)
        if (peek() === '}') break
        expect(',')
      }
    at++
  }

  function tensor(): HeaderTensor {
    let dtype: string | undefined
    let shape: number[] | undefined
    let offsets: number[] | undefined
    object(key => {
      if (key === 'dtype') dtype = string()
      else if (key === 'shape') shape = list()
      else if (key === 'data_offsets') offsets = list()
      else fail(`the unknown field ${JSON.stringify(key.slice(0, 80))}`)
    })
    const [begin, end] = offsets ?? []
    if (dtype === undefined || shape === undefined || begin === undefined || end === undefined || offsets?.length !== 2)
      return fail('a tensor without its dtype, shape and two data_offsets')
    return { dtype, shape, begin, end }
  }

  const tensors = new Map<string, HeaderTensor>()
  const metadata = new Map<string, string>()
  object(name => {
    if (name === '__metadata__') object(key => metadata.set(key, string()))
    else tensors.set(name, tensor())
  })
  peek()
  if (at < json.length) fail('more after its end')
  return { tensors, metadata }
}
