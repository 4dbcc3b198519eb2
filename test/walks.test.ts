import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { trainingOptions } from '../src/api/options.ts'
import { tableFormats } from '../src/data/tables/formats.ts'
import { models } from '../src/models/index.ts'
import { metricInfo, metricText } from '../src/runs/index.ts'
import { reportedMetrics } from '../src/train/metrics/reported.ts'
import * as schedules from '../src/train/rates/schedule.ts'
import { parts } from '../src/vision/augment/list.ts'
import { formats, pictureFiles } from '../src/vision/decode/formats.ts'
import { unreadEndings } from '../src/vision/decode/unread.ts'
import { nodes, place, root, type Source, sourcesIn } from './helpers/sources.ts'

// What docs/house.md says under "Seven walks" is true: each list has all that belongs to it, and nothing stands twice.

const text = (path: string) => readFileSync(join(root, path), 'utf8')
const sources = sourcesIn('src')
const below = (folder: string) => sources.filter(({ path }) => path.startsWith(`${folder}/`))
const source = (path: string) => sources.find(one => one.path === path)!

/** Exported constants of a file whose type is written as `type`, or that `maker` makes. */
const exported = ({ tree }: Source, fits: (of: ts.VariableDeclaration) => boolean): string[] =>
  tree.statements
    .filter(ts.isVariableStatement)
    .filter(({ modifiers }) => modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword))
    .flatMap(({ declarationList }) => declarationList.declarations.filter(fits).map(({ name }) => name.getText()))
const typed = (name: string) => (of: ts.VariableDeclaration) => of.type?.getText().replace(/<.*/s, '') === name
const madeBy = (name: string) => (of: ts.VariableDeclaration) =>
  of.initializer !== undefined && ts.isCallExpression(of.initializer) && of.initializer.expression.getText() === name

/** Names in the list (array or object) that a constant of a file is. */
function listed(path: string, name: string): string[] {
  const found = [...nodes(source(path).tree)].find(
    (node): node is ts.VariableDeclaration => ts.isVariableDeclaration(node) && node.name.getText() === name,
  )
  const list = found?.initializer
  if (list && ts.isArrayLiteralExpression(list)) return list.elements.map(one => one.getText())
  if (list && ts.isObjectLiteralExpression(list))
    return list.properties.map(one => (ts.isSpreadAssignment(one) ? one.expression.getText() : one.name!.getText()))
  throw new Error(`${path} has no list ${name}`)
}

test('every file that the walks name is there, and each of the issue has a walk', () => {
  const walks = text('docs/house.md').split('\n## Seven walks\n')[1]!.split('\n## ')[0]!
  const walked = Array.from(walks.matchAll(/^\*\*(.+?)\.\*\*/gm), ([, name]) => name)
  assert.deepEqual(walked, [
    'A network',
    'A schedule',
    'An augmentation',
    'A metric',
    'A training option',
    'An image format',
    'A table format',
    'A source of weights',
  ])
  const paths = Array.from(walks.matchAll(/`((?:src|test|docs|tools|schema)\/[^`]*)`/g), ([, path]) => path!)
  assert.ok(paths.length > 15, `${paths.length} paths`)
  assert.deepEqual(
    paths.filter(path => !path.includes('NAME') && !existsSync(join(root, path))),
    [],
  )
})

test('every family of networks stands in the registry, and no other file names its models', () => {
  const families = below('src/models').flatMap(file => exported(file, madeBy('family')))
  assert.ok(families.length > 5, `${families}`)
  assert.deepEqual(listed('src/models/registry.ts', 'families').sort(), families.sort())
  for (const file of ['registry', 'index', 'model-info', 'sources', 'load', 'image-model'])
    for (const name of Object.keys(models))
      if (name !== 'resnet34')
        // `auto`, and an example in a message
        assert.ok(!text(`src/models/${file}.ts`).includes(`${name}:`), `${file}.ts names ${name}`)
})

test('every schedule is a function of its settings that gives a function of progress', () => {
  const made: Record<keyof typeof schedules, schedules.Schedule> = {
    constant: schedules.constant(1),
    linear: schedules.linear(1, 0),
    exponential: schedules.exponential(1, 0.1),
    cosine: schedules.cosine(1, 0),
    sequence: schedules.sequence([0.5, schedules.linear(0, 1)], [0.5, schedules.linear(1, 0)]),
    oneCycle: schedules.oneCycle(1),
    coslog: schedules.coslog(1),
    flatCosine: schedules.flatCosine(1),
    oneCycleMomentum: schedules.oneCycleMomentum(),
  }
  for (const [name, schedule] of Object.entries(made))
    for (const t of [0, 0.3, 1]) assert.ok(Number.isFinite(schedule(t)), `${name} at ${t}: ${schedule(t)}`)
  assert.match(text('src/index.ts'), /export \* as schedules from '\.\/train\/rates\/schedule\.ts'/)
})

test('every augmentation stands in the list', () => {
  const all = below('src/vision/augment').flatMap(file => exported(file, typed('Part')))
  const list = 'src/vision/augment/list.ts'
  assert.deepEqual([...listed(list, 'together'), ...listed(list, 'apart')].sort(), all.sort())
  assert.equal(parts.length, all.length)
})

test('every metric that a run reports has its line of printing, and every file of metrics is exported', () => {
  for (const [task, metrics] of Object.entries(reportedMetrics))
    for (const key of Object.keys(metrics)) {
      const { better, title } = metricInfo(key, task as keyof typeof reportedMetrics)
      assert.ok(better && title, `${key} of ${task} has no line in src/runs/metric-info.ts`)
      assert.match(metricText(key, 0.5, { task: task as keyof typeof reportedMetrics }), /0\.5|50/)
    }
  const inner = new Set(['check', 'counts']) // what the others are made of
  const files = below('src/train/metrics').map(({ path }) => path.replace(/.*\/|\.ts$/g, ''))
  const missing = files.filter(name => !text('src/train/metrics.ts').includes(`./metrics/${name}.ts`))
  assert.deepEqual(
    missing.filter(name => !inner.has(name)),
    [],
  )
})

test('every training option is in the docs and in the schema', () => {
  const [docs, schema] = [text('docs/options.md'), text('schema/train.schema.json')]
  const names = Object.keys(trainingOptions)
  assert.ok(names.length > 50, `${names.length} options`)
  for (const name of names) assert.ok(docs.includes(`\`${name}\``), `${name} is not in docs/options.md`)
  for (const name of ['epochs', 'augment', 'labelColumn']) assert.ok(schema.includes(`"${name}"`), name)
})

