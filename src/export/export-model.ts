import { ModelError } from '../base/errors.ts'
import { option } from '../base/options.ts'
import { version } from '../base/version.ts'
import {
  type Card,
  type CardCheck,
  checkCard,
  findSoundCard,
  findTableCard,
  findTextCard,
  probePicture,
  readCard,
} from '../onnx/index.ts'
import { noGrad, scope } from '../torch/index.ts'
import { joinMembers, memberOutputs } from '../train/prediction.ts'
import { pictureBatch } from '../vision/batch.ts'
import { ASPECT } from '../vision/cache/cache.ts'
import { fitRaster } from '../vision/decode/resize.ts'
import { disposeModel, type LoadedModel, loadModel } from '../vision/inference/saved.ts'
import { bounds, checkExport, refuseCostly, refuseDifferent } from './check.ts'
import { checkProbe, type ProbeDifference, refuseOtherModel } from './check-file.ts'
import { type CheckFiles, checkFiles, runPictures } from './check-files.ts'
import { numbersOf, probeDifference } from './compare.ts'
import { fileToWrite, homeOf, readFile, writeExport } from './files.ts'
import { exportCard, pictureMetadata } from './model-card.ts'
import { modelGraph } from './model-graph.ts'
import { type NetExportOptions, storedAs } from './options.ts'
import { quantizePictures } from './quantize/pictures.ts'
import { load, type RuntimeName, runtimeNames } from './runtimes.ts'
import { storeWeights } from './store-weights.ts'

/** How a model is exported. */
export interface ExportOptions extends NetExportOptions {
  /** The file to write. Default: `model.onnx` (of the net alone `net.onnx`) in the run's folder, or beside the model. */
  out?: string | undefined
  /** With an output `heat`, class activation maps, where the model is one net whose head is linear. Default: no. */
  heat?: boolean | undefined
  /** The most pictures of the check. Default: 200. */
  pictures?: number | undefined
}

/** An exported file. */
export interface Exported {
  file: string
  bytes: number
  card: Card
}

/** The most pictures of a check, unless said. */
export const checkPictures = 200

const probe = { width: 320, height: 240, seed: 1 }

/** Writes a trained model as one ONNX file: raw pictures in, labels and probabilities out, with a card before its graph. The
 *  file is compared with the trained net first, in each runtime; where they differ, no file is written.
 *  run: a run folder (its best weights), or a saved model. */
export async function exportModel(run: string, options: ExportOptions = {}): Promise<Exported> {
  const {
    net = false,
    quantize = false,
    heat = false,
    check = true,
    pictures: most = checkPictures,
    data,
    progress,
    signal,
  } = options
  const { runtimes = runtimeNames } = options
  const weights = storedAs(options)
  const model = loadModel(run)
  try {
    refuseDepth(model)
    const file = fileToWrite(options.out, homeOf(run), net ? 'net.onnx' : 'model.onnx')
    const cards = model.members.map(({ card }) => card)
    const skip = quantize ? `Or leave out ${option('quantize')}.` : undefined
    const pictures = check || quantize ? await runPictures(run, model.card, { data, signal, skip }) : undefined
    const files = check ? pictures!.of(pictures!.held, most) : undefined
    const integers = quantize
      ? await quantizePictures(model, pictures!, { heat, runtimes, progress, signal })
      : undefined
    const encode = (
      graph: ReturnType<typeof modelGraph>,
      own: boolean,
      checks?: readonly CardCheck[],
      outputs?: number[],
    ) => {
      const card = exportCard(run, model.card, cards, {
        weights,
        net: own,
        ...(integers && { quantization: integers.facts }),
        ...(graph.features !== undefined && { features: graph.features }),
        ...(graph.heat && { heat: graph.heat }),
        ...(checks && { checks }),
        ...(outputs && { probe: { ...probe, outputs } }),
      })
      return {
        card,
        bytes: graph.graph.encode({ producer: 'anneal', version: version(), metadata: pictureMetadata(card) }),
      }
    }
    const made = (alone: boolean) => {
      const graph = modelGraph(model, { net: alone, heat })
      if (integers) return { ...graph, graph: integers.apply(graph.graph) }
      if (weights === 'float16' || weights === 'int8') storeWeights(graph.graph, weights)
      return graph
    }
    const graph = made(net)
    const checks = files && (await checked(model, { made, encode, weights, files, file, runtimes, progress, signal }))
    const outputs = net ? undefined : await probeOutputs(model, check ? encode(graph, net).bytes : undefined, runtimes)
    const { bytes, card } = encode(graph, net, checks, outputs)
    await writeExport(file, bytes, signal)
    return { file, bytes: bytes.length, card }
  } finally {
    disposeModel(model)
  }
}

async function checked(
  model: LoadedModel,
  {
    made,
    encode,
    weights,
    files,
    file,
    runtimes,
    progress,
    signal,
  }: {
    made(alone: boolean): ReturnType<typeof modelGraph>
    encode(graph: ReturnType<typeof modelGraph>, own: boolean): { bytes: Uint8Array }
    weights: Card['weights']
    files: CheckFiles
    file: string
    runtimes: readonly RuntimeName[]
  } & Pick<ExportOptions, 'progress' | 'signal'>,
): Promise<CardCheck[]> {
  const whole = encode(made(false), false).bytes
  const alone = made(true)
  const net = { file: encode(alone, true).bytes, inputs: alone.inputs }
  const quantized = weights === 'quantized'
  const checks = await checkExport(model, { file: whole, net }, files, {
    quantized,
    runtimes,
    progress,
    signal,
  })
  refuseDifferent(checks, weights, file)
  return checks
}

