import { percent } from '../../base/format.ts'
import type { TextCheck, TextFileCard } from '../../onnx/index.ts'
import { batchesOf } from '../../runtime/text/batches.ts'
import { readerOf } from '../../text/domain/card.ts'
import { tokensOf } from '../../text/net/tokens.ts'
import { tokenBatch } from '../../text/source.ts'
import { noGrad, scope } from '../../torch/index.ts'
import type { Outputs } from '../../train/objective.ts'
import { joinMembers, memberOutputs } from '../../train/prediction.ts'
import { turn } from '../../train/stop.ts'
import { checkNet, numbersOf, refuseNet } from '../compare.ts'
import type { CheckOptions } from '../options.ts'
import type { Loaded } from '../runtimes.ts'
import type { CheckTexts } from './check-texts.ts'
import type { TextModel } from './model-graph.ts'

/** Texts that go through a runtime one at a time, which is timed. */
const alone = 20

/** The tokens of texts as an exported file reads them, by its own card. */
export async function tokensIn({ tokenizer }: TextFileCard, texts: readonly string[]): Promise<Int32Array[]> {
  const tokens = await tokensOf(JSON.parse(tokenizer))
  return texts.map(text => tokens.of(text))
}

/** The answers of the trained net in float32: [texts × classes]. */
export async function trainedAnswers(
  { card, members }: TextModel,
  texts: readonly string[],
  { progress = () => {}, signal }: Omit<CheckOptions, 'runtimes'> = {},
): Promise<Outputs> {
  const width = card.classes.length
  const all =
    card.task === 'regression' ? new Float64Array(texts.length * width) : new Float32Array(texts.length * width)
  const readers = await Promise.all(members.map(member => readerOf(member.card.preprocessing)))
  const order = Array.from(texts.keys()).sort((a, b) => texts[a]!.length - texts[b]!.length || a - b)
  for (let from = 0; from < order.length; from += 8) {
    await turn(signal)
    const some = order.slice(from, from + 8)
    const rows = noGrad(() =>
      scope(() => {
        const each = members.map((member, m) => {
          const own = some.map(i => readers[m]!(texts[i]!))
          return memberOutputs(member, tokenBatch(own), { precision: 'float32' })
        })
        return joinMembers({ card }, each)
      }),
    )
    for (const [at, i] of some.entries()) all.set(rows.slice(at * width, (at + 1) * width), i * width)
    progress('texts through the trained net', from + some.length, texts.length)
  }
  return all
}

/** The answers of a file in a runtime: [texts × classes]. */
export async function fileAnswers(
  loaded: Loaded,
  card: TextFileCard,
  texts: readonly string[],
  { times = [], progress = () => {}, signal }: Omit<CheckOptions, 'runtimes'> & { times?: number[] } = {},
): Promise<Float64Array> {
  const { classes, input } = card
  const width = classes.length
  const all = new Float64Array(texts.length * width)
  const tokens = await tokensIn(card, texts)
  const first = tokens.slice(0, alone).flatMap((own, i) => batchesOf([own], input).map(b => ({ ...b, rows: [i] })))
  const rest = batchesOf(tokens.slice(alone), input).map(b => ({ ...b, rows: b.rows.map(row => row + alone) }))
  let done = 0
  for (const { rows, ids, mask, dims } of [...first, ...rest]) {
    await turn(signal)
    const start = performance.now()
    const found = numbersOf(await loaded.run({ [input.ids]: { data: ids, dims }, [input.mask]: { data: mask, dims } }))
    if (done < alone) times.push(performance.now() - start)
    for (const [at, row] of rows.entries()) all.set(found.subarray(at * width, (at + 1) * width), row * width)
    done += rows.length
    progress('checked texts', done, texts.length)
  }
  return all
}

/** Compares an exported file with the trained net in each runtime, from text to label. */
export async function checkText(
  model: TextModel,
  { file, card }: { file: Uint8Array; card: TextFileCard },
  { texts, targets, part }: CheckTexts,
  { runtimes, progress, signal }: CheckOptions,
): Promise<TextCheck[]> {
  const trained = await trainedAnswers(model, texts, { progress, signal })
  const tokens = await sameTokens(model, card, texts)
  const checks = await checkNet(
    { file, weights: card.weights },
    { card: model.card, trained, targets, part },
    runtimes,
    (loaded, times) => fileAnswers(loaded, card, texts, { times, progress, signal }),
  )
  return checks.map(check => ({ ...check, texts: texts.length, tokens }))
}

/** Share of texts whose tokens are those of training. */
async function sameTokens({ members }: TextModel, card: TextFileCard, texts: readonly string[]): Promise<number> {
  const { preprocessing } = members[0]!.card
  const read = await readerOf({ ...preprocessing, maxTokens: Number.MAX_SAFE_INTEGER }) // the graph cuts
  const found = await tokensIn(card, texts)
  const same = texts.filter((text, i) => String(read(text)) === String(found[i]))
  return same.length / texts.length
}

/** Throws where a check is outside the bounds. */
export function refuseText(checks: readonly TextCheck[], weights: TextFileCard['weights'], what: string): void {
  for (const check of checks) {
    const { texts: count, tokens } = check
    const also = tokens < 1 ? `the tokens of ${percent(1 - tokens)} of the texts are others, and ` : ''
    refuseNet(check, weights, { count, noun: 'text', what, also })
  }
}
