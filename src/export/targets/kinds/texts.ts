import type { TextFileCard } from '../../../onnx/index.ts'
import { probeBound } from '../../compare.ts'
import { named, type TargetKind } from './kind.ts'

const input = `// Reads the texts of requests.
export const kind = 'text'
export const takes = 'a text'
export const maxBytes = 1_000_000
export const options = {}
const maxTexts = 100

/** What the model takes: a text, or a list of texts. */
export function inputOf(bytes, { type, refuse }) {
  let body
  try {
    body = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    refuse(400, 'the body is not UTF-8')
  }
  if (type === 'text/plain') return body
  const ways = 'expected JSON: {"text": "…"} or {"texts": ["…", …]}; or text/plain with one text as the body'
  let value
  try {
    value = JSON.parse(body)
  } catch {
    refuse(400, \`the body is not valid JSON; \${ways}\`)
  }
  if (typeof value === 'string') return value
  const list = Array.isArray(value) ? value : value?.texts
  const alone = !Array.isArray(value) && Object.keys(value ?? {}).length === 1
  if (alone && 'text' in value) return value.text
  if (!Array.isArray(list) || (!Array.isArray(value) && !alone)) refuse(400, ways)
  if (list.length === 0) refuse(400, 'texts: expected a list of one text or more')
  if (list.length > maxTexts) refuse(413, \`the request has \${list.length} texts; at most \${maxTexts} are taken\`)
  return list
}
`

/** Texts. */
export const texts: TargetKind<TextFileCard> = {
  nouns: 'texts',
  curl: () => `-d '{"text": "This is an example sentence."}'`,
  probes: async card => {
    const { probe = { texts: [], outputs: [] }, weights } = card
    return {
      tolerance: Math.max(0.001, probeBound(weights)),
      probes: probe.texts.map((text, i) => ({ body: { text }, outputs: named(card, probe.outputs, i) })),
      files: {},
    }
  },
  packages: [],
  notes: ['Several texts in one request: `{"texts": ["…", "…"]}`.'],
  lambdaLimit: 'texts of 6 MB in all',
  worker: () => ({
    files: { 'input.mjs': input },
    packages: {},
    ways: [
      `JSON {"text": "…"} or {"texts": ["…", …]}: curl -d '{"text": "…"}' https://…/predict`,
      'or one text as text/plain',
    ],
    limits: `- **Memory.** A worker has 128 MB for the code, the model and the tokenizer, so only small nets run there: all-MiniLM-L6-v2
  with \`--quantize\` and short texts. Send long ones one at a time.
- **Time.** It computes in one thread. A request has at most 100 texts and 1 MB.`,
  }),
}
