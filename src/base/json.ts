/** A value as JSON. A `Map` becomes an object whose keys stand in the Map's order: JavaScript puts keys of objects that look like
 *  whole numbers first, so an object can't keep the order of classes such as 01, 1, 10. */
export function json(value: unknown): string {
  if (value instanceof Map)
    return `{${[...value].map(([key, own]) => `${JSON.stringify(String(key))}:${json(own)}`).join(',')}}`
  if (Array.isArray(value)) return `[${value.map(json).join(',')}]`
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value).filter(([, own]) => own !== undefined && typeof own !== 'function')
  return `{${members.map(([key, own]) => `${JSON.stringify(key)}:${json(own)}`).join(',')}}`
}
