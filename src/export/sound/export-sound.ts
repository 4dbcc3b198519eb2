import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate as pause } from 'node:timers/promises'
import { ModelError } from '../../base/errors.ts'
import { writeAtomic } from '../../base/files.ts'
import { version } from '../../base/version.ts'
import { findSoundCard, probeSound, type SoundCheck, type SoundFileCard } from '../../onnx/index.ts'
import { domainOf } from '../../runs/index.ts'
import { isPreprocessing, type Preprocessing } from '../../sound/features/inputs.ts'
import { networkOf } from '../../sound/inference/saved.ts'
import type { Body } from '../../train/network.ts'
import { loadModel, readCard, stemOf } from '../../train/saved-model.ts'
import { probeDifference } from '../check.ts'
import { readFile, refuseForeign, refuseUnwritable } from '../files.ts'
import { load, type RuntimeName, runtimeNames } from '../runtimes.ts'
import { checkSound, fileAnswers, refuseSound, soundBounds, trainedAnswers } from './check.ts'
import { checkSounds } from './check-sounds.ts'
import { type SoundModel, soundGraph } from './model-graph.ts'
import { soundFileCard, soundMetadata } from './sound-card.ts'

/** How a model of sounds is exported. */
export interface ExportSoundOptions {
  /** The file to write. Default: `model.onnx` in the run's folder, or beside the model. */
  out?: string | undefined
  /** How the weights are stored; the file computes in float32. Default: float32. */
  weights?: 'float32' | 'float16' | 'int8' | undefined
  /** Whether the file is checked before it gets its name: yes unless you say `false`. */
  check?: boolean | undefined
  /** Where the recordings of the run are now, if they have moved. */
  data?: string | undefined
  /** The most recordings of the check; of long ones fewer. Default: 200. */
  recordings?: number | undefined
  /** The runtimes of the check. Default: both. */
  runtimes?: readonly RuntimeName[] | undefined
  progress?: ((label: string, done: number, total: number) => void) | undefined
  signal?: AbortSignal | undefined
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
    const file = options.out ?? join(homeOf(run), 'model.onnx')
    refuseForeign(file)
    refuseUnwritable(file)
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
    await pause() // lets a signal come through
    signal?.throwIfAborted()
    writeAtomic(file, bytes)
    return { file, bytes: bytes.length, card }
  } finally {
    disposeSound(model)
  }
}

/** The result of a check of a file that was exported before. */
export interface SoundFileCheck {
  card: SoundFileCard
  /** Against the trained net, if its run was given. */
  checks: SoundCheck[]
  /** By runtime: how far the answers to the made sounds of the card are from those that the card gives. */
  probes: { runtime: RuntimeName; name: string; difference: number }[]
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
  const probes = await probed(file, bytes, card, { runtimes, signal })
  if (run === undefined) return { card, checks: [], probes }
  const model = openSoundModel(run)
  try {
    const { classes, task = 'single' } = model.card
    if (task !== card.task || String(classes) !== String(card.classes))
      throw new ModelError(
        `${file}: is another model than ${run}: it answers ${card.task} with ${card.classes.slice(0, 5).join(', ')}, the run ${task} with ${classes.slice(0, 5).join(', ')}.`,
      )
    const found = await checkSounds(run, model, { most: recordings, data, signal })
    const checks = await checkSound(run, model, { file: bytes, card }, found, { runtimes, progress, signal })
    refuseSound(checks, card.weights, `${file}: is not the model of ${run}`)
    return { card, checks, probes }
  } finally {
    disposeSound(model)
  }
}

async function probed(
  file: string,
  bytes: Uint8Array,
  card: SoundFileCard,
  { runtimes, signal }: { runtimes: readonly RuntimeName[]; signal: AbortSignal | undefined },
): Promise<SoundFileCheck['probes']> {
  const { probe, weights, input } = card
  const probes: SoundFileCheck['probes'] = []
  if (!probe) return probes
  const accepted = soundBounds(weights).difference
  const sounds = probe.samples.map(length => probeSound(length, input.rate))
  for (const runtime of runtimes) {
    const loaded = await load(runtime, bytes)
    try {
      const got = await fileAnswers(loaded, card, sounds, { signal })
      const difference = probeDifference(card, probe.outputs, got)
      probes.push({ runtime, name: loaded.name, difference })
      if (!(difference <= accepted))
        throw new ModelError(
          `${file}: in ${loaded.name} its answers to the made sounds of its card differ by ${difference.toPrecision(2)}; expected at most ${accepted}. The file is damaged, its card is not its own, or the runtime computes wrongly. Export it again.`,
        )
    } finally {
      await loaded.release()
    }
  }
  return probes
}

function openSoundModel(run: string): SoundModel {
  const kind = domainOf(readCard(`${stemOf(run)}.json`))
  if (kind !== 'sounds') throw new ModelError(`${run}: is a model of ${kind}, and a model of sounds is expected here.`)
  return loadModel<Preprocessing, Body>(run, { build: networkOf, isPreprocessing })
}

function disposeSound({ members }: SoundModel): void {
  for (const { network } of members) for (const t of network.net.stateDict().values()) t.dispose()
}

/** The folder of a run, or the one that a saved model lies in. */
const homeOf = (run: string): string =>
  statSync(run, { throwIfNoEntry: false })?.isDirectory() ? run : dirname(stemOf(run))
