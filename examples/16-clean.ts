/** Finds labels that may be wrong and near duplicates, makes decisions, and trains again with them. `anneal clean` does
 *  the same in a page. Run: node --import tsx examples/16-clean.ts FOLDER */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRun, type TrainOptions, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out = 'runs/clean'] = process.argv.slice(2)
const settings = { model: 'tf_efficientnet_lite0', size: 96, epochs: 0 } satisfies TrainOptions
const first = await trainFolder(folder, { ...settings, out: `${out}-before` })
const { labelIssues = [], nearDuplicates = [] } = readRun(first.run).interpret!
for (const { file, given, suggested, score } of labelIssues)
  console.log(`${file}: ${given}, rather ${suggested}? (probability of the given label: ${score.toFixed(2)})`)
for (const { pictures } of nearDuplicates) console.log('nearly the same:', pictures.map(p => p.file).join(', '))

// A person should look. This program accepts the labels of which the model is sure.
const sure = labelIssues.filter(({ score }) => score < 0.05)
const decisions = sure.map(({ file, suggested }) => ({ file, action: 'relabel', label: suggested }))
const clean = join(first.run, 'decisions.jsonl')
writeFileSync(clean, decisions.map(d => `${JSON.stringify(d)}\n`).join(''))
const { metrics } = await trainFolder(folder, { ...settings, clean, out: `${out}-after` })
console.log(`${decisions.length} relabelled: valid accuracy ${(100 * metrics.accuracy!).toFixed(1)} %`)