test('every image format stands in the list, is told by its first bytes, and no two share an ending', () => {
  const files = below('src/vision/decode')
  const all = files.flatMap(file => exported(file, of => typed('ImageFormat')(of) || madeBy('byVips')(of)))
  assert.deepEqual(listed('src/vision/decode/formats.ts', 'formats').sort(), all.sort())
  const endings = [...formats.flatMap(format => format.endings.split(' ')), ...unreadEndings.split(' ')]
  assert.deepEqual(endings, [...new Set(endings)], 'an ending belongs to one format')
  for (const ending of endings) {
    assert.match(ending, /^\.[a-z0-9]+$/)
    assert.ok(pictureFiles.isNamed(`A photo${ending.toUpperCase()}`), ending)
  }
  for (const name of ['notes.txt', 'jpg', '.jpg', 'a.jpg.txt']) assert.ok(!pictureFiles.isNamed(name), name)
  for (const format of formats) assert.ok(!format.sniff(Buffer.from('file,label\n1.png,cat\n'.repeat(20))), format.name)
})

/** Places of texts and patterns with three or more endings of one list. */
const lists = (wanted: RegExp[], allowed: (path: string) => boolean): string[] =>
  sources
    .filter(({ path }) => !allowed(path))
    .flatMap(one =>
      [...nodes(one.tree)]
        .filter(node => ts.isStringLiteral(node) || ts.isRegularExpressionLiteral(node))
        .filter(node => wanted.filter(ending => ending.test(node.getText())).length > 2)
        .map(node => place(one, node)),
    )

test('no other file lists endings of pictures or tables', () => {
  const pictures = [/\bjp(eg|e\?g|g)\b/, /\bpng\b/, /\bgif\b/, /\btiff?(\?|\b)/, /\bwebp\b/, /\bbmp\b/, /\bheic\b/]
  assert.equal(lists([/\bjpg\b/, /\bjfif\b/, /\bmpo\b/], () => false).length, 1, 'the search finds the entry of JPEG')
  const drawn = (path: string) => path.startsWith('src/vision/decode/') || path.startsWith('src/report/')
  assert.deepEqual(lists(pictures, drawn), [])
  assert.deepEqual(
    lists([/\bcsv\b/, /\btsv\b/, /\bjsonl\b/, /\bparquet\b/], path => path.startsWith('src/data/tables/')),
    [],
  )
})

test('src/data names no format of pictures, and takes nothing from a domain', () => {
  const named = /\b(jpe?g|png|tiff|webp|heic|magic bytes)\b/i
  const wrong = below('src/data').flatMap(one =>
    [...nodes(one.tree)]
      .filter(node => ts.isIdentifier(node) || ts.isRegularExpressionLiteral(node))
      .filter(node => named.test(node.getText()))
      .map(node => place(one, node)),
  )
  assert.deepEqual(wrong, [])
})

test('every table format stands in the list, and no two share an ending', () => {
  const all = below('src/data/tables').flatMap(file => exported(file, typed('TableFormat')))
  assert.deepEqual(listed('src/data/tables/formats.ts', 'tableFormats').sort(), all.sort())
  const endings = tableFormats.flatMap(format => format.endings.split(' '))
  assert.deepEqual(endings, [...new Set(endings)])
  assert.equal(tableFormats.at(-1)!.name, 'CSV, TSV', 'what takes every text comes last')
})

test('every source of weights is one whole object, and every way to make one is used', () => {
  for (const [name, { weights }] of Object.entries(models)) {
    assert.match(weights.digest, /^([0-9a-f]{64}|[0-9a-f]{128})$/, name)
    assert.equal(typeof weights.cached(), 'boolean', name)
    assert.deepEqual([typeof weights.available, typeof weights.fetch], ['function', 'function'], name)
    assert.ok(weights.name.length > 2, name)
  }
  assert.deepEqual(new Set(Object.values(models).map(({ weights }) => weights.packaged)), new Set([true, false]))
  const branches = sources.filter(({ path }) => path !== 'src/models/sources.ts')
  assert.deepEqual(
    branches.filter(({ tree }) => /weights\.kind|kind === '(url|pip)'/.test(tree.text)).map(({ path }) => path),
    [],
  )
})
