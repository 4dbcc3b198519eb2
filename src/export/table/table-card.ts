import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { sha256 } from '../../base/digest.ts'
import { version } from '../../base/version.ts'
import type { TableCardInput, TableCardTexts, TableFileCard } from '../../onnx/index.ts'
import { isRun, readResult } from '../../runs/index.ts'
import { minilm } from '../../text/net/minilm.ts'
import type { EmbeddingNet } from '../../text/run/embed.ts'
import { metadataOf, metricsOf } from '../model-card.ts'
import { validationOf } from '../validation.ts'
import type { CheckParts } from './check.ts'
import type { TableInput } from './columns.ts'
import type { TableGraph } from './model-graph.ts'
import type { OpenTableModel } from './open.ts'
import { figuresOf } from './usual.ts'

/** The card of an exported model: what is known of the saved model, and of its run. */
export function tableFileCard(
  model: OpenTableModel,
  { inputs, outputs }: Pick<TableGraph, 'inputs' | 'outputs'>,
  {
    rows,
    weights,
    ...facts
  }: Pick<TableFileCard, 'checks' | 'probe'> & { rows: CheckParts; weights: TableCardTexts['weights'] },
): TableFileCard {
  const { stem, card, members, textNet } = model
  const { target, positive, threshold, metrics } = card
  const dir = dirname(stem)
  const result = isRun(dir) ? readResult(dir) : undefined
  const name = basename(resolve(isRun(dir) ? dir : stem))
  const used = new Set(inputs.map(({ column }) => column))
  const missing = card.reading.missing as readonly string[] | undefined
  const validation = isRun(dir) ? validationOf(dir, target, 'rows') : undefined
  return {
    format: 'anneal-table-model',
    version: 1,
    anneal: version(),
    name,
    created: new Date().toISOString(),
    task: target.task,
    target: target.columns,
    classes: target.classes,
    ...(target.units ? { units: target.units } : {}),
    model: card.model,
    ...(members.length > 1 ? { members: members.length } : {}),
    inputs: inputs.map(input => ({ ...inputOf(input, model), ...figuresOf(input.column, model, rows) })),
    ...(textNet ? { texts: textsOf(textNet, weights) } : {}),
    ...(missing ? { missing } : {}),
    unused: [...new Set([...card.columns.map(column => column.name), ...target.columns])].filter(
      name => !used.has(name),
    ),
    outputs,
    ...(positive === undefined ? {} : { positive, threshold: threshold ?? 0.5 }),
    metrics: {
      valid: metricsOf(result ?? { metrics }),
      ...(result?.test ? { test: metricsOf(result.test) } : {}),
    },
    ...(validation ? { validation } : {}),
    licences: textNet?.name === minilm ? [`${minilm}: Apache-2.0`] : [],
    digests: Object.fromEntries(members.flatMap(member => digestsOf(member.stem, dir))),
    ...facts,
  }
}

/** What is said of the net for texts. */
function textsOf({ name, digest, width, parts }: EmbeddingNet, weights: TableCardTexts['weights']): TableCardTexts {
  const { config, tokenizer, maxTokens } = parts
  const { begin, end, window } = config
  return {
    net: name,
    digest,
    width,
    parameters: [...parts.weights.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    weights,
    tokenizer: JSON.stringify(tokenizer),
    begin,
    end,
    window,
    maxTokens,
  }
}

function inputOf({ name, column, kind, tokens }: TableInput, { members }: OpenTableModel): TableCardInput {
  const own = members.flatMap(({ card }) => card.encoding.columns.filter(one => one.column === column))
  const type = ({ number: 'float32', category: 'string', date: 'int64', text: 'int64' } as const)[kind]
  const words = [...new Set(own.flatMap(one => (one.kind === 'category' ? one.words : [])))]
  const reading = own.map(one => ('reading' in one ? one.reading : undefined)).find(Boolean)
  const parts = new Set(own.flatMap(one => (one.kind === 'date' ? one.parts : [])))
  return {
    name,
    kind,
    type,
    ...(tokens ? { tokens } : {}),
    ...(kind === 'category' ? { words: words.length, vocabulary: words } : {}),
    ...(kind === 'date' ? { parts: [...parts] } : {}),
    ...(reading ? { reading } : {}),
  }
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
export const tableMetadata = (card: TableFileCard): Record<string, string> =>
  metadataOf(card, `predicts ${card.target.join(', ')} by ${card.model}`)
