import { ModelError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import { version } from '../../base/version.ts'
import { findTextCard, type TextCheck, type TextFileCard } from '../../onnx/index.ts'
import { isPreprocessing, networkOf } from '../../text/domain/card.ts'
import type { TextBody } from '../../text/net/bert.ts'
import type { TextPreprocessing } from '../../text/types.ts'
import { take } from '../../train/metrics/bootstrap.ts'
import { checkProbe, type ProbeDifference, refuseOtherModel } from '../check-file.ts'
import { probeBound, probeDifference } from '../compare.ts'
import { fileToWrite, homeOf, readFile, writeExport } from '../files.ts'
import { disposeNet, openNet } from '../open-net.ts'
import { type NetExportOptions, storedAs } from '../options.ts'
import { load, type RuntimeName, runtimeNames } from '../runtimes.ts'
import { storeWeights } from '../store-weights.ts'
import { checkText, fileAnswers, refuseText, tokensIn, trainedAnswers } from './check.ts'
import { type CheckTexts, runTexts } from './check-texts.ts'
import { type TextModel, textGraph } from './model-graph.ts'
import { quantizeText } from './quantize.ts'
import { textFileCard, textMetadata } from './text-card.ts'

/** How a model of texts is exported. */
export interface ExportTextOptions extends NetExportOptions {
  /** The most texts of the check; of long ones fewer. Default: 200. */
  texts?: number | undefined
}

/** An exported file of a model of texts. */
export interface ExportedText {
  file: string
  bytes: number
  card: TextFileCard
}

const usualTexts = 200

/** Texts of every card, with the answers to them: short, long, of other letters, and one of several windows. */
const probeTexts = [
  'This is an example sentence.',
  'No!',
  'Überraschend gut – 10/10, gern wieder; 最高です 🙂',
  `It began well. ${'The second part was much too long, and nobody knew why. '.repeat(60)}The end was good again.`,
]

/** Writes a trained model of texts as one ONNX file: tokens in, answers out, with a card before its graph that holds the
 *  tokenizer. The file is compared with the trained net first, from text to label in each runtime; if they differ, no file is
 *  written. run: a run folder (its best weights), or a saved model. */
export async function exportText(run: string, options: ExportTextOptions = {}): Promise<ExportedText> {
  const { check = true, data, texts = usualTexts, quantize = false, net = false, runtimes = runtimeNames } = options
  const { progress, signal } = options
  const weights = storedAs(options)
  const model = openTextModel(run)
  try {
    const file = fileToWrite(options.out, homeOf(run), net ? 'net.onnx' : 'model.onnx')
    const skip = quantize ? `Or leave out ${option('quantize')}.` : undefined
    const known = check || quantize ? await runTexts(run, model, { data, skip }) : undefined
    const integers = quantize ? await quantizeText(model, known!, { runtimes, progress, signal }) : undefined
    const { graph: floats, features } = textGraph(model, {
      net,
      ...(weights === 'int8' || quantize ? { lookup: 'int8' } : {}),
    })
    if (weights === 'float16' || weights === 'int8') storeWeights(floats, weights)
    const graph = integers ? integers.apply(floats) : floats
    const encoded = (facts: Pick<TextFileCard, 'checks' | 'probe'>) => {
      const quantization = integers ? { quantization: integers.facts } : {}
      const own = { weights, net, ...quantization, ...(features === undefined ? {} : { features }), ...facts }
      const card = textFileCard(run, model, own)
      return { card, file: graph.encode({ producer: 'anneal', version: version(), metadata: textMetadata(card) }) }
    }
    const unchecked = encoded({})
    const found = check ? await readable(unchecked.card, known!.of(known!.held, texts)) : undefined
    const checks = found && (await checkText(model, unchecked, found, { runtimes, progress, signal }))
    if (checks) refuseText(checks, weights, `${file} is not written`)
    const own = (await fitting(unchecked.card, probeTexts)).map(i => probeTexts[i]!)
    const outputs = quantize
      ? await answersOf(unchecked, own, { runtime: runtimes[0]!, signal })
      : await trainedAnswers(model, own, { signal })
    const probe = { texts: own, outputs: Array.from(outputs) }
    const { card, file: bytes } = encoded({ ...(checks ? { checks } : {}), probe })
    await writeExport(file, bytes, signal)
    return { file, bytes: bytes.length, card }
  } finally {
    disposeNet(model)
  }
}

/** The answers of a file in one runtime: rounding changes single answers, so those of the trained net tell nothing of another machine. */
async function answersOf(
  { file, card }: { file: Uint8Array; card: TextFileCard },
  texts: readonly string[],
  { runtime, signal }: { runtime: RuntimeName; signal: AbortSignal | undefined },
): Promise<Float64Array> {
  const loaded = await load(runtime, file)
  try {
    return await fileAnswers(loaded, card, texts, { signal })
  } finally {
    await loaded.release()
  }
}

/** The places of the texts that a file takes: all, or of the net alone those of one window. */
async function fitting(card: TextFileCard, texts: readonly string[]): Promise<number[]> {
  const { net = false, window, maxTokens } = card.input
  const tokens = net ? await tokensIn(card, texts) : []
  return Array.from(texts.keys()).filter(i => !net || tokens[i]!.length <= Math.min(window - 2, maxTokens))
}

/** Texts to check a file on, without those that it does not take. Throws if none is left. */
async function readable(card: TextFileCard, { texts, targets, part }: CheckTexts): Promise<CheckTexts> {
  const rows = await fitting(card, texts)
  if (rows.length === 0)
    throw new ModelError(
      `the net alone takes texts of one window (${card.input.window} tokens), and the ${texts.length} texts that were looked at are longer. --no-check writes the file all the same.`,
    )
  const width = targets.length / texts.length
  return { texts: rows.map(i => texts[i]!), targets: take(targets, rows, width), part }
}

/** The result of a check of a file that was exported before. */
export interface TextFileCheck {
  card: TextFileCard
  /** Against the trained net, if its run was given. */
  checks: TextCheck[]
  /** By runtime: how far the answers to the texts of the card are from those that the card gives. */
  probes: ProbeDifference[]
}

/** Checks an exported model of texts on this machine: the texts of its card in each runtime, and with a run its validation
 *  texts against the trained net. Throws if the file is no exported model of texts, or answers differently. */
export async function checkTextFile(
  file: string,
  {
    run,
    data,
    texts = usualTexts,
    runtimes = runtimeNames,
    progress,
    signal,
  }: { run?: string | undefined } & Omit<ExportTextOptions, 'out' | 'check' | 'weights'> = {},
): Promise<TextFileCheck> {
  const bytes = readFile(file)
  const card = findTextCard(bytes, file)
  if (!card) throw new ModelError(`${file}: is no exported model of texts. Export one: npx anneal export RUN.`)
  const probes = await probed({ file, bytes, card }, runtimes, signal)
  if (run === undefined) return { card, checks: [], probes }
  const model = openTextModel(run)
  try {
    refuseOtherModel({ file, card }, { run, ...model.card })
    const known = await runTexts(run, model, { data })
    const found = await readable(card, known.of(known.held, texts))
    const checks = await checkText(model, { file: bytes, card }, found, { runtimes, progress, signal })
    refuseText(checks, card.weights, `${file}: is not the model of ${run}`)
    return { card, checks, probes }
  } finally {
    disposeNet(model)
  }
}

function probed(
  { file, bytes, card }: { file: string; bytes: Uint8Array; card: TextFileCard },
  runtimes: readonly RuntimeName[],
  signal: AbortSignal | undefined,
): Promise<ProbeDifference[]> {
  const { probe, weights } = card
  if (!probe) return Promise.resolve([])
  const differs = 'its answers to the texts of its card differ'
  return checkProbe({ file, bytes }, runtimes, { accepted: probeBound(weights), differs, signal }, async loaded =>
    probeDifference(card, probe.outputs, await fileAnswers(loaded, card, probe.texts, { signal })),
  )
}

const openTextModel = (run: string): TextModel =>
  openNet<TextPreprocessing, TextBody>(run, 'texts', { build: networkOf, isPreprocessing })
