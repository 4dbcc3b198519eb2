/** Predictions from files in a warm process, compared with fastai and onnxruntime. All run in turn in the same run:
 *  node --import tsx bench/predict.ts [DATA] [--python python3] [--model tf_efficientnet_lite0] [--size 224]
 *    [--pictures 1000] [--rounds 5] [--precision float32] [--quick]
 *
 *  One picture: `classifier.predict` and fastai's `learn.predict`. Each round warms up with 100 predictions and times
 *  100. A folder: `predictAll`, fastai's `test_dl` and `get_preds`, and onnxruntime with decoding on all cores. They
 *  predict the pictures of DATA (class folders; synthetic pictures of 320 × 240 by default), repeated up to --pictures.
 *  Random weights. Anneal uses the precision that training uses here, or --precision; fastai and onnxruntime use
 *  float32. Writes bench/results/predict.json, in milliseconds. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { model as modelInfo } from '../src/models/index.ts'
import { noiseNet } from '../src/speed/timing.ts'
import { kernelSets } from '../src/torch/index.ts'
import type { Precision } from '../src/train/network.ts'
import { saveModel } from '../src/train/saved-model.ts'
import { listPictures } from '../src/vision/index.ts'
import { type Classifier, loadClassifier } from '../src/vision/inference/classifier.ts'
import { measuredOn } from './machine.ts'
import { pictureFolder } from './pictures.ts'
import { figures, inTurn, Rival, ratio, writeResult } from './rival.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    model: { type: 'string', default: 'tf_efficientnet_lite0' },
    size: { type: 'string', default: '224' },
    pictures: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    precision: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
})
const { quick, python, model } = values
const [size, pictures, rounds, times] = quick
  ? ([64, 40, 1, 2] as const)
  : ([Number(values.size), Number(values.pictures), Number(values.rounds), 100] as const)
const precision = (values.precision ?? (kernelSets('bfloat16').length > 0 ? 'bfloat16' : 'float32')) as Precision
const work = mkdtempSync(join(tmpdir(), 'anneal-predict-'))

/** Saves a classifier of this model with random weights. */
async function saved(): Promise<string> {
  const { mean, std, interpolation, cropPct } = modelInfo(model)
  const net = await noiseNet(model, { size, batchSize: 8, classes: 10 })
  const path = join(work, 'model')
  saveModel(path, net.net.stateDict(), {
    format: 'anneal-classifier',
    version: 1,
    architecture: model,
    head: { hidden: [], dropout: 0.5 },
    classes: Array.from({ length: 10 }, (_, i) => `class ${i}`),
    preprocessing: { size, short: Math.round(size / cropPct), interpolation, mean, std, channels: 3 },
    precision,
    metrics: {},
    anneal: 'bench',
  })
  return path
}

try {
  const data = resolve(
    positionals[0] ?? (await pictureFolder(join(work, 'pictures'), { pictures: Math.min(pictures, 200), classes: 10 })),
  )
  const found = listPictures([data]).pictures.map(({ file }) => file)
  const files = Array.from({ length: pictures }, (_, i) => found[i % found.length]!)
  const path = await saved()
  const start = performance.now()
  const classifier = loadClassifier(path)
  await classifier.predict(files[0]!)
  const first = performance.now() - start
  const here = loadClassifier(path, { worker: false })
  const rival =
    python === 'none' ? undefined : await Rival.start(python, 'predict.py', { args: [data, model, String(size)] })
  const { missing = undefined } = (await rival?.ask<{ missing?: string }>({
    do: 'onnx',
    files: files.slice(0, 32),
  })) ?? {
    missing: 'no Python',
  }

  const one = (of: Classifier) => async () => {
    const ms: number[] = []
    for (let i = -times; i < times; i++) {
      const start = performance.now()
      await of.predict(files[0]!)
      ms.push(performance.now() - start)
    }
    return ms.slice(times)
  }
  /** The longest that the event loop stood still while a folder was predicted, in milliseconds. */
  const stillness: Record<string, number[]> = { 'own thread': [], 'calling thread': [] }
  const folder = (of: Classifier, still: number[]) => async () => {
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const start = performance.now()
    let told = 0
    for await (const _ of of.predictAll(files)) told++
    if (told !== files.length) throw new Error(`${told} predictions of ${files.length} pictures`)
    const ms = performance.now() - start
    delay.disable()
    still.push(delay.max / 1e6)
    return [ms]
  }
  const asked = (question: object) => async () => (await rival!.ask(question)).ms
  const ms = await inTurn(rounds, {
    'one picture, anneal': one(classifier),
    'one picture, anneal in the calling thread': one(here),
    'folder, anneal': folder(classifier, stillness['own thread']!),
    'folder, anneal in the calling thread': folder(here, stillness['calling thread']!),
    ...(rival && {
      'one picture, fastai': asked({ do: 'one', file: files[0], n: times }),
      'folder, fastai': asked({ do: 'folder', files }),
    }),
    ...(missing === undefined ? { 'folder, onnxruntime': asked({ do: 'onnx', files }) } : {}),
  })
  rival?.end()
  await classifier.close()
  const onnx = ms['folder, onnxruntime']
  const ratios = {
    ...(rival && {
      onePicture: ratio(ms['one picture, anneal']!, ms['one picture, fastai']!),
      folder: ratio(ms['folder, anneal']!, ms['folder, fastai']!),
    }),
    onePictureCallingThread: ratio(ms['one picture, anneal']!, ms['one picture, anneal in the calling thread']!),
    folderCallingThread: ratio(ms['folder, anneal']!, ms['folder, anneal in the calling thread']!),
    folderOnnxruntime: onnx ? ratio(ms['folder, anneal']!, onnx) : `not measured (${missing})`,
  }
  const eventLoop = { first, stoodStill: figures(stillness) }
  process.stdout.write(`${JSON.stringify({ ratios, eventLoop, milliseconds: figures(ms) })}\n`)
  const settings = { model, size, precision, pictures, data: positionals[0] ? 'given' : 'synthetic, 320 x 240', rounds }
  writeResult(
    'predict',
    { ...measuredOn(), rival: rival?.about, ...settings, ratios, eventLoop, milliseconds: figures(ms) },
    { quick: quick || !rival },
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}
