/** Quantised exports: accuracy, loss, bytes and milliseconds of float32, of int8 weights, and of integers, and beside them
 *  onnxruntime's own quantisation tool with the same calibration pictures:
 *  node --import tsx bench/quantize.ts DATA... [--models squeezenet1_1=FILE.pth,tf_efficientnet_lite0] [--size 160]
 *    [--python python3]
 *
 *  Each model of `--models` (a name, or NAME=WEIGHTS) trains a head on each folder DATA, without epochs of the whole net.
 *  Nets alone, from pixels on; accuracy, loss and same labels on up to 400 validation pictures. Milliseconds: the medians of
 *  single pictures in turn, one thread. Rivals need Python with onnx and onnxruntime. Writes bench/results/quantize.json. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { type TrainOptions, trainFolder } from '../src/api/index.ts'
import { runPictures } from '../src/export/check-files.ts'
import { exportModel } from '../src/export/export-model.ts'
import { modelGraph, preprocessings } from '../src/export/model-graph.ts'
import { answers, fileOf, type Samples } from '../src/export/quantize/calibrate.ts'
import { pixelsOf } from '../src/export/quantize/pixels.ts'
import { verdictOf } from '../src/export/quantize/verdict.ts'
import { storeWeights } from '../src/export/store-weights.ts'
import { disposeModel, loadModel } from '../src/vision/inference/saved.ts'
import { measuredOn } from './machine.ts'
import { rivalEnv, writeResult } from './rival.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: 'string', default: 'tf_efficientnet_lite0' },
    size: { type: 'string', default: '160' },
    python: { type: 'string' },
  },
})
process.env.ANNEAL_THREADS ??= '1'
const work = mkdtempSync(join(tmpdir(), 'anneal-quantize-'))

/** Trains a head and quantises the model; the numbers of one line of the result. */
async function measure(data: string, [model, weights]: readonly string[]) {
  const run = join(work, `${basename(data)}-${model}`)
  const options = { model, ...(weights && { weights }), size: Number(values.size), views: 1, epochs: 0 } as TrainOptions
  await trainFolder(data, { ...options, out: run })
  const loaded = loadModel(run)
  try {
    const { graph, inputs } = modelGraph(loaded, { net: true })
    const pictures = await runPictures(run, loaded.card, {})
    const kinds = preprocessings(loaded)
    const files = pictures.of(pictures.held, 400)
    const valid = await pixelsOf(files.places, kinds, inputs)
    const before = await answers(fileOf(graph), valid)
    const { graph: int8 } = modelGraph(loaded, { net: true })
    storeWeights(int8, 'int8')
    const stored = verdictOf(before, await answers(fileOf(int8), valid), files.targets, loaded.card)
    const weightsOnly = { same: stored.same, accuracy: stored.metric.after, loss: stored.loss.after }
    const line = { data: basename(data), model: model!, float32: own(stored, fileOf(graph).length) }
    const start = performance.now()
    const found = await exportModel(run, { quantize: true, net: true, check: false }).then(
      ({ card }) => card.quantization!,
      (error: Error) => error.message,
    )
    const seconds = (performance.now() - start) / 1000
    const train = await pixelsOf(pictures.of('train', 128).places, kinds, inputs)
    return {
      ...line,
      int8Weights: { bytes: fileOf(int8).length, ...weightsOnly },
      quantized: found,
      seconds,
      ...(values.python && { onnxruntime: rivals({ net: fileOf(graph), train, valid, labels: files.targets }) }),
    }
  } finally {
    disposeModel(loaded)
  }
}

const own = ({ metric, loss, samples }: ReturnType<typeof verdictOf>, bytes: number) => ({
  pictures: samples,
  bytes,
  accuracy: metric.before,
  loss: loss.before,
})

/** What onnxruntime's tool makes of the same net. */
function rivals({ net, train, valid, labels }: Rivalled): unknown[] {
  const put = (name: string, pixels: Samples) => {
    const { data, dims } = pixels.batch(0, pixels.count).pixels!
    const { buffer, byteOffset, byteLength } = data as Float32Array
    writeFileSync(join(work, name), new Uint8Array(buffer, byteOffset, byteLength))
    return dims
  }
  writeFileSync(join(work, 'net.onnx'), net)
  const about = { train: put('train.f32', train), valid: put('valid.f32', valid), labels: Array.from(labels) }
  writeFileSync(join(work, 'about.json'), JSON.stringify(about))
  const script = 'bench/rivals/quantize_onnxruntime.py'
  const { stdout, status } = spawnSync(values.python!, [script, work], { encoding: 'utf8', env: rivalEnv() })
  if (status !== 0) throw new Error(`${script} failed`)
  const lines = stdout.split('\n').filter(line => line.startsWith('{'))
  return lines.map(line => JSON.parse(line))
}
interface Rivalled {
  net: Uint8Array
  train: Samples
  valid: Samples
  labels: ArrayLike<number>
}

const results: unknown[] = []
try {
  for (const data of positionals)
    for (const entry of values.models.split(',')) {
      if (!statSync(data, { throwIfNoEntry: false })) throw new Error(`${data} does not exist`)
      results.push(await measure(data, entry.split('=')))
      console.log(JSON.stringify(results.at(-1)))
      writeResult('quantize', { ...measuredOn(), size: Number(values.size), results })
    }
} finally {
  rmSync(work, { recursive: true })
}
