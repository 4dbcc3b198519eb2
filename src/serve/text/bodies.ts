import { plural } from '../../base/format.ts'
import { jsonOf, textOf, typeOf } from '../body.ts'
import { Refused } from '../refused.ts'

/** The ways in which `POST /predict` takes texts, for messages. */
export const ways =
  'JSON: one text as {"text": "…"}, or several as {"texts": ["…", …]}; or text/plain with one text as the body'

/** The texts in the body of `POST /predict`; `many`: it gets a list. curl -d calls a body application/x-www-form-urlencoded,
 *  so such a body is JSON if it begins like JSON. Throws `Refused`. */
export function textsOf(
  contentType: string | null,
  body: Uint8Array,
  maxTexts: number,
): { texts: unknown[]; many: boolean } {
  const type = typeOf(contentType)
  if (type === 'text/plain') return { texts: [textOf(contentType, body, 'the text')], many: false }
  const begins = new TextDecoder().decode(body.subarray(0, 64)).trimStart()
  const open = type === '' || type === 'application/x-www-form-urlencoded'
  if (type !== 'application/json' && !(open && /^[[{"]/.test(begins)))
    throw new Refused(
      415,
      'type',
      open
        ? `the body is no JSON; expected ${ways}. With curl: -H 'content-type: text/plain' --data-binary @text.txt`
        : `content-type ${type} is not taken; expected ${ways}`,
    )
  const value = jsonOf(body)
  if (typeof value === 'string') return { texts: [value], many: false }
  const list = Array.isArray(value) ? value : inObject(value)
  if (!Array.isArray(list)) return { texts: [list], many: false }
  if (list.length === 0) throw new Refused(400, 'request', 'texts: expected a list of one text or more')
  if (list.length > maxTexts)
    throw new Refused(413, 'texts', `the request has more than ${plural(maxTexts, 'text')}; send them in several`)
  return { texts: list, many: true }
}

/** What stands under `text` or `texts`. */
function inObject(value: unknown): unknown {
  const names = typeof value === 'object' && value !== null ? Object.keys(value) : []
  const [name, ...others] = names
  if (others.length > 0 || (name !== 'text' && name !== 'texts'))
    throw new Refused(
      400,
      'request',
      `${names.length > 0 ? `the object has ${names.slice(0, 5).join(', ')}` : `got ${JSON.stringify(value)}`}; expected ${ways}`,
    )
  const found = (value as Record<string, unknown>)[name]
  if (name === 'texts' && !Array.isArray(found))
    throw new Refused(400, 'request', 'texts: expected a list of texts; one text is {"text": "…"}')
  if (name === 'text' && Array.isArray(found))
    throw new Refused(400, 'request', 'text: expected one text; several are {"texts": ["…", …]}')
  return found
}