/** The result of a check of a file that was exported before. */
export interface FileCheck {
  card: Card
  /** Against the trained net, where its run was given. */
  checks: CardCheck[]
  /** By runtime: how far the answer to the probe of the card is from the one that the card gives; of regression, as a share of the
   *  target's size. */
  probes: ProbeDifference[]
}

/** Checks an exported file on this machine: its probe in each runtime, and with a run its pictures against the trained net.
 *  Throws where the file is no exported model, or answers differently. */
export async function checkFile(
  file: string,
  {
    run,
    data,
    pictures = checkPictures,
    runtimes = runtimeNames,
    progress,
    signal,
  }: { run?: string | undefined } & Pick<ExportOptions, 'data' | 'pictures' | 'runtimes' | 'progress' | 'signal'> = {},
): Promise<FileCheck> {
  const bytes = readFile(file)
  if (findTableCard(bytes, file))
    throw new ModelError(
      `${file}: is a model of a table; \`checkTableFile\` checks it (on the command line give its own run).`,
    )
  if (findTextCard(bytes, file))
    throw new ModelError(
      `${file}: is a model of texts; \`checkTextFile\` checks it (on the command line give its own run).`,
    )
  if (findSoundCard(bytes, file))
    throw new ModelError(
      `${file}: is a model of sounds; \`checkSoundFile\` checks it (on the command line give its own run).`,
    )
  const card = readCard(bytes, file)
  const bound = bounds(card.weights)
  if (card.input.name === 'pixels')
    throw new ModelError(
      `${file}: holds the net alone, which takes no pictures. Check the whole model: anneal export without --net.`,
    )
  checkCard(bytes, card, file)
  const probes = await probed({ file, bytes, card }, runtimes, signal)
  if (run === undefined) return { card, checks: [], probes }
  const model = loadModel(run)
  try {
    refuseOtherModel({ file, card }, { run, ...model.card })
    const files = await checkFiles(run, model.card, { most: pictures, data, signal })
    const quantized = card.weights === 'quantized'
    const checks = await checkExport(model, { file: bytes }, files, {
      quantized,
      runtimes,
      progress,
      signal,
    })
    if (quantized) refuseCostly(checks, file, 'Export the run again.')
    for (const check of checks)
      if (!(check.differenceOnFiles <= bound.onFiles))
        throw new ModelError(
          `${file}: in ${check.runtime} it does not answer as ${run}: the largest difference is ${check.differenceOnFiles.toPrecision(2)} over ${check.files} files, expected at most ${bound.onFiles}. Export the run again.`,
        )
    return { card, checks, probes }
  } finally {
    disposeModel(model)
  }
}

function probed(
  { file, bytes, card }: { file: string; bytes: Uint8Array; card: Card },
  runtimes: readonly RuntimeName[],
  signal: AbortSignal | undefined,
): Promise<ProbeDifference[]> {
  if (!card.probe) return Promise.resolve([])
  const { width, height, outputs } = card.probe
  const { channels } = card.input
  const image = { data: probePicture(card.probe, channels), dims: [1, height, width, channels] }
  const accepted = bounds(card.weights).onProbe
  const differs = 'its answer to the probe picture of its card differs'
  return checkProbe({ file, bytes }, runtimes, { accepted, differs, signal }, async loaded =>
    probeDifference(card, outputs, numbersOf(await loaded.run({ image }))),
  )
}

/** The answer to the probe: of the file itself in the first runtime, where it was checked, since runtimes round pixels alike;
 *  else of the trained net. */
async function probeOutputs(
  model: LoadedModel,
  file: Uint8Array | undefined,
  runtimes: readonly RuntimeName[],
): Promise<number[]> {
  const { card, members } = model
  const { channels } = card.preprocessing
  const { width, height } = probe
  const data = probePicture(probe, channels)
  if (file) {
    const loaded = await load(runtimes[0]!, file)
    try {
      return Array.from(numbersOf(await loaded.run({ image: { data, dims: [1, height, width, channels] } })))
    } finally {
      await loaded.release()
    }
  }
  return scope(() => {
    const each = members.map(member => {
      const { preprocessing: p } = member.card
      const { short, interpolation } = p
      const seen = fitRaster({ data, width, height, channels, alpha: false }, { short, interpolation, aspect: ASPECT })
      const x = pictureBatch([seen], undefined, { ...p, normalization: p })
      return noGrad(() => memberOutputs(member, x, { precision: 'float32' }))
    })
    return Array.from(joinMembers({ card }, each))
  })
}

function refuseDepth({ members }: LoadedModel): void {
  for (const { card } of members)
    if (card.preprocessing.range)
      throw new ModelError(
        `the model was trained on pictures of more than 8 bits (values ${card.preprocessing.range.join(' to ')}); an exported model takes 8 bits, which would lose most of them. Predict with it in Anneal, or train with ${option('channels')} rgb.`,
      )
}
