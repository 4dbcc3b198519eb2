/** Writes the tables of figures in README.md, docs/speed.md and docs/ranks.md from bench/results: node --import tsx bench/readme.ts
 *
 *  A table stands between `<!-- figures: NAME -->` and `<!-- end -->`. The text around the tables is written by hand. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface Figures {
  median: number
}
interface Runs {
  test: number
  valid: number
  wallSeconds: number
  runs: { wallSeconds: number; test: { accuracy: number } }[]
}
interface FiveSteps extends Runs {
  model: string
  /** The same training through several sizes, if it was measured. */
  bySizes?: Runs & { sizes: string }
  rival?: { test_acc: number; acc: number; wallSeconds: number }
}
interface Steps {
  results: {
    model: string
    size: number
    ratios: Record<'sameWork' | 'sameWorkFloat32' | 'keptStatistics', Record<string, number>>
  }[]
}
interface StepsAmx {
  batch: number
  results: {
    model: string
    size: number
    ratios: Record<'sameWork' | 'keptStatistics', { best: number; bestMemoryKept: number }>
    imagesPerSecond: Record<string, number>
  }[]
}
interface FrozenAmx {
  batch: number
  results: { model: string; milliseconds: { body: Record<string, Figures> } }[]
}
interface Ranks {
  results: {
    name: string
    imagesPerSecond: number
    efficiency: number
    sentBytesPerStep?: number
    sumAloneMs?: number
    waitedMs?: number
    hidden?: number
  }[]
}
interface Loader {
  jpeg: { firstEpoch: Figures }
  cache: Record<string, { own: Figures }>
  ratios: { firstEpoch: { torchvision: number; fastai: number } }
}
interface Start {
  seconds: Record<string, Figures>
}
interface Predict {
  milliseconds: Record<string, Figures>
}
interface Frozen {
  batch: number
  results: {
    model: string
    ratios: { body: { bfloat16: number }; headEpoch: number }
    milliseconds: Record<'body' | 'head', Record<string, Figures>>
  }[]
}
interface Memory {
  peakBytes: { anneal: Figures; fastai: Figures }
  index: { entries: number; residentBytes: number }
}
interface Growth {
  results: {
    title: string
    expected: number
    exponents: { time: number; memory: number }
    points: { n: number; seconds: number; residentBytes: number }[]
  }[]
}

const root = fileURLToPath(new URL('..', import.meta.url))
const result = <T>(name: string) => JSON.parse(readFileSync(`${root}bench/results/${name}.json`, 'utf8')) as T
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
const places = (digits: number) => (v: number) => v.toFixed(digits)
const [whole, once, thrice] = [places(0), places(1), places(3)]
const rounded = (v: number): string => Number(v.toPrecision(3)).toLocaleString('en-US')
const span = (values: number[], show: (v: number) => string) =>
  `${show(Math.min(...values))} to ${show(Math.max(...values))}`

/** Three rows for the README: training a mobile net, training from random weights, predicting. */
function summary(): string {
  const training = (what: string, name: string): string[] => {
    const { test, wallSeconds, rival } = result<FiveSteps>(name)
    const theirs = `${thrice(rival!.test_acc)}, ${whole(rival!.wallSeconds)} s`
    return [what, `**${thrice(test)}, ${whole(wallSeconds)} s**`, theirs]
  }
  const { milliseconds: ms } = result<Predict>('predict')
  const folder = (whose: string) => once(ms[`folder, ${whose}`]!.median / 1000)
  return table(
    ['', 'Anneal', 'fastai 2.8.12'],
    [
      training(
        'train `tf_efficientnet_lite0` on 800 photos of clothing: test accuracy, time',
        'five-steps-tf_efficientnet_lite0',
      ),
      training('the same with `resnet34` from random weights, 3 epochs', 'five-steps-resnet34'),
      ['predict 1,000 pictures in a folder: time', `**${folder('anneal')} s**`, `${folder('fastai')} s`],
    ],
  )
}

