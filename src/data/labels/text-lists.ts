/** The parts of a list that a program wrote as text: `['cat', 'dog']` by Python, `["cat", "dog"]` by JSON, `[cat,
 *  dog]`, `{cat,dog}` by PostgreSQL, `('cat', 'dog')`, `{'cat', 'dog'}`. Undefined if the text is not such a list. */
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
    // A comma after the last part: ('cat',)
    if (inside.slice(part.lastIndex).trim() === '') break
  }
  // Words in round brackets may be a remark or a negative amount. A list in round brackets has quotes or a comma.
  return open === '(' && parts.length < 2 && !/['",]/.test(inside) ? undefined : parts
}

const closing: Record<string, string> = { '[': ']', '{': '}', '(': ')' }

/** A part, with or without quotes of either kind, and the comma or the end after it. */
const part = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^,'"[\](){}]+))\s*(,|$)/g

const unescaped = (text: string | undefined): string | undefined => text?.replace(/\\(.)/g, '$1')
