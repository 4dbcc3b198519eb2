/** Memory of the recipe compared with fastai on the same pictures, and of an index of a million pictures:
 *  node --import tsx bench/memory.ts [DATA] [--python python3] [--model tf_efficientnet_lite0] [--size 224] [--batch 32]
 *    [--epochs 4] [--entries 1000000] [--rounds 2] [--quick]
 *
 *  Measures the peak resident size (VmHWM) of the training process. Anneal: `anneal train` decodes and computes
 *  features again, from random weights, with BatchNorm statistics of the batch. fastai: lr_find, two epochs of the head
 *  and the same number of whole epochs. Its loader has processes of its own; the result names the largest.
 *  `atEpochEnds` is the resident size after each epoch of the whole net; it should not grow. DATA: class folders; 1,000
 *  synthetic pictures by default. The index runs in its own process (bench/growth-parts.ts). Writes
 *  bench/results/memory.json, in bytes. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import type { RunEvent } from '../src/runs/index.ts'
import { type GrowthPoint, measurePart } from './growth-parts.ts'
import { emptyCache, measuredOn } from './machine.ts'
import { pictureFolder } from './pictures.ts'
import { figures, inTurn, Rival, ratio, writeResult } from './rival.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    model: { type: 'string', default: 'tf_efficientnet_lite0' },
    size: { type: 'string', default: '224' },
    batch: { type: 'string', default: '32' },
    epochs: { type: 'string', default: '4' },
    entries: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
  },
})
const { quick, python } = values
const model = quick ? 'mobilenet_v2' : values.model
const numbers = quick
  ? [64, 8, 2, 10_000, 1]
  : [values.size, values.batch, values.epochs, values.entries, values.rounds]
const [size, batch, epochs, entries, rounds] = numbers.map(Number) as [number, number, number, number, number]
const work = mkdtempSync(join(tmpdir(), 'anneal-memory-'))

const status = (pid: number, field: 'VmHWM' | 'VmRSS') =>
  1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

/** Peak memory of `anneal train`, and its memory after each epoch of the whole net. */
function trained(data: string): Promise<{ peak: number; atEpochEnds: number[] }> {
  const cache = emptyCache()
  const out = join(work, `run-${performance.now()}`)
  const what = ['train', data, '--model', model, '--size', String(size), '--batch', String(batch), '--no-pretrained']
  const args = ['bin/anneal.mjs', ...what, '--epochs', String(epochs), '--out', out, '--json']
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ANNEAL_CACHE: cache },
  })
  const atEpochEnds: number[] = []
  let peak = 0
  const look = () => {
    try {
      peak = Math.max(peak, status(child.pid!, 'VmHWM') || 0)
    } catch {} // the process has ended
  }
  const timer = setInterval(look, 50)
  createInterface({ input: child.stdout }).on('line', line => {
    look()
    const event = JSON.parse(line) as RunEvent
    if (event.type === 'epoch' && event.phase === 'whole') atEpochEnds.push(status(child.pid!, 'VmRSS'))
  })
  return new Promise((done, failed) => {
    child.on('close', code => {
      clearInterval(timer)
      rmSync(cache, { recursive: true, force: true })
      if (code === 0) done({ peak, atEpochEnds })
      else failed(new Error(`anneal train ended with ${code}`))
    })
  })
}

try {
  const data = resolve(
    positionals[0] ?? (await pictureFolder(join(work, 'pictures'), { pictures: quick ? 60 : 1000, classes: 10 })),
  )
  let atEpochEnds: number[] = []
  let rival = {}
  let workers = {}
  const bytes = await inTurn(rounds, {
    anneal: async () => {
      const { peak, atEpochEnds: held } = await trained(data)
      atEpochEnds = held
      return [peak]
    },
    fastai: async () => {
      const fastai = await Rival.start(python, 'epochs.py', { args: [data, model, String(size), String(batch)] })
      const { peakBytes, ...loader } = await fastai.ask<{ peakBytes: number }>({ do: 'recipe', frozen: 2, epochs })
      rival = fastai.about
      workers = loader
      fastai.end()
      return [peakBytes]
    },
  })
  const [index] = measurePart('pictures', [entries]) as [GrowthPoint]
  const result = {
    peakBytes: { ...figures(bytes), ratio: ratio(bytes.anneal!, bytes.fastai!), loaders: workers },
    atEpochEnds,
    index: { entries, ...index },
  }
  const settings = { model, size, batch, epochs, rounds, data: positionals[0] ? 'given' : 'synthetic' }
  writeResult('memory', { ...measuredOn(), rival, ...settings, ...result }, { quick })
} finally {
  rmSync(work, { recursive: true, force: true })
}
