import { ModelError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import { version } from '../../base/version.ts'
import { findSoundCard, type Graph, probeSound, type SoundCheck, type SoundFileCard } from '../../onnx/index.ts'
import { checkProbe, type ProbeDifference, refuseOtherModel } from '../check-file.ts'
import { probeBound, probeDifference } from '../compare.ts'
import { fileToWrite, homeOf, readFile, writeExport } from '../files.ts'
import { disposeNet } from '../open-net.ts'
import { type NetExportOptions, storedAs } from '../options.ts'
import { load, type RuntimeName, runtimeNames } from '../runtimes.ts'
import { storeWeights } from '../store-weights.ts'
import { checkSound, fileAnswers, refuseSound, trainedAnswers } from './check.ts'
import { runSounds } from './check-sounds.ts'
import { openSoundModel, type SoundModel, soundGraph, soundNetGraph } from './model-graph.ts'
import { quantizeSound } from './quantize.ts'
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
  const { check = true, data, recordings = usualRecordings, quantize = false, net = false } = options
  const { runtimes = runtimeNames, progress, signal } = options
  const weights = storedAs(options)
  const model = openSoundModel(run)
  try {
    const file = fileToWrite(options.out, homeOf(run), net ? 'net.onnx' : 'model.onnx')
    const skip = quantize ? `Or leave out ${option('quantize')}.` : undefined
    const known = check || quantize ? await runSounds(run, model, { data, skip, signal }) : undefined
    const integers = quantize ? await quantizeSound(model, known!, { runtimes, progress, signal }) : undefined
    const change = (nets: Graph): Graph => {
      if (weights === 'float16' || weights === 'int8') storeWeights(nets, weights)
      return integers ? integers.apply(nets) : nets
    }
    const { graph: floats, features } = net ? soundNetGraph(model) : soundGraph(model, change)
    const graph = net ? change(floats) : floats
    const encoded = (facts: Pick<SoundFileCard, 'checks' | 'probe'>) => {
      const quantization = integers ? { quantization: integers.facts } : {}
      const own = { weights, net, ...quantization, ...(features === undefined ? {} : { features }), ...facts }
      const card = soundFileCard(run, model, own)
      return { card, file: graph.encode({ producer: 'anneal', version: version(), metadata: soundMetadata(card) }) }
    }
    const unchecked = encoded({})
    const found = check ? known!.of(known!.held, recordings) : undefined
    const checks = found && (await checkSound(run, model, unchecked, found, { runtimes, progress, signal }))
    if (checks) refuseSound(checks, weights, `${file} is not written`)
    const probing = { ...(quantize ? { quantized: unchecked } : {}), runtime: runtimes[0]!, signal }
    const probe = net ? undefined : await probeOf(run, model, probing)
    const { card, file: bytes } = encoded({ ...(checks ? { checks } : {}), ...(probe ? { probe } : {}) })
    await writeExport(file, bytes, signal)
    return { file, bytes: bytes.length, card }
  } finally {
    disposeNet(model)
  }
}

/** The made sounds of a card with the answers to them: those of the trained net; of a quantised file its own in one runtime, since
 *  rounding changes single answers. */
async function probeOf(
  run: string,
  { card }: SoundModel,
  how: { quantized?: { file: Uint8Array; card: SoundFileCard }; runtime: RuntimeName; signal: AbortSignal | undefined },
): Promise<NonNullable<SoundFileCard['probe']>> {
  const { rate, samples: window } = card.preprocessing
  const { quantized, runtime, signal } = how
  const samples = probeWindows.map(share => Math.round(share * window))
  const sounds = samples.map(length => probeSound(length, rate))
  if (!quantized) {
    const inputs = sounds.map(one => ({ samples: one, rate }))
    return { samples, outputs: Array.from(await trainedAnswers(run, inputs, { signal })) }
  }
  const loaded = await load(runtime, quantized.file)
  try {
    return { samples, outputs: Array.from(await fileAnswers(loaded, quantized.card, sounds, { signal })) }
  } finally {
    await loaded.release()
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
  if (card.input.net)
    throw new ModelError(
      `${file}: holds the net alone, which takes no recordings. Check the whole model: anneal export without --net.`,
    )
  const probes = await probed({ file, bytes, card }, runtimes, signal)
  if (run === undefined) return { card, checks: [], probes }
  const model = openSoundModel(run)
  try {
    refuseOtherModel({ file, card }, { run, ...model.card })
    const known = await runSounds(run, model, { data, signal })
    const found = known.of(known.held, recordings)
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
  return checkProbe({ file, bytes }, runtimes, { accepted: probeBound(weights), differs, signal }, async loaded =>
    probeDifference(card, probe.outputs, await fileAnswers(loaded, card, sounds, { signal })),
  )
}
