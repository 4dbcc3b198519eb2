import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate as pause } from 'node:timers/promises'
import { ModelError } from '../../base/errors.ts'
import { writeAtomic } from '../../base/files.ts'
import { version } from '../../base/version.ts'
import { findTextCard, type TextCheck, type TextFileCard } from '../../onnx/index.ts'
import { domainOf } from '../../runs/index.ts'
import { isPreprocessing, networkOf } from '../../text/domain/card.ts'
import type { TextBody } from '../../text/net/bert.ts'
import type { TextPreprocessing } from '../../text/types.ts'
import { loadModel, readCard, stemOf } from '../../train/saved-model.ts'
import { probeDifference } from '../check.ts'
import { readFile, refuseForeign, refuseUnwritable } from '../files.ts'
import { load, type RuntimeName, runtimeNames } from '../runtimes.ts'
import { storeWeights } from '../store-weights.ts'
import { checkText, fileAnswers, refuseText, textBounds, trainedAnswers } from './check.ts'
import { checkTexts } from './check-texts.ts'
import { type TextModel, textGraph } from './model-graph.ts'
import { textFileCard, textMetadata } from './text-card.ts'

/** How a model of texts is exported. */
export interface ExportTextOptions {
  /** The file to write. Default: `model.onnx` in the run's folder, or beside the model. */
  out?: string | undefined
  /** How the weights are stored; the file computes in float32. Default: float32. */
  weights?: 'float32' | 'float16' | 'int8' | undefined
  /** Whether the file is checked before it gets its name: yes unless you say `false`. */
  check?: boolean | undefined
  /** Where the texts of the run are now, if they have moved. */
  data?: string | undefined
  /** The most texts of the check; of long ones fewer. Default: 200. */
  texts?: number | undefined
  /** The runtimes of the check. Default: both. */
  runtimes?: readonly RuntimeName[] | undefined
  progress?: ((label: string, done: number, total: number) => void) | undefined
  signal?: AbortSignal | undefined
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
    const file = options.out ?? join(homeOf(run), 'model.onnx')
    refuseForeign(file)
    refuseUnwritable(file)
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
    await pause() // lets a signal come through
    signal?.throwIfAborted()
    writeAtomic(file, bytes)
    return { file, bytes: bytes.length, card }
  } finally {
    disposeText(model)
  }
}

/** The result of a check of a file that was exported before. */
export interface TextFileCheck {
  card: TextFileCard
  /** Against the trained net, if its run was given. */
  checks: TextCheck[]
  /** By runtime: how far the answers to the texts of the card are from those that the card gives. */
  probes: { runtime: RuntimeName; name: string; difference: number }[]
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
  const probes = await probed(file, bytes, card, { runtimes, signal })
  if (run === undefined) return { card, checks: [], probes }
  const model = openTextModel(run)
  try {
    const { classes, task = 'single' } = model.card
    if (task !== card.task || String(classes) !== String(card.classes))
      throw new ModelError(
        `${file}: is another model than ${run}: it answers ${card.task} with ${card.classes.slice(0, 5).join(', ')}, the run ${task} with ${classes.slice(0, 5).join(', ')}.`,
      )
    const found = await checkTexts(run, model, { most: texts, data })
    const checks = await checkText(model, { file: bytes, card }, found, { runtimes, progress, signal })
    refuseText(checks, card.weights, `${file}: is not the model of ${run}`)
    return { card, checks, probes }
  } finally {
    disposeText(model)
  }
}

async function probed(
  file: string,
  bytes: Uint8Array,
  card: TextFileCard,
  { runtimes, signal }: { runtimes: readonly RuntimeName[]; signal: AbortSignal | undefined },
): Promise<TextFileCheck['probes']> {
  const { probe, weights } = card
  const probes: TextFileCheck['probes'] = []
  if (!probe) return probes
  const accepted = textBounds(weights).difference
  for (const runtime of runtimes) {
    const loaded = await load(runtime, bytes)
    try {
      const got = await fileAnswers(loaded, card, probe.texts, { signal })
      const difference = probeDifference(card, probe.outputs, got)
      probes.push({ runtime, name: loaded.name, difference })
      if (!(difference <= accepted))
        throw new ModelError(
          `${file}: in ${loaded.name} its answers to the texts of its card differ by ${difference.toPrecision(2)}; expected at most ${accepted}. The file is damaged, its card is not its own, or the runtime computes wrongly. Export it again.`,
        )
    } finally {
      await loaded.release()
    }
  }
  return probes
}

function openTextModel(run: string): TextModel {
  const kind = domainOf(readCard(`${stemOf(run)}.json`))
  if (kind !== 'texts') throw new ModelError(`${run}: is a model of ${kind}, and a model of texts is expected here.`)
  return loadModel<TextPreprocessing, TextBody>(run, { build: networkOf, isPreprocessing })
}

function disposeText({ members }: TextModel): void {
  for (const { network } of members) for (const t of network.net.stateDict().values()) t.dispose()
}

/** The folder of a run, or the one that a saved model lies in. */
const homeOf = (run: string): string =>
  statSync(run, { throwIfNoEntry: false })?.isDirectory() ? run : dirname(stemOf(run))
