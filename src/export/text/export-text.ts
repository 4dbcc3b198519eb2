import { ModelError } from '../../base/errors.ts'
import { version } from '../../base/version.ts'
import { findTextCard, type TextCheck, type TextFileCard } from '../../onnx/index.ts'
import { isPreprocessing, networkOf } from '../../text/domain/card.ts'
import type { TextBody } from '../../text/net/bert.ts'
import type { TextPreprocessing } from '../../text/types.ts'
import { checkProbe, type ProbeDifference, refuseOtherModel } from '../check-file.ts'
import { netBounds, probeDifference } from '../compare.ts'
import { fileToWrite, homeOf, readFile, writeExport } from '../files.ts'
import { disposeNet, openNet } from '../open-net.ts'
import type { NetExportOptions } from '../options.ts'
import { type RuntimeName, runtimeNames } from '../runtimes.ts'
import { storeWeights } from '../store-weights.ts'
import { checkText, fileAnswers, refuseText, trainedAnswers } from './check.ts'
import { checkTexts } from './check-texts.ts'
import { type TextModel, textGraph } from './model-graph.ts'
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
  const { check = true, data, texts = usualTexts, weights = 'float32', runtimes = runtimeNames } = options
  const { progress, signal } = options
  const model = openTextModel(run)
  try {
    const file = fileToWrite(options.out, homeOf(run))
    const found = check ? await checkTexts(run, model, { most: texts, data }) : undefined
    const { graph, features } = textGraph(model)
    if (weights !== 'float32') storeWeights(graph, weights)
    const encoded = (facts: Pick<TextFileCard, 'checks' | 'probe'>) => {
      const card = textFileCard(run, model, { weights, ...(features === undefined ? {} : { features }), ...facts })
      return { card, file: graph.encode({ producer: 'anneal', version: version(), metadata: textMetadata(card) }) }
    }
    const checks = found && (await checkText(model, encoded({}), found, { runtimes, progress, signal }))
    if (checks) refuseText(checks, weights, `${file} is not written`)
    const outputs = Array.from(await trainedAnswers(model, probeTexts, { signal }))
    const probe = { texts: probeTexts, outputs }
    const { card, file: bytes } = encoded({ ...(checks ? { checks } : {}), probe })
    await writeExport(file, bytes, signal)
    return { file, bytes: bytes.length, card }
  } finally {
    disposeNet(model)
  }
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
    const found = await checkTexts(run, model, { most: texts, data })
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
  return checkProbe(
    { file, bytes },
    runtimes,
    { accepted: netBounds(weights).difference, differs, signal },
    async loaded => probeDifference(card, probe.outputs, await fileAnswers(loaded, card, probe.texts, { signal })),
  )
}

const openTextModel = (run: string): TextModel =>
  openNet<TextPreprocessing, TextBody>(run, 'texts', { build: networkOf, isPreprocessing })
