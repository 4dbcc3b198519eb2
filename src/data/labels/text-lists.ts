/** The parts of a list that a program wrote into a text: `['cat', 'dog']` as Python does, `["cat", "dog"]` as JSON,
 *  `[cat, dog]`, `{cat,dog}` as PostgreSQL, `('cat', 'dog')`, `{'cat', 'dog'}`; undefined where the text is no such list. */
export function listIn(text: string): string[] | undefined {
  const trimmed = text.trim()
  const [open, close] = [trimmed[0], trimmed.at(-1)]
  if (trimmed.length < 2 || !closing[open ?? ''] || closing[open!] !== close) return undefined
  const inside = trimmed.slice(1, -1)
  if (inside.trim() === '') return []
  const parts: string[] = []
  part.lastIndex = 0
  while (part.lastIndex < inside.length) {
    const at = part.lastIndex
    const found = part.exec(inside)
    if (found?.index !== at) return undefined
    const [, double, single, bare, end] = found
    parts.push(unescaped(double ?? single) ?? bare!.trim())
    if (end === '') break
    // A comma after the last one: ('cat',)
    if (inside.slice(part.lastIndex).trim() === '') break
  }
  // Words in round brackets are a remark or a negative amount; a list there has quotes or a comma.
  return open === '(' && parts.length < 2 && !/['",]/.test(inside) ? undefined : parts
}

const closing: Record<string, string> = { '[': ']', '{': '}', '(': ')' }

/** A part in either kind of quotes, or without, and the comma behind it or the end. */
const part = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^,'"[\](){}]+))\s*(,|$)/g

const unescaped = (text: string | undefined): string | undefined => text?.replace(/\\(.)/g, '$1')
