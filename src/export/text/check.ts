import { ModelError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { TextCheck, TextFileCard } from '../../onnx/index.ts'
import { batchesOf } from '../../runtime/text/batches.ts'
import { readerOf } from '../../text/domain/card.ts'
import { tokensOf } from '../../text/net/tokens.ts'
import { tokenBatch } from '../../text/source.ts'
import { noGrad, scope } from '../../torch/index.ts'
import { labelScores, type Outputs } from '../../train/objective.ts'
import { joinMembers, memberOutputs } from '../../train/prediction.ts'
import { cardObjective } from '../../train/saved-model.ts'
import { turn } from '../../train/stop.ts'
import { largest, numbersOf } from '../check.ts'
import { sameLabels } from '../quantize/verdict.ts'
import { type Loaded, load, type RuntimeName } from '../runtimes.ts'
import type { CheckTexts } from './check-texts.ts'
import type { TextModel } from './model-graph.ts'

/** The bounds by how the weights are stored: the least share of same labels, and the largest difference of a probability, of
 *  regression of a value in standard deviations. In fewer bits the net itself is another. */
export const textBounds = (weights: TextFileCard['weights']): { same: number; difference: number } =>
  weights === 'float32' ? { same: 0.995, difference: 1e-4 } : { same: 0.99, difference: 0.05 }

/** Texts that go through a runtime one at a time, which is timed. */
const alone = 20

export interface TextCheckOptions {
  runtimes: readonly RuntimeName[]
  progress?: ((label: string, done: number, total: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/** The tokens of texts as an exported file reads them, by its own card. */
export async function tokensIn({ tokenizer }: TextFileCard, texts: readonly string[]): Promise<Int32Array[]> {
  const tokens = await tokensOf(JSON.parse(tokenizer))
  return texts.map(text => tokens.of(text))
}

/** The answers of the trained net in float32: [texts × classes]. */
export async function trainedAnswers(
  { card, members }: TextModel,
  texts: readonly string[],
  { progress = () => {}, signal }: Omit<TextCheckOptions, 'runtimes'> = {},
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
  { times = [], progress = () => {}, signal }: Omit<TextCheckOptions, 'runtimes'> & { times?: number[] } = {},
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
  { runtimes, progress, signal }: TextCheckOptions,
): Promise<TextCheck[]> {
  const trained = await trainedAnswers(model, texts, { progress, signal })
  const tokens = await sameTokens(model, card, texts)
  const { metric } = cardObjective(model.card)
  const score = (values: Outputs) =>
    model.card.task === 'multi'
      ? labelScores(values, targets, card.classes.length, model.card.thresholds ?? 0.5)[metric as 'mAP']
      : cardObjective(model.card).score(values, targets)[metric]!
  const checks: TextCheck[] = []
  for (const runtime of runtimes) {
    const loaded = await load(runtime, file)
    const times: number[] = []
    try {
      const numbers = await fileAnswers(loaded, card, texts, { times, progress, signal })
      const typed = card.task === 'regression' ? numbers : Float32Array.from(numbers)
      checks.push({
        runtime: loaded.name,
        texts: texts.length,
        part,
        tokens,
        same: card.task === 'regression' ? 1 : sameLabels(trained, typed, model.card),
        difference: largest(trained, typed, model.card).by,
        tolerance: textBounds(card.weights).difference,
        metric,
        trained: score(trained),
        exported: score(typed),
        milliseconds: times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN,
      })
    } finally {
      await loaded.release()
    }
  }
  return checks
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
  const bound = textBounds(weights)
  for (const { runtime, texts, tokens, same, difference } of checks) {
    const other = Math.round((1 - same) * texts)
    // Not `>`: a difference that is no number is outside too.
    if (tokens === 1 && difference <= bound.difference && (same >= bound.same || other <= 1)) continue
    const agree = `${percent(same)} of the labels of ${plural(texts, 'text')} are the same, and the largest difference is ${difference.toPrecision(2)}; expected ${percent(bound.same)} and at most ${bound.difference}`
    if (weights !== 'float32')
      throw new ModelError(
        `${what}: with its weights in ${weights} the net answers otherwise. In ${runtime} ${agree}. Leave ${option('weights')} out.`,
      )
    throw new ModelError(
      `${what}: in ${runtime} it does not answer as the trained net does: ${tokens < 1 ? `the tokens of ${percent(1 - tokens)} of the texts are others, and ` : ''}${agree}. This is a fault of Anneal or of the runtime; --no-check writes the file all the same.`,
    )
  }
}