function fiveSteps(): string {
  const ours = (name: string, how: string, bySizes?: Runs): string[] => {
    const { model } = result<FiveSteps>(name)
    const { test, valid, wallSeconds, runs } = bySizes ?? result<FiveSteps>(name)
    const tests = span(
      runs.map(r => r.test.accuracy),
      thrice,
    )
    const seconds = span(
      runs.map(r => r.wallSeconds),
      whole,
    )
    return [
      `\`${model}\`, Anneal${how}, mean of ${runs.length} seeds (test ${tests})`,
      `**${thrice(test)}**`,
      thrice(valid),
      `**${whole(wallSeconds)}** (${seconds})`,
    ]
  }
  const theirs = (name: string, epochs = '2 epochs of the head, 5 of the whole net'): string[] => {
    const { model, rival } = result<FiveSteps>(name)
    const how = `fastai 2.8.12: \`lr_find\`, ${epochs}, one seed`
    return [`\`${model}\`, ${how}`, thrice(rival!.test_acc), thrice(rival!.acc), whole(rival!.wallSeconds)]
  }
  const [lite, mobile] = ['five-steps-tf_efficientnet_lite0', 'five-steps-mobilenet_v2'] as const
  const random = 'five-steps-resnet34'
  const { bySizes } = result<FiveSteps>(random)
  const untrained = ' from random weights, 3 epochs'
  return table(
    [
      'clothing photos: 800 training, 341 validation, 372 test pictures, 10 classes',
      'test',
      'validation',
      'seconds from the command to the saved model',
    ],
    [
      ours(lite, ''),
      theirs(lite),
      ours(`${lite}-float32`, ' in float32'),
      ours(mobile, ''),
      theirs(mobile),
      ours(random, untrained),
      ours(random, `${untrained}, at ${bySizes!.sizes.replaceAll(',', ', ')} px`, bySizes),
      theirs(random, '3 epochs from random weights'),
    ],
  )
}

function steps(): string {
  const rows = result<Steps>('step').results.map(({ model, size, ratios }) => {
    const { sameWork, sameWorkFloat32, keptStatistics } = ratios
    const shown = [
      ...[sameWork.fastai, sameWork.best, sameWork.bestMemoryKept, sameWorkFloat32.bestFloat32MemoryKept],
      ...[keptStatistics.fastai, keptStatistics.bestMemoryKept],
    ]
    return [`\`${model}\`, ${size} px`, ...shown.map(v => (v! < 10 ? v!.toFixed(2) : once(v!)))]
  })
  return table(
    [
      'times as fast as PyTorch:',
      'as fastai uses it (float32)',
      'with its best settings',
      'best settings, memory kept between steps',
      'float32 on both sides, memory kept',
      'Anneal with frozen BatchNorm statistics: as fastai uses it',
      'Anneal with frozen BatchNorm statistics: best settings, memory kept',
    ],
    rows,
  )
}

/** Beside PyTorch's bfloat16 on a processor with AMX. */
function stepsWithTiles(): string {
  const measured = ['step-amx', 'step-amx-more'].flatMap(name => result<StepsAmx>(name).results)
  const steps = measured.map(({ model, size, ratios, imagesPerSecond }) => {
    const { sameWork, keptStatistics } = ratios
    const rate = (name: string) => rounded(imagesPerSecond[name]!)
    const shown = [sameWork.best, sameWork.bestMemoryKept, keptStatistics.best].map(v => v.toFixed(2))
    return [
      `\`${model}\`, ${size} px`,
      ...shown,
      rate('anneal bfloat16'),
      rate('anneal bfloat16, kept statistics'),
      rounded(Math.max(...['pytorch bfloat16', 'pytorch bfloat16 channels_last'].map(name => imagesPerSecond[name]!))),
    ]
  })
  const { batch, results } = result<FrozenAmx>('frozen-amx')
  const bodies = results.map(({ model, milliseconds: { body } }) => {
    const theirs = Object.entries(body).filter(([name]) => name.startsWith('pytorch'))
    const [ours, best] = [body['anneal bfloat16']!.median, Math.min(...theirs.map(([, { median }]) => median))]
    const rate = (ms: number) => rounded((1000 * batch) / ms)
    return [`\`${model}\`, frozen body, 128 px`, (best / ours).toFixed(2), '', '', rate(ours), '', rate(best)]
  })
  return table(
    [
      'times as fast as PyTorch, best of its bfloat16 settings:',
      'same work',
      'memory kept between steps',
      'Anneal with frozen BatchNorm statistics',
      'pictures/s',
      'with frozen statistics',
      "PyTorch's",
    ],
    [...steps, ...bodies],
  )
}

function ranks(): string {
  const rows = result<Ranks>('ranks').results.map(r => [
    r.name,
    once(r.imagesPerSecond),
    `${whole(100 * r.efficiency)} %`,
    r.sentBytesPerStep === undefined ? '' : `${once(r.sentBytesPerStep / 1e6)} MB`,
    r.sumAloneMs === undefined ? '' : `${whole(r.sumAloneMs)} ms`,
    r.waitedMs === undefined ? '' : `${whole(r.waitedMs)} ms`,
    r.hidden === undefined ? '' : `${whole(100 * r.hidden)} %`,
  ])
  return table(
    ['processes × threads', 'pictures/s', 'efficiency', 'sent a step', 'to sum them alone', 'waited for', 'hidden'],
    rows,
  )
}

