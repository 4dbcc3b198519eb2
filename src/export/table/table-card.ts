import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { sha256 } from '../../base/digest.ts'
import { version } from '../../base/version.ts'
import { type CardMetric, cardKey, type TableCardInput, type TableFileCard } from '../../onnx/index.ts'
import { isRun, type PartResult, readResult } from '../../runs/index.ts'
import type { TableInput } from './columns.ts'
import type { TableGraph } from './model-graph.ts'
import type { OpenTableModel } from './open.ts'

/** The card of an exported model: what is known of the saved model, and of its run. */
export function tableFileCard(
  model: OpenTableModel,
  { inputs, outputs }: Pick<TableGraph, 'inputs' | 'outputs'>,
  facts: Pick<TableFileCard, 'checks' | 'probe'>,
): TableFileCard {
  const { stem, card, members } = model
  const { target, positive, threshold, metrics } = card
  const dir = dirname(stem)
  const result = isRun(dir) ? readResult(dir) : undefined
  const name = basename(resolve(isRun(dir) ? dir : stem))
  return {
    format: 'anneal-table-model',
    version: 1,
    anneal: version(),
    name,
    created: new Date().toISOString(),
    task: target.task,
    target: target.columns,
    classes: target.classes,
    model: card.model,
    ...(members.length > 1 ? { members: members.length } : {}),
    inputs: inputs.map(input => inputOf(input, model)),
    outputs,
    ...(positive === undefined ? {} : { positive, threshold: threshold ?? 0.5 }),
    metrics: {
      valid: metricsOf(result ?? { metrics }),
      ...(result?.test ? { test: metricsOf(result.test) } : {}),
    },
    licences: [],
    digests: Object.fromEntries(members.flatMap(member => digestsOf(member.stem, dir))),
    ...facts,
  }
}

function inputOf({ name, column, kind }: TableInput, { members }: OpenTableModel): TableCardInput {
  const own = members.flatMap(({ card }) => card.encoding.columns.filter(one => one.column === column))
  const type = ({ number: 'float32', category: 'string', date: 'int64' } as const)[kind]
  const words = new Set(own.flatMap(one => (one.kind === 'category' ? one.words : [])))
  const parts = new Set(own.flatMap(one => (one.kind === 'date' ? one.parts : [])))
  return {
    name,
    kind,
    type,
    ...(kind === 'category' ? { words: words.size } : {}),
    ...(kind === 'date' ? { parts: [...parts] } : {}),
  }
}

function metricsOf({ metrics, intervals = {} }: Pick<PartResult, 'metrics' | 'intervals'>): Record<string, CardMetric> {
  const known = Object.entries(metrics).filter(([, value]) => Number.isFinite(value))
  return Object.fromEntries(
    known.map(([name, value]): [string, CardMetric] => {
      const interval = intervals[name]
      return [name, interval ? { value, interval } : { value }]
    }),
  )
}

/** The sha256 of a model's card and of the files in its folder. */
function digestsOf(stem: string, from: string): [string, string][] {
  const files = readdirSync(stem)
    .sort()
    .map(name => join(stem, name))
    .filter(file => statSync(file).isFile())
  return [`${stem}.json`, ...files].map(file => [relative(from, file), sha256(readFileSync(file))])
}

/** The metadata of an exported file: the card, and what other tools read. */
export function tableMetadata(card: TableFileCard): Record<string, string> {
  const { name, target, model, created, anneal, task } = card
  return {
    [cardKey]: JSON.stringify(card),
    description: `${name}: predicts ${target.join(', ')} by ${model}, trained by Anneal`,
    author: 'Anneal',
    date: created,
    version: anneal,
    task: task === 'regression' ? 'regress' : 'classify',
    model_author: 'Anneal',
  }
}
