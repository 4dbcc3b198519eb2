// A second kind of data: rows of numbers with a label, in a JSON file, and a little net of two layers.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { targetsOf, targetTensor } from '../../src/data/targets.ts'
import type { Item, Split } from '../../src/data/types.ts'
import type { Domain, Index } from '../../src/domain/index.ts'
import { fromArray, manualSeed, nn, type Tensor } from '../../src/torch/index.ts'
import { type Body, network } from '../../src/train/network.ts'

interface Row extends Item {
  x: readonly number[]
}
/** Mean and deviation of each column. */
interface Scale {
  mean: readonly number[]
  std: readonly number[]
}
type RowIndex = Omit<Index, 'items'> & { items: Row[] }
interface RowOptions {
  seed?: number | undefined
}

const width = 16

/** Two layers: [N, columns] → [N, 16]. */
function body(columns: number): Body {
  const m = { first: nn.linear(columns, width), second: nn.linear(width, width) }
  const features = (x: Tensor) => m.second(m.first(x).relu()).relu()
  const facts = { features, pooled: features, pooledFeatures: width, groups: [['first'], ['second']] }
  return Object.assign(nn.module(m, features, { kind: 'RowNet' }), facts)
}

function read(path: string, splitOf: (n: number) => Split): RowIndex {
  const rows = JSON.parse(readFileSync(path, 'utf8')) as { x: number[]; label: string }[]
  const classes = [...new Set(rows.map(r => r.label))].sort()
  const items = rows.map(({ x, label }, n) => ({
    file: `${resolve(path)}#${n}`,
    labels: [classes.indexOf(label)],
    split: splitOf(n),
    x,
  }))
  return { dir: resolve(path), task: 'single', classes, items, choices: [] }
}

function scaleOf(items: readonly Row[]): Scale {
  const columns = items[0]!.x.map((_, c) => items.map(i => i.x[c]!))
  const mean = columns.map(v => v.reduce((a, b) => a + b, 0) / v.length)
  const std = columns.map((v, c) => Math.sqrt(v.reduce((a, b) => a + (b - mean[c]!) ** 2, 0) / v.length))
  return { mean, std }
}

const tensorOf = (rows: readonly (readonly number[])[], { mean, std }: Scale): Tensor =>
  fromArray(Float32Array.from(rows.flatMap(x => x.map((v, c) => (v - mean[c]!) / std[c]!))), [rows.length, mean.length])

function sourceOf(items: readonly Row[], classes: number, scale: Scale) {
  const targets = targetsOf(items, 'single', classes)
  const count = items.length
  return {
    count,
    targets,
    items,
    batch: (samples: Uint32Array) => ({
      x: tensorOf(
        Array.from(samples, n => items[n]!.x),
        scale,
      ),
      y: targetTensor(samples, { targets, count }),
    }),
  }
}

function datasetOf(index: RowIndex) {
  const of = (split: Split) => index.items.filter(i => i.split === split)
  const counts = index.classes.map((name, c) => {
    const inSplit = (split: Split) => of(split).filter(i => i.labels[0] === c).length
    return { name, train: inSplit('train'), valid: inSplit('valid'), test: inSplit('test') }
  })
  const fingerprint = createHash('sha256').update(JSON.stringify(index.items)).digest('hex')
  return { ...index, counts, problems: [], of, fingerprint }
}

const hash = (item: Item) =>
  createHash('sha256')
    .update(JSON.stringify((item as Row).x))
    .digest('hex')

/** Rows of numbers: a JSON file of `{ x: number[], label: string }`; every fifth row validates. */
export const rows: Domain<RowOptions, Body, Scale, readonly number[]> = {
  name: 'rows',
  words: { one: 'row', many: 'rows', size: size => `${size} columns` },
  expected: path => `a JSON file of rows, such as ${path}.json`,
  index: async path => read(path, n => (n % 5 === 0 ? 'valid' : 'train')),
  async open(index, { options: { seed = 42 }, narrator }) {
    const data = datasetOf(index as RowIndex)
    const columns = data.items[0]!.x.length
    const scale = scaleOf(data.of('train'))
    narrator.emit({ type: 'scan', classes: data.counts, problems: [] })
    manualSeed(seed)
    return {
      data,
      hash,
      modelName: 'row-net',
      body: body(columns),
      sizes: [columns],
      measuredAt: columns,
      shape: () => [columns],
      inputs: async () => ({
        augmentation: 'none',
        plain: true,
        at: async () => ({
          preprocessing: scale,
          source: split => sourceOf(data.of(split), data.classes.length, scale),
          show: async () => '',
        }),
      }),
    }
  },
  build: ({ classes, head, preprocessing }, device) =>
    network(body(preprocessing.mean.length), classes.length, { ...head, device }),
  isPreprocessing: (p): p is Scale => Array.isArray((p as Scale)?.mean),
  async openForEvaluation(path, { classes }) {
    const data = datasetOf(read(path, () => 'test'))
    return { data, hash, source: async card => sourceOf(data.items, classes.length, card.preprocessing) }
  },
  batch: async (inputs, scale) => tensorOf(inputs, scale),
}