function rest(): string {
  const { jpeg, cache, ratios } = result<Loader>('loader')
  const { seconds } = result<Start>('start')
  const { milliseconds: ms } = result<Predict>('predict')
  const frozen = result<Frozen>('frozen')
  const memory = result<Memory>('memory')
  const bodies = frozen.results.map(r => {
    const { median } = r.milliseconds.body['anneal bfloat16']!
    return { ...r, rate: (1000 * frozen.batch) / median }
  })
  const heads = frozen.results.map(r => r.milliseconds.head['anneal, an epoch of the head']!.median)
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`
  const s = (name: string, digits: number) => `${seconds[name]!.median.toFixed(digits)} s`
  return table(
    ['what', 'Anneal', 'compared with'],
    [
      [
        'first epoch, from JPEG files, 128 px, two cores',
        `${rounded(jpeg.firstEpoch.median)} pictures/s`,
        `${once(ratios.firstEpoch.torchvision)} times as fast as torchvision's loader, ${once(ratios.firstEpoch.fastai)} times as fast as fastai's`,
      ],
      [
        'later epochs, from the cache, one core: preset side-on; with warp and lighting',
        `${rounded(cache['side-on']!.own.median)}; ${rounded(cache['side-on, warp, lighting']!.own.median)} pictures/s`,
        '',
      ],
      [
        'start: `anneal --help`; `anneal train` until its first step, everything cached',
        `${s('anneal --help', 2)}; ${s('anneal train, to its first step', 2)}`,
        `\`import fastai\` takes ${s('import fastai', 1)}`,
      ],
      [
        'predict in bfloat16: one picture file in a warm process; a folder of 1,000 pictures',
        `${once(ms['one picture, anneal']!.median)} ms; ${once(ms['folder, anneal']!.median / 1000)} s`,
        `fastai ${whole(ms['one picture, fastai']!.median)} ms, ${whole(ms['folder, fastai']!.median / 1000)} s; onnxruntime (float32) ${once(ms['folder, onnxruntime']!.median / 1000)} s`,
      ],
      [
        `features of the frozen body, 128 px, bfloat16: ${bodies.map(b => `\`${b.model}\``).join('; ')}`,
        `${bodies.map(b => rounded(b.rate)).join('; ')} pictures/s`,
        `${bodies.map(b => once(b.ratios.body.bfloat16)).join('; ')} times as fast as PyTorch in float32`,
      ],
      [
        `one epoch of the head with a frozen body, from the second epoch on: ${frozen.results.map(r => `\`${r.model}\``).join('; ')}`,
        `${heads.map(whole).join('; ')} ms`,
        `fastai's frozen epoch takes ${bodies.map(b => rounded(b.ratios.headEpoch)).join('; ')} times as long`,
      ],
      [
        'peak memory: training at 224 px; an index of 1,000,000 pictures',
        `${gigabytes(memory.peakBytes.anneal.median)}; ${whole(memory.index.residentBytes / 1e6)} MB`,
        `fastai ${gigabytes(memory.peakBytes.fastai.median)} and the processes of its loader`,
      ],
    ],
  )
}

function growth(): string {
  const rows = result<Growth>('growth').results.map(({ title, expected, exponents: { time, memory }, points }) => {
    const [first, last] = [points[0]!, points.at(-1)!]
    const cost = `${last.seconds < 1 ? `${whole(1000 * last.seconds)} ms` : `${once(last.seconds)} s`}, ${whole(last.residentBytes / 1e6)} MB`
    return [title, `${rounded(first.n)} to ${rounded(last.n)}`, String(time), String(memory), String(expected), cost]
  })
  return table(
    ['what', 'n', 'exponent of time', 'exponent of memory', 'exponent if linear', 'time and memory of the largest'],
    rows,
  )
}

/** Returns the text with its tables written anew. */
export function withFigures(text: string): string {
  const tables: Record<string, () => string> = {
    summary,
    'five steps': fiveSteps,
    steps,
    'steps with tiles': stepsWithTiles,
    ranks,
    rest,
    growth,
  }
  return text.replace(
    /(<!-- figures: ([a-z ]+) -->\n)[\s\S]*?(\n<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const make = tables[name]
      if (!make) throw new Error(`readme: there are no figures "${name}"; there are ${Object.keys(tables).join(', ')}`)
      return start + make() + end
    },
  )
}

if (process.argv[1]?.endsWith('readme.ts')) {
  for (const name of ['README.md', 'docs/speed.md', 'docs/ranks.md'])
    writeFileSync(root + name, withFigures(readFileSync(root + name, 'utf8')))
}
