import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Tokenizer } from '@huggingface/tokenizers'
import { tokensWith } from '../../src/runtime/text/tokens.ts'
import { cutTo } from '../../src/text/source.ts'
import { madeTexts } from '../helpers/texts.ts'

const file = JSON.parse(readFileSync(new URL('../golden/text-tokenizer.json', import.meta.url), 'utf8'))

test('of a long text only the parts that are read are cut into tokens, and they are the same', () => {
  let calls = 0
  class Counting {
    readonly #own = new Tokenizer(file, {})
    encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] } {
      calls++
      return this.#own.encode(text, options)
    }
  }
  const tokens = tokensWith(Counting as never, file)
  const long = madeTexts(1, { seed: 3, least: 40_000, most: 40_001 })[0]!.text
  assert.ok(long.length > 150_000, `${long.length} characters`)
  for (const text of [long, 'a'.repeat(90_000), `${'x'.repeat(50_000)} ${long}\n${'最高'.repeat(30_000)}`])
    for (const most of [7, 50, 4096]) {
      calls = 0
      const all = tokens.of(text)
      const whole = calls
      calls = 0
      assert.deepEqual(
        cutTo(tokens.of(text, most), most),
        cutTo(all, most),
        `${text.length} characters, ${most} tokens`,
      )
      if (all.length > 10 * most) assert.ok(calls < whole, `${calls} of ${whole} parts`)
    }
  assert.deepEqual(tokens.of('good'), tokens.of('good', 1), 'a short text is cut whole')
})

test('a text of 15 million characters without a line break is cut in the time that its length takes', () => {
  const began = performance.now()
  const { length } = tokensWith(Tokenizer as never, file).of('good film '.repeat(1_500_000), 100)
  assert.ok(length >= 100, `${length} tokens`)
  // It took 20 s while each part was searched for a line break from the beginning of the text on.
  assert.ok(performance.now() - began < 6000, `${performance.now() - began} ms`)
})
