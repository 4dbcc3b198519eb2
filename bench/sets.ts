/** Makes the sets of pictures for bench/accuracy.ts:
 *  node --import tsx bench/sets.ts OUT [--train 500] [--test 400] [--few 5,20] [--seed 1] [--only food,elpv]
 *    [--data ../shared/data]
 *
 *  - food: the photos of the demo, 9 groups (npm, AGPL-3.0)
 *  - elpv: electroluminescence pictures of solar cells, grey, functional or defective (PyPI, CC-BY-NC-SA-4.0; Deitsch et
 *    al. 2019, doi:10.1016/j.solener.2019.02.067). The cells with a doubtful label are left out
 *  - elpv-regression: all its cells, with the probability of a defect (0, 1/3, 2/3, 1) to predict
 *  - fsdd-spectrograms: spoken digits as log-mel spectrograms, from fsdd/recordings below --data
 *  - bccd: blood cells, several labels a picture, from bccd-multilabel below --data
 *  - each folder below --data with train and test
 *  - SET-5 and SET-20: of each set of one class a picture, so many training pictures a class; the same test part
 *
 *  Each set has at most --train training pictures (with validation, where it is given) and --test test pictures, drawn
 *  by class. Copies are left out. A set lies in OUT/NAME as train/CLASS/FILE and test/CLASS/FILE, or as images/ and
 *  labels.csv with a column `split`. A set that is there stays. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeFolder } from '../src/base/archive.ts'
import { cacheFolder } from '../src/base/files.ts'
import { pipDownload } from '../src/base/packages.ts'
import { streamReport } from '../src/base/progress.ts'
import { unzip } from '../src/base/zip.ts'
import { foods } from '../src/cli/demo.ts'
import {
  counted,
  divided,
  fewOfEach,
  keepSet,
  limited,
  type PictureSet,
  readSet,
  type Sample,
} from './accuracy/data.ts'
import { spectrogram } from './accuracy/spectrogram.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    train: { type: 'string', default: '500' },
    test: { type: 'string', default: '400' },
    few: { type: 'string', default: '5,20' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    data: { type: 'string', default: '../shared/data' },
  },
})
const [out] = positionals
if (!out) throw new Error('sets: give the folder to write to')
const { data } = values
const [most, mostTest, seed] = [values.train, values.test, values.seed].map(Number) as [number, number, number]
const few = values.few.split(',').filter(Boolean).map(Number)
const report = streamReport(process.stderr)

const cells = {
  package: 'elpv-dataset',
  version: '1.0.0.post1',
  file: 'elpv_dataset-1.0.0.post1-py3-none-any.whl',
  sha256: '85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c',
  bytes: 90_801_454,
  what: 'pictures of solar cells',
  licence: 'CC-BY-NC-SA-4.0',
}

/** The solar cells, unpacked in the cache: images/ and rows of file, probability of a defect, kind of cell. */
async function solarCells(): Promise<{ folder: string; rows: { file: string; probability: number }[] }> {
  const folder = await makeFolder(cacheFolder('demo', 'elpv-1.0.0.post1'), async temp => {
    await unzip(
      await pipDownload(cells, report),
      join(temp, 'data'),
      name => /^elpv_dataset\/data\/(.*)$/.exec(name)?.[1],
    )
  })
  const inside = join(folder, 'data')
  const rows = readFileSync(join(inside, 'labels.csv'), 'utf8').trim().split('\n')
  return {
    folder: inside,
    rows: rows.map(row => {
      const [file, probability] = row.split(/\s+/)
      return { file: join(inside, file!), probability: Number(probability) }
    }),
  }
}

const undivided = { valid: true, test: true }
const classesOf = (name: string, files: readonly { file: string; label: string }[]): PictureSet => {
  const names = [...new Set(files.map(({ label }) => label))].sort()
  const samples = files.map(({ file, label }): Sample => ({ file, labels: [names.indexOf(label)], split: 'train' }))
  return { name, task: 'single', names, samples, drawn: undivided }
}

async function digits(): Promise<PictureSet> {
  const recordings = join(data, 'fsdd', 'recordings')
  const folder = await makeFolder(cacheFolder('demo', 'fsdd-spectrograms'), async temp => {
    for (const name of readdirSync(recordings))
      if (name.endsWith('.wav'))
        writeFileSync(join(temp, name.replace('.wav', '.png')), await spectrogram(readFileSync(join(recordings, name))))
  })
  const files = readdirSync(folder).map(name => ({ file: join(folder, name), label: name[0]! }))
  return classesOf('fsdd-spectrograms', files)
}

const sources: Record<string, () => Promise<PictureSet>> = {
  food: async () => ({ ...(await readSet(await foods(report))), name: 'food' }),
  elpv: async () => {
    const { rows } = await solarCells()
    const sure = rows.filter(({ probability }) => probability === 0 || probability === 1)
    const named = sure.map(({ file, probability }) => ({ file, label: probability === 1 ? 'defective' : 'functional' }))
    return classesOf('elpv', named)
  },
  'elpv-regression': async () => {
    const { rows } = await solarCells()
    const samples = rows.map(
      ({ file, probability }): Sample => ({ file, labels: [], values: [probability], split: 'train' }),
    )
    return { name: 'elpv-regression', task: 'regression', names: ['defect'], samples, drawn: undivided }
  },
}
if (existsSync(join(data, 'fsdd'))) sources['fsdd-spectrograms'] = digits
const bloodCells = join(data, 'bccd-multilabel')
if (existsSync(bloodCells)) sources.bccd = async () => ({ ...(await readSet(bloodCells)), name: 'bccd' })
for (const name of existsSync(data) ? readdirSync(data) : [])
  if (['train', 'test'].every(part => existsSync(join(data, name, part))))
    sources[name] = () => readSet(join(data, name))

/** The set with its test part drawn where it has none, and at most as many pictures as asked. A given validation part
 *  joins the training part, because each seed of the bench draws its own. */
function sized(set: PictureSet): PictureSet {
  const whole = set.drawn.test ? divided({ ...set, drawn: { valid: false, test: true } }, seed) : set
  const part = (test: boolean) => whole.samples.filter(({ split }) => (split === 'test') === test)
  const samples = [
    ...limited(part(false), set.task, most, seed).map(sample => ({ ...sample, split: 'train' as const })),
    ...limited(part(true), set.task, mostTest, seed),
  ]
  return { ...set, samples, drawn: { valid: true, test: false } }
}

const wanted = values.only?.split(',')
for (const name of wanted ?? [])
  if (!sources[name]) throw new Error(`sets: no set ${name}; there are ${Object.keys(sources).join(', ')}`)
for (const [name, source] of Object.entries(sources)) {
  if (wanted && !wanted.includes(name)) continue
  const set = sized(await source())
  const smaller = set.task === 'single' ? few : []
  const all = [
    { name, set },
    ...smaller.map(perClass => {
      const train = fewOfEach(
        set.samples.filter(({ split }) => split === 'train'),
        perClass,
        seed,
      )
      return {
        name: `${name}-${perClass}`,
        set: { ...set, samples: [...train, ...set.samples.filter(({ split }) => split === 'test')] },
      }
    }),
  ]
  for (const { name, set } of all) {
    await keepSet(join(out, name), set)
    process.stdout.write(
      `${name}: ${set.names.length} ${set.task === 'regression' ? 'target' : 'classes'}, ${counted(set)} for training, validation, test\n`,
    )
  }
}
