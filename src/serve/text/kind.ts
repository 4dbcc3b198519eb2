import { quoted } from '../../base/format.ts'
import type { ServedTexts } from '../model.ts'
import { Refused } from '../refused.ts'
import { type Reading, type ServedKind, settled, type Text } from '../served-kind.ts'
import { textsOf, ways } from './bodies.ts'
import { page } from './page.ts'
import { inputName, textTensor } from './tensors.ts'

/** A text of a request for the queue. Throws `Refused` for what is no text. */
function queued(text: unknown, where: string, { waited }: Reading): Text {
  if (typeof text !== 'string')
    throw new Refused(
      422,
      'text',
      `${where} is ${text === null ? 'null' : Array.isArray(text) ? 'a list' : typeof text === 'object' ? 'an object' : `a ${typeof text}`}; expected a text`,
    )
  if (text.trim() === '') throw new Refused(422, 'text', `${where} is empty; expected a text`)
  return { key: 'text', pixels: 1, text, ...waited }
}

/** A text that nobody wrote, to try a model with. */
const example = 'This is an example sentence.'

/** Texts, read by the tokenizer in the model's card. */
export const texts: ServedKind = {
  noun: 'text',
  sample: () => example,
  compared: ({ card: a }: ServedTexts, { card: b }: ServedTexts) => [['task', a.task, b.task]],
  ready: async (sample: Text) => sample.text,
  key: () => 'text',
  predict: (model: ServedTexts, all: readonly string[], options) => model.predict(all, options),
  said: (text: string) => `text of ${text.length} characters`, // what people write does not go into a log
  async given(contentType, body, reading) {
    const { texts: all, many } = textsOf(contentType, body, reading.limits.maxRows)
    return {
      samples: settled(all, (text, i) => queued(text, many ? `text ${i + 1}` : 'the text', reading)),
      many,
      about: all.map(() => ({})),
    }
  },
  inputs: () => [{ name: inputName, datatype: 'BYTES', shape: [-1] }],
  async tensors(inputs, binary, reading) {
    const all = textTensor(inputs, binary, reading.limits.maxRows)
    return all.map((text, i) => queued(text, `text ${i + 1}`, reading))
  },
  bodies(_, limits) {
    const text = { type: 'string', minLength: 1 }
    const object = (name: string, schema: object) => ({
      type: 'object',
      required: [name],
      properties: { [name]: schema },
      additionalProperties: false,
    })
    const list = { type: 'array', items: text, minItems: 1, maxItems: limits.maxRows }
    return {
      ways,
      content: {
        'application/json': {
          schema: { oneOf: [object('text', text), object('texts', list)] },
          example: { text: example },
        },
        'text/plain': { schema: { type: 'string', description: 'One text, in UTF-8.' } },
      },
    }
  },
  page,
  example: (_, address, more) =>
    `curl -d ${quoted(JSON.stringify({ text: example }))}${more} ${quoted(`${address}/predict`)}`,
}
