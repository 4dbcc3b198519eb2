/** A list as it is typed: `a,b`. What stands in double quotes is one part, commas and all, with quotes in it doubled:
 *  `"cat, big",dog`; a backslash before a comma, a quote or a backslash takes it as it is: `cat\, big,dog`. Empty parts
 *  are left out. */
export function listed(value: string): string[] {
  const parts: string[] = []
  let [part, quoted] = ['', false]
  for (let i = 0; i < value.length; i++) {
    const [at, next] = [value[i]!, value[i + 1]]
    if (at === '\\' && next !== undefined && ',"\\'.includes(next)) part += value[++i]
    else if (quoted && at === '"' && next === '"') part += value[++i]
    else if (quoted && at === '"' && (next === undefined || next === ',')) quoted = false
    else if (!quoted && at === '"' && part === '' && closes(value, i)) quoted = true
    else if (!quoted && at === ',') {
      parts.push(part)
      part = ''
    } else part += at
  }
  parts.push(part)
  return parts.filter(one => one !== '')
}

/** Whether a quote that opens a part has one that ends it: another may belong to a name, as in `"5` for inches. */
const closes = (value: string, from: number): boolean => /^"(?:[^"]|"")*"(?=,|$)/.test(value.slice(from))
