/** Labels that are likely wrong and pictures that are nearly the same, decided about, and a run without them: what
 *  `anneal clean` does in a page. Run: node --import tsx examples/16-clean.ts FOLDER */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRun, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out = 'runs/clean'] = process.argv.slice(2)
const settings = { model: 'tf_efficientnet_lite0', size: 96, epochs: 0 }
const first = await trainFolder(folder, { ...settings, out: `${out}-before` })
const { labelIssues = [], nearDuplicates = [] } = readRun(first.run).interpret!
for (const { file, given, suggested, score } of labelIssues)
  console.log(`${file}: ${given}, rather ${suggested}? (believed to ${score.toFixed(2)})`)
for (const { pictures } of nearDuplicates) console.log('nearly the same:', pictures.map(p => p.file).join(', '))

// A person should look; this takes the model at its word where it is sure.
const sure = labelIssues.filter(({ score }) => score < 0.05)
const decisions = sure.map(({ file, suggested }) => ({ file, action: 'relabel', label: suggested }))
const clean = join(first.run, 'decisions.jsonl')
writeFileSync(clean, decisions.map(d => `${JSON.stringify(d)}\n`).join(''))
const { metrics } = await trainFolder(folder, { ...settings, clean, out: `${out}-after` })
console.log(`${decisions.length} relabelled: valid accuracy ${(100 * metrics.accuracy!).toFixed(1)} %`)
