import { ModelError } from '../base/errors.ts'
import { percent, plural } from '../base/format.ts'
import { option, setting } from '../base/options.ts'
import type { Place } from '../data/types.ts'
import type { Card, CardCheck } from '../onnx/index.ts'
import { scope } from '../torch/index.ts'
import type { Outputs } from '../train/objective.ts'
import { joinMembers, memberOutputs } from '../train/prediction.ts'
import { pictureBatch } from '../vision/batch.ts'
import { decodeFile } from '../vision/decode/decode.ts'
import { loadPicture } from '../vision/decode/load-picture.ts'
import { answer } from '../vision/inference/answer.ts'
import type { LoadedModel, ModelCard } from '../vision/inference/saved.ts'
import type { Picture } from '../vision/types.ts'
import type { CheckFiles } from './check-files.ts'
import { compared, largest, median, numbersOf, typed } from './compare.ts'
import { preprocessings } from './model-graph.ts'
import type { CheckOptions } from './options.ts'
import { verdictOf } from './quantize/verdict.ts'
import { load, type RuntimeName, type Value } from './runtimes.ts'

/** What an exported file may differ by. */
export interface Bounds {
  /** The least share of same labels. */
  same: number
  /** The largest difference of a probability, on equal pixels and from a file to the answer; of regression, of a value in
   *  standard deviations. */
  onPixels: number
  onFiles: number
  /** The largest difference of an answer to the probe picture from the one in the card, on another machine or runtime. */
  onProbe: number
}

/** The bounds by how the weights are stored: in fewer bits the net itself is another. Of a quantised file a single answer may
 *  differ by any amount; what counts is what it costs (`refuseCostly`), and that it answers alike everywhere. */
export const bounds = (weights: Card['weights']): Bounds => {
  if (weights === 'float32') return { same: 0.995, onPixels: 1e-4, onFiles: 0.02, onProbe: 0.02 }
  if (weights === 'quantized') return { same: 0.85, onPixels: 1, onFiles: Number.POSITIVE_INFINITY, onProbe: 0.1 }
  return { same: 0.99, onPixels: 0.05, onFiles: 0.05, onProbe: 0.05 }
}

/** A file to check: the whole model, and its net from `pixels` on. */
export interface Checked {
  file: Uint8Array
  /** With the names of its inputs, one for each kind of preprocessing. */
  net?: { file: Uint8Array; inputs: readonly string[] }
}

/** How many pictures go through the net alone, on equal pixels. */
const pixelPictures = 32

/** How a check of a model of pictures runs. `quantized`: whether the file is; then what it costs is measured. */
interface PictureCheckOptions extends CheckOptions {
  quantized?: boolean | undefined
}

/** Compares an exported file with the trained net, in each runtime: from files to labels, and on equal pixels. The
 *  trained net computes in float32. */
export async function checkExport(
  model: LoadedModel,
  exported: Checked,
  { places, targets, part }: CheckFiles,
  { quantized = false, runtimes, progress = () => {}, signal }: PictureCheckOptions,
): Promise<CardCheck[]> {
  const { card } = model
  const trained = await trainedOutputs(model, places, { progress, signal })
  const loaded = await inTurn(runtimes, runtime => load(runtime, exported.file))
  const outputs = runtimes.map(() => new Float64Array(trained.length))
  const times = runtimes.map((): number[] => [])
  try {
    for (const [i, place] of places.entries()) {
      signal?.throwIfAborted()
      const image = await wholePicture(place, card)
      for (const [r, one] of loaded.entries()) {
        const start = performance.now()
        const found = await one.run({ image })
        times[r]!.push(performance.now() - start)
        outputs[r]!.set(numbersOf(found), i * card.classes.length)
      }
      progress('checked pictures', i + 1, places.length)
    }
  } finally {
    await inTurn(loaded, one => one.release())
  }
  const onPixels = exported.net ? await pixelDifferences(model, exported.net, places, runtimes) : undefined
  return runtimes.map((_, r) => {
    const exported = typed(card, outputs[r]!)
    const { same, difference, ...scores } = compared(card, targets, { trained, exported })
    return {
      runtime: loaded[r]!.name,
      files: places.length,
      part,
      same,
      differenceOnFiles: difference,
      ...(onPixels && { differenceOnPixels: onPixels[r]! }),
      ...scores,
      ...(quantized && { loss: verdictOf(trained, exported, targets, card).loss }),
      milliseconds: median(times[r]!),
    }
  })
}

