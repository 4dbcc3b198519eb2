import { ModelError } from '../../base/errors.ts'
import { version } from '../../base/version.ts'
import { findSoundCard, probeSound, type SoundCheck, type SoundFileCard } from '../../onnx/index.ts'
import { isPreprocessing, type Preprocessing } from '../../sound/features/inputs.ts'
import { networkOf } from '../../sound/inference/saved.ts'
import type { Body } from '../../train/network.ts'
import { checkProbe, type ProbeDifference, refuseOtherModel } from '../check-file.ts'
import { netBounds, probeDifference } from '../compare.ts'
import { fileToWrite, homeOf, readFile, writeExport } from '../files.ts'
import { disposeNet, openNet } from '../open-net.ts'
import type { NetExportOptions } from '../options.ts'
import { type RuntimeName, runtimeNames } from '../runtimes.ts'
import { checkSound, fileAnswers, refuseSound, trainedAnswers } from './check.ts'
import { checkSounds } from './check-sounds.ts'
import { type SoundModel, soundGraph } from './model-graph.ts'
import { soundFileCard, soundMetadata } from './sound-card.ts'

/** How a model of sounds is exported. */
export interface ExportSoundOptions extends NetExportOptions {
  /** The most recordings of the check; of long ones fewer. Default: 200. */
  recordings?: number | undefined
}

/** An exported file of a model of sounds. */
export interface ExportedSound {
  file: string
  bytes: number
  card: SoundFileCard
}

const usualRecordings = 200

/** The made sounds of every card, by their lengths in windows: a short one, and one of several windows. */
const probeWindows = [0.4, 1.1, 2.7]

/** Writes a trained model of sounds as one ONNX file: samples of whole recordings in, answers out, with a card before its graph.
 *  The file is compared with the trained net first, from file to label in each runtime; if they differ, no file is written.
 *  run: a run folder (its best weights), or a saved model. */
export async function exportSound(run: string, options: ExportSoundOptions = {}): Promise<ExportedSound> {
  const { check = true, data, recordings = usualRecordings, weights = 'float32', runtimes = runtimeNames } = options
  const { progress, signal } = options
  const model = openSoundModel(run)
  try {
    const file = fileToWrite(options.out, homeOf(run))
    const found = check ? await checkSounds(run, model, { most: recordings, data, signal }) : undefined
    const { graph, features } = soundGraph(model, weights === 'float32' ? undefined : weights)
    const encoded = (facts: Pick<SoundFileCard, 'checks' | 'probe'>) => {
      const card = soundFileCard(run, model, { weights, ...(features === undefined ? {} : { features }), ...facts })
      return { card, file: graph.encode({ producer: 'anneal', version: version(), metadata: soundMetadata(card) }) }
    }
    const checks = found && (await checkSound(run, model, encoded({}), found, { runtimes, progress, signal }))
    if (checks) refuseSound(checks, weights, `${file} is not written`)
    const { rate, samples: window } = model.card.preprocessing
    const samples = probeWindows.map(share => Math.round(share * window))
    const sounds = samples.map(length => ({ samples: probeSound(length, rate), rate }))
    const probe = { samples, outputs: Array.from(await trainedAnswers(run, sounds, { signal })) }
    const { card, file: bytes } = encoded({ ...(checks ? { checks } : {}), probe })
    await writeExport(file, bytes, signal)
    return { file, bytes: bytes.length, card }
  } finally {
    disposeNet(model)
  }
}

/** The result of a check of a file that was exported before. */
export interface SoundFileCheck {
  card: SoundFileCard
  /** Against the trained net, if its run was given. */
  checks: SoundCheck[]
  /** By runtime: how far the answers to the made sounds of the card are from those that the card gives. */
  probes: ProbeDifference[]
}

/** Checks an exported model of sounds on this machine: the made sounds of its card in each runtime, and with a run its validation
 *  recordings against the trained net. Throws if the file is no exported model of sounds, or answers differently. */
export async function checkSoundFile(
  file: string,
  {
    run,
    data,
    recordings = usualRecordings,
    runtimes = runtimeNames,
    progress,
    signal,
  }: { run?: string | undefined } & Omit<ExportSoundOptions, 'out' | 'check' | 'weights'> = {},
): Promise<SoundFileCheck> {
  const bytes = readFile(file)
  const card = findSoundCard(bytes, file)
  if (!card) throw new ModelError(`${file}: is no exported model of sounds. Export one: npx anneal export RUN.`)
  const probes = await probed({ file, bytes, card }, runtimes, signal)
  if (run === undefined) return { card, checks: [], probes }
  const model = openSoundModel(run)
  try {
    refuseOtherModel({ file, card }, { run, ...model.card })
    const found = await checkSounds(run, model, { most: recordings, data, signal })
    const checks = await checkSound(run, model, { file: bytes, card }, found, { runtimes, progress, signal })
    refuseSound(checks, card.weights, `${file}: is not the model of ${run}`)
    return { card, checks, probes }
  } finally {
    disposeNet(model)
  }
}

function probed(
  { file, bytes, card }: { file: string; bytes: Uint8Array; card: SoundFileCard },
  runtimes: readonly RuntimeName[],
  signal: AbortSignal | undefined,
): Promise<ProbeDifference[]> {
  const { probe, weights, input } = card
  if (!probe) return Promise.resolve([])
  const sounds = probe.samples.map(length => probeSound(length, input.rate))
  const differs = 'its answers to the made sounds of its card differ'
  return checkProbe(
    { file, bytes },
    runtimes,
    { accepted: netBounds(weights).difference, differs, signal },
    async loaded => probeDifference(card, probe.outputs, await fileAnswers(loaded, card, sounds, { signal })),
  )
}

const openSoundModel = (run: string): SoundModel =>
  openNet<Preprocessing, Body>(run, 'sounds', { build: networkOf, isPreprocessing })
