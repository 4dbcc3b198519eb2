/** From the command to its first answer, compared with the import of fastai. All run in turn in the same run:
 *  node --import tsx bench/start.ts [DATA] [--python python3] [--model tf_efficientnet_lite0] [--size 224] [--rounds 7] [--quick]
 *
 *  Measures `anneal --help` to its end; `anneal train DATA` until its first step (the first `batch` event), with
 *  weights, decoded pictures and features kept from an earlier run; `python -c "from fastai.vision.all import *"`; and
 *  `node` and `python` alone, for the cost of the languages. DATA: class folders; synthetic pictures by default. Needs
 *  `npm run build`. Writes bench/results/start.json, in seconds. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { measuredOn } from './machine.ts'
import { pictureFolder } from './pictures.ts'
import { figures, inTurn, ratio, runOnce, writeResult } from './rival.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    model: { type: 'string', default: 'tf_efficientnet_lite0' },
    size: { type: 'string', default: '224' },
    rounds: { type: 'string', default: '7' },
    quick: { type: 'boolean', default: false },
  },
})
const { quick, python, model } = values
const rounds = quick ? 1 : Number(values.rounds)
const size = quick ? '64' : values.size
const work = mkdtempSync(join(tmpdir(), 'anneal-start-'))
const anneal = 'bin/anneal.mjs'
const data =
  positionals[0] ?? (await pictureFolder(join(work, 'pictures'), { pictures: quick ? 40 : 1200, classes: 10 }))
// If the cache has no weights, the body is random. The steps of the recipe are the same.
const weights = quick ? ['--no-pretrained'] : []

/** Seconds from the command to the first step. Then it ends the process. */
const firstStep = () =>
  new Promise<number[]>((resolve, reject) => {
    const start = performance.now()
    const out = join(work, `run-${start}`)
    const args = [anneal, 'train', data, '--model', model, '--size', size, ...weights, '--out', out, '--json']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let seconds: number | undefined
    createInterface({ input: child.stdout }).on('line', line => {
      if (seconds !== undefined || !line.includes('"type":"batch"')) return
      seconds = (performance.now() - start) / 1000
      child.kill('SIGKILL')
    })
    child.on('close', code => {
      rmSync(out, { recursive: true, force: true })
      if (seconds === undefined) reject(new Error(`anneal train ended with ${code} before its first step`))
      else resolve([seconds])
    })
  })
const command = (name: string, args: string[]) => () => [runOnce(name, args).seconds]

try {
  await firstStep() // decodes, and fills the cache with features
  const seconds = await inTurn(rounds, {
    'anneal --help': command(process.execPath, [anneal, '--help']),
    'anneal train, to its first step': firstStep,
    'import fastai': command(python, ['bench/rivals/start.py']),
    node: command(process.execPath, ['-e', '0']),
    python: command(python, ['-c', '0']),
  })
  const versions = runOnce(python, [
    '-c',
    'import json, torch, fastai; print(json.dumps({"torch": torch.__version__, "fastai": fastai.__version__}))',
  ]).stdout
  const ratios = {
    help: ratio(seconds['anneal --help']!, seconds['import fastai']!),
    firstStep: ratio(seconds['anneal train, to its first step']!, seconds['import fastai']!),
  }
  process.stdout.write(`${JSON.stringify(ratios)}\n`)
  const settings = { model, size: Number(size), data: positionals[0] ? 'given' : 'synthetic, 1200 pictures', rounds }
  writeResult(
    'start',
    { ...measuredOn(), rival: JSON.parse(versions), ...settings, ratios, seconds: figures(seconds) },
    { quick },
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}