/** Throws where a check is outside the bounds; says in which runtime and by which step, or that the net does not bear the
 *  storage of its weights. */
export function refuseDifferent(checks: readonly CardCheck[], weights: Card['weights'], file: string): void {
  if (weights === 'quantized') {
    refuseCostly(checks, `${file} is not written`, `Leave ${option('quantize')} out.`)
    return
  }
  const { same, onPixels, onFiles } = bounds(weights)
  for (const check of checks) {
    const { runtime, files, differenceOnPixels: inNet = 0 } = check
    const agree = `${percent(check.same)} of the labels of ${plural(files, 'file')} are the same, and the largest difference is ${check.differenceOnFiles.toPrecision(2)}; expected ${percent(same)} and at most ${onFiles}`
    const other = Math.round((1 - check.same) * files)
    const differs = !(check.differenceOnFiles <= onFiles) || (check.same < same && other > 1)
    if (weights !== 'float32' && (differs || !(inNet <= onPixels)))
      throw new ModelError(
        `${file} is not written: with its weights in ${weights} the net answers otherwise. In ${runtime} ${agree}. Nets of depthwise convolutions often need more bits: ${weights === 'int8' ? `take ${setting('weights', 'float16')}, or leave it out` : `leave ${option('weights')} out`}.`,
      )
    const fail = (where: string) =>
      new ModelError(
        `${file} is not written: in ${runtime} it does not answer as the trained net does. ${where} This is a fault of Anneal or of the runtime; --no-check writes the file all the same.`,
      )
    // Not `>`: a difference that is no number is outside too.
    if (!(inNet <= onPixels))
      throw fail(
        `They part in the net: on equal pixels they differ by ${inNet.toPrecision(2)}, expected at most ${onPixels}.`,
      )
    if (differs)
      throw fail(
        `The net agrees (${inNet.toPrecision(2)} on equal pixels), so they part in decoding or resizing: ${agree}.`,
      )
  }
}

/** Throws where a quantised file costs more in a runtime than validation leaves open about the trained net. When it was
 *  quantised, the upper end of what it costs was within that; here it is what it costs, since the pictures may be fewer. */
export function refuseCostly(checks: readonly CardCheck[], what: string, todo: string): void {
  const { same: least } = bounds('quantized')
  for (const { runtime, files, same, loss } of checks) {
    const by = loss ? loss.after - loss.before : 0
    if (tooManyOther(Math.round((1 - same) * files), files, 1 - least) || !(by <= (loss?.allowed ?? 0)))
      throw new ModelError(
        `${what}: in ${runtime} the quantised model answers too differently from the trained net. ${percent(same)} of the labels of ${plural(files, 'file')} are the same, expected ${percent(least)}; its loss is ${by.toPrecision(2)} higher, expected at most ${(loss?.allowed ?? 0).toPrecision(2)}. ${todo}`,
      )
  }
}

/** Whether more labels differ than chance explains where the share `allowed` of all labels differs: a net with that share
 *  would give as many in fewer than 5 % of such samples (the upper tail of the binomial distribution). Of 6 pictures 3 are
 *  too many, of 100 pictures 22, for a share of 0.15. */
