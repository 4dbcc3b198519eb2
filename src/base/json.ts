/** A value as JSON. A `Map` becomes an object with its keys in the order of the Map. A JavaScript object puts keys that
 *  look like whole numbers first, so it can't keep the order of classes such as 01, 1, 10. */
export function json(value: unknown): string {
  if (value instanceof Map)
    return `{${[...value].map(([key, own]) => `${JSON.stringify(String(key))}:${json(own)}`).join(',')}}`
  if (Array.isArray(value)) return `[${value.map(json).join(',')}]`
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value).filter(([, own]) => own !== undefined && typeof own !== 'function')
  return `{${members.map(([key, own]) => `${JSON.stringify(key)}:${json(own)}`).join(',')}}`
}
