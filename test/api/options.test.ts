import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { optionTables, rivals, trainingOptions } from '../../src/api/options.ts'
import type { OptionTable } from '../../src/base/option-table.ts'
import { overFile, readOptionsFile } from '../../src/cli/options-file.ts'
import { augmentSheet, evaluateFolder, learner, trainFolder } from '../../src/index.ts'
import { written } from '../../tools/options.ts'
import { workspace } from '../helpers/cli.ts'

const work = workspace()
after(() => work.remove())
const root = fileURLToPath(new URL('../../', import.meta.url))

test('docs/options.md and schema/train.schema.json are as tools/options.ts writes them', () => {
  for (const [file, text] of Object.entries(written()))
    assert.equal(readFileSync(join(root, file), 'utf8'), text, `${file}: node --import tsx tools/options.ts`)
})

test('every option has its help, its heading and its takers; every flag an example that it takes itself', () => {
  for (const [command, table] of Object.entries(optionTables))
    for (const [name, entry] of Object.entries(table as OptionTable)) {
      const { facts, kind } = entry
      assert.ok(facts.says && facts.group && facts.takers?.length, `${command}: ${name}`)
      if (!facts.flag) continue
      assert.match(facts.flag, /^--(no-|\[no-\])?[a-z]+(-[a-z]+)*( [<[][a-z]+[>\]])?$/, name)
      const example = entry.exampleValue
      assert.ok(example !== undefined && !kind.fault(example), `${command}: ${name} has no example`)
      if (Object.hasOwn(facts.default ?? {}, 'value')) assert.equal(kind.fault(entry.usual), undefined, name)
      const typed = kind.read(String(example))
      assert.equal(kind.fault(typed), undefined, `${name}: ${String(example)} is read as ${String(typed)}`)
    }
})

test('every option of training is used by code outside the tables', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  const used = files.filter(file => file.endsWith('.ts') && !/options(-file)?\.ts$/.test(file))
  const source = used.map(file => readFileSync(join(root, 'src', file), 'utf8')).join('\n')
  for (const name of Object.keys(trainingOptions)) assert.match(source, new RegExp(`\\b${name}\\b`), name)
})

describe('the calls refuse what they do not take, before any work', () => {
  // biome-ignore format: a table
  const rows: [given: object, reason: RegExp][] = [
    [{ epoch: 3 }, /^trainFolder has no option "epoch"\. Did you mean "epochs"\?$/],
    [{ optimizer: 'rmsprop' }, /^optimizer: expected adamw, adam, sgd, got "rmsprop"\. Example: \{ optimizer: "adamw" \}\.$/],
    [{ precision: 'fp8' }, /^precision: expected auto, float32, bfloat16, float16, got "fp8"\. Example: /],
    [{ device: 'gpu' }, /^device: expected cpu, cuda, cuda:1 or mps, got "gpu"\. Example: \{ device: "cpu" \}\.$/],
    [{ clean: 3 }, /^clean: expected the path of a file of decisions, got 3\. Example: /],
    [{ channelFiles: 'x' }, /^channelFiles: expected a list of endings of file names, got "x"\. Example: \{ channelFiles: \["_DAPI", "_GFP"\] \}\.$/],
    [{ sizes: '128,224' }, /^sizes: expected a list of whole numbers from 32 to 2048, got "128,224"\. Example: \{ sizes: \[128, 224\] \}\.$/],
    [{ hidden: 512 }, /^hidden: expected a list of whole numbers from 1 to 65536, got 512\. Example: \{ hidden: \[512\] \}\.$/],
    [{ batch: 16 }, /Did you mean "batchSize"/],
    [{ label_column: 'x' }, /Did you mean "labelColumn"/],
    [{ weights: 4 }, /^weights: expected the path of a file of weights, got 4/],
    [{ swa: 'yes' }, /^swa: expected true or false, got "yes"/],
    [{ missing: 'nan' }, /^missing: expected a list of words, got "nan"/],
    [{ mixup: -1 }, /^mixup: expected a number above 0 and up to 100, got -1/],
    [{ signal: 1 }, /trainFolder takes "signal" in its third argument/],
    [{ size: 224, sizes: [128] }, /size: 224 and sizes: \[128\] contradict each other/],
  ]
  for (const [given, message] of rows)
    test(JSON.stringify(given), () => assert.rejects(trainFolder('nope', given), { name: 'AnnealError', message }))

  test('learner, evaluateFolder and augmentSheet say whose option it is', async () => {
    const loose = <T>(given: object) => given as T
    await assert.rejects(learner('nope', 'auto', loose({ epochs: 3 })), /learner has no option "epochs"; it is an option of trainFolder/)
    await assert.rejects(learner('nope', 'auto', loose({ gradClip: 'x' })), /gradClip: expected a number above 0, got "x"/)
    await assert.rejects(evaluateFolder('nope', 'x', loose({ valid: 0.2 })), /evaluateFolder has no option "valid"/)
    await assert.rejects(evaluateFolder('nope', 'x', loose({ part: 'tests' })), /part: expected train, valid, test, all, got "tests"\. Did you mean "test"/)
    await assert.rejects(augmentSheet('nope', loose({ view: 3 })), /augmentSheet has no option "view"\. Did you mean "views"/)
  }) // biome-ignore format: rows
})