export function tooManyOther(other: number, count: number, allowed: number): boolean {
  // P(X = k) from P(X = k - 1), from k = 0 on; in logarithms, since (1 - allowed)^count may be too small for a number.
  let term = count * Math.log1p(-allowed)
  let below = 0
  for (let k = 0; k < other; k++) {
    below += Math.exp(term)
    term += Math.log(((count - k) * allowed) / ((k + 1) * (1 - allowed)))
  }
  return 1 - below < 0.05
}

/** The answers of the trained net: its own decoding, batches of 16, in float32. */
async function trainedOutputs(
  model: LoadedModel,
  places: readonly Place[],
  { progress, signal }: Required<Pick<CheckOptions, 'progress'>> & Pick<CheckOptions, 'signal'>,
): Promise<Outputs> {
  const width = model.card.classes.length
  const all = new Float64Array(places.length * width)
  for (let from = 0; from < places.length; from += 16) {
    signal?.throwIfAborted()
    const some = places.slice(from, from + 16)
    const images = some.map(place => ({ name: place.file, place }))
    const { rows, errors } = await answer(model, images, { precision: 'float32' })
    const bad = errors.find(Boolean)
    if (bad) throw bad
    all.set(rows, from * width)
    progress('pictures through the trained net', from + some.length, places.length)
  }
  return model.card.task === 'regression' ? all : Float32Array.from(all)
}

/** A file decoded at its full size, by the rules of training: uint8 [1, H, W, C]. */
async function wholePicture(place: Place, { preprocessing }: ModelCard): Promise<Value> {
  const { mode = 'rgb', channels } = preprocessing
  const picture = await decodeFile(place, { channels: mode })
  const { data, width, height, channels: got = 3 } = picture
  if (!(data instanceof Uint8Array) || got !== channels)
    throw new ModelError(
      `${place.file}: has ${data instanceof Uint8Array ? `${got} channels, and the model takes ${channels}` : 'values of more than 8 bits'}; an exported model takes 8 bits and ${plural(channels, 'channel')}.`,
    )
  return { data, dims: [1, height, width, channels] }
}

/** The largest difference of the answers on pixels that are equal: resized and normalised by training's own code.
 *  `answers`: the answer among the outputs of the net. */
export async function pixelDifferences(
  model: LoadedModel,
  net: NonNullable<Checked['net']>,
  places: readonly Place[],
  runtimes: readonly RuntimeName[],
  answers: (outputs: Record<string, Value>) => ArrayLike<number> = numbersOf,
): Promise<number[]> {
  const { card, members } = model
  const kinds = preprocessings(model)
  const loaded = await inTurn(runtimes, runtime => load(runtime, net.file))
  const most = runtimes.map(() => 0)
  try {
    for (const place of places.slice(0, pixelPictures)) {
      const pictures = new Map<unknown, Picture>()
      for (const member of members) pictures.set(member, await loadPicture(place, member.card.preprocessing))
      const seen = (picture: Picture, p: ModelCard['preprocessing']) =>
        pictureBatch([picture], undefined, { ...p, normalization: p })
      const inputs: Record<string, Value> = {}
      for (const [i, p] of kinds.entries()) {
        const picture = await loadPicture(place, p)
        const data = scope(() => seen(picture, p).contiguous().data()) as Float32Array
        inputs[net.inputs[i]!] = { data, dims: [1, p.channels, p.size, p.size] }
      }
      const trained = scope(() => {
        const each = members.map(member =>
          memberOutputs(member, seen(pictures.get(member)!, member.card.preprocessing), { precision: 'float32' }),
        )
        return joinMembers({ card }, each)
      })
      for (const [r, one] of loaded.entries()) {
        const { by } = largest(trained, answers(await one.run(inputs)), card)
        most[r] = by > most[r]! || Number.isNaN(by) ? by : most[r]!
      }
    }
  } finally {
    await inTurn(loaded, one => one.release())
  }
  return most
}

async function inTurn<T, R>(list: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const made: R[] = []
  for (const item of list) made.push(await work(item))
  return made
}