describe('a file of options', () => {
  const read = (content: unknown) => {
    writeFileSync(work.path('train.json'), typeof content === 'string' ? content : JSON.stringify(content))
    return readOptionsFile(work.path('train.json'))
  }

  test('its options, the folder, and no word about its schema', () => {
    const found = read({ $schema: 'x', data: 'photos', epochs: 3, sizes: [64, 96], groupRegex: '^a' })
    assert.deepEqual(found, { data: 'photos', options: { epochs: 3, sizes: [64, 96], groupRegex: '^a' } })
  })

  test("a run's configuration: its settings, a regular expression among them, one size where several were asked for", () => {
    const settings = { sizes: [64, 96], size: 64, labelRegex: { source: '^(a)', flags: 'i' }, batchSize: 8 }
    const { data, options } = read({ format: 1, anneal: '0.1.0', data: '/photos', seed: 42, settings })
    assert.equal(data, '/photos')
    assert.deepEqual(options, { sizes: [64, 96], labelRegex: /^(a)/i, batchSize: 8 })
    assert.throws(() => read({ settings: { labelOf: 'function' } }), /come from a function, which no file can hold/)
    assert.throws(() => read({ settings: { epoch: 3 } }), /has no option "epoch"\. Did you mean "epochs"/)
  })

  test('what it may not hold is refused by name, with the file and the place', () => {
    const file = work.path('train.json').replaceAll('.', '\\.')
    const rows: [content: unknown, reason: RegExp][] = [
      [{ epoch: 3 }, new RegExp(`^AnnealError: ${file} has no option "epoch"\\. Did you mean "epochs"`)],
      [{ epochs: '3' }, /"epochs": expected a whole number from 0, got "3"\. Example: "epochs": 8\./],
      [{ batch: 3 }, /Did you mean "batchSize"/],
      [{ labelOf: 'x' }, /has no option "labelOf"/],
      [{ data: 3 }, /"data": expected the path of a folder or of a table, got 3/],
      [{ seed: null }, /"seed": expected a whole number .* got null/],
      [[1], /expected a JSON object of options, got \[1\]/],
      ['{\n  "epochs": 3,\n}', /train\.json:3:1: it is no JSON/],
      ['{ "epochs": 3', /train\.json:1:\d+: it is no JSON/],
      ['', /train\.json:1:1: it is no JSON/],
    ]
    for (const [content, reason] of rows) assert.throws(() => read(content), reason, JSON.stringify(content))
    assert.throws(() => readOptionsFile(work.path('none.json')), /none\.json: it does not exist; expected a JSON file/)
  })

  test('flags win, also over an option that says the same thing in another way', () => {
    assert.deepEqual(overFile({ epochs: 3, seed: 1 }, { epochs: 5 }), { epochs: 5, seed: 1 })
    assert.deepEqual(overFile({ size: 64, seed: 1 }, { sizes: [64, 96] }), { sizes: [64, 96], seed: 1 })
    assert.deepEqual(overFile({ weights: 'x.pth' }, { pretrained: false }), { pretrained: false })
    assert.deepEqual(overFile({ size: 64 }, {}), { size: 64 })
    for (const name of rivals.flat()) assert.ok(Object.hasOwn(optionTables.train, name), name)
  })
})
