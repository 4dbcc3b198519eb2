import { basename } from 'node:path'
import { duration, percent, plural } from '../base/format.ts'
import type { JudgedPicture, RunRecord, SamplePicture } from '../runs/index.ts'
import { type Mistake, mistakes, mostInMatrix } from './confusion.ts'
import type { Facts, Score } from './facts.ts'
import { Html, html, type Piece, raw } from './html.ts'
import { card, facts as factTable, figure, name, pair, section, table } from './parts.ts'
import type { Chart } from './plot.ts'
import { interval } from './series.ts'
import { style } from './style.ts'

/** The charts of a page; a missing one had nothing to draw. */
export type Charts = {
  finders: Chart[]
  schedule?: Chart | undefined
  losses?: Chart | undefined
  accuracy?: Chart | undefined
  confusion?: Chart | undefined
  testConfusion?: Chart | undefined
  time?: Chart | undefined
}

/** Everything that a page is made of. `pictures` holds data URIs by thumbnail. */
export type Material = { record: RunRecord; facts: Facts; charts: Charts; pictures: ReadonlyMap<string, string> }

const count = (n: number) => n.toLocaleString('en-US')
const decimals = (v: number, digits = 3) => (Number.isFinite(v) ? v.toFixed(digits) : '–')
const share = (v: number) => (Number.isFinite(v) ? percent(v) : '–')

/** The whole page: no script, no address that a browser would fetch. */
export function page(material: Material): string {
  const { record } = material
  const title = `${basename(record.config?.data ?? '') || record.name} · ${record.config?.model ?? 'Anneal'}`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="generator" content="Anneal ${record.config?.anneal ?? ''}">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${raw(style)}</style>
</head>
<body>
<main>
${header(material)}
${training(material)}
${results(material)}
${judged(material)}
${data(material)}
${making(material)}
<footer>${footer(record)}</footer>
</main>
</body>
</html>
`.markup
}

function header({ record, facts }: Material): Html {
  const { config } = record
  const model = config?.model ?? record.result?.model ?? record.model ?? ''
  const { train, valid, test } = facts.pictures
  const all = train + valid + test
  const title = basename(config?.data ?? '') || record.name
  return html`<header>
<p class="eyebrow">Anneal training report</p>
<h1>${name(title)}</h1>
<p class="lead">${summary(facts, model)}</p>
${alarm(facts, record)}
<dl class="tiles">
${facts.test && tile('Test accuracy', percent(facts.test.accuracy), range(facts.test), 'main')}
${facts.valid && tile('Validation accuracy', percent(facts.valid.accuracy), facts.test ? ofPictures(facts.valid) : range(facts.valid), facts.test ? '' : 'main')}
${tile('Time', duration(facts.seconds), facts.epochs.length > 0 && plural(facts.epochs.length, 'epoch'))}
${model !== '' && tile('Model', model, sizeOf(record))}
${all > 0 && tile('Pictures', count(all), `${count(train)} train, ${count(valid)} validation${test > 0 ? `, ${count(test)} test` : ''}`)}
${facts.classes.length > 0 && tile('Classes', count(facts.classes.length), facts.classes.length <= 4 && html`${facts.classes.map((c, i) => html`${i > 0 && ', '}${name(c)}`)}`)}
</dl>
${next(record, facts)}
</header>`
}

const tile = (title: string, value: string, extra: Piece, kind = '') =>
  html`<div class="tile ${kind}"><dt>${title}</dt><dd><div class="value${value.length > 11 && ' long'}">${value}</div>${
    extra !== undefined && extra !== false && html`<div class="extra">${extra}</div>`
  }</dd></div>`

const ofPictures = ({ pictures }: Score) => pictures > 0 && `of ${plural(pictures, 'picture')}`

/** `of 372 pictures; 84.1 to 90.5 % likely`: what so few pictures can tell. */
function range(score: Score): string | false {
  if (score.pictures === 0) return false
  const [low, high] = interval(score.accuracy, score.pictures)
  return `of ${plural(score.pictures, 'picture')}; 95 % interval ${(100 * low).toFixed(1)} to ${percent(high)}`
}

function sizeOf({ config }: RunRecord): string | false {
  const size = config?.settings?.size
  return typeof size === 'number' || typeof size === 'string' ? `at ${size} px` : false
}

function summary(facts: Facts, model: string): string {
  const { test, valid, ending } = facts
  const score = test ?? valid
  const part = test ? 'test' : 'validation'
  const got = score
    ? `gets ${percent(score.accuracy)} of ${score.pictures > 0 ? plural(score.pictures, `${part} picture`) : `the ${part} pictures`} right`
    : 'has no accuracy yet'
  const so = ending.state === 'done' || !score ? '' : ' so far'
  return `${model || 'The model'} ${got}${so}${score && facts.classes.length > 1 ? `; guessing among ${facts.classes.length} classes would get ${percent(1 / facts.classes.length)}` : ''}.`
}

function alarm({ ending, epochs, problems, pictures, warnings }: Facts, record: RunRecord): Html {
  const after = epochs.length > 0 ? ` after ${plural(epochs.length, 'epoch')}` : ' before the end of the first epoch'
  const titles = {
    stopped: `This run stopped early,${after}`,
    failed: `This run failed${after}`,
    running: 'This run has not ended yet',
  }
  const state =
    ending.state !== 'done' &&
    html`<div class="card alarm" role="note"><h3>${titles[ending.state]}</h3><ul>
${ending.reason && html`<li>${ending.reason}</li>`}
<li>What is shown here is what the run had written by then. Go on with <code>anneal train --resume ${quoted(record.dir)}</code></li></ul></div>`
  const total = pictures.train + pictures.valid + pictures.test
  const found =
    problems.length > 0 &&
    html`<li>${plural(problems.length, 'picture')} of ${count(total + problems.length)} or fewer have <a href="#data">problems</a>: ${kinds(problems)}</li>`
  const said =
    (warnings.length > 0 || problems.length > 0) &&
    html`<div class="card alarm" role="note"><h3>Warnings</h3><ul>${warnings.slice(0, 20).map(w => html`<li>${w}</li>`)}${
      warnings.length > 20 && html`<li>and ${count(warnings.length - 20)} more</li>`
    }${found}</ul></div>`
  return html`${state}${said}`
}

function kinds(problems: Facts['problems']): string {
  const counts = new Map<string, number>()
  for (const { kind } of problems) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return [...counts].map(([kind, n]) => `${count(n)} ${kind}`).join(', ')
}

const quoted = (path: string) => (/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`)

/** What to do with the result, the most useful first. */
function next(record: RunRecord, facts: Facts): Html | undefined {
  const usable = facts.valid !== undefined
  const pairs = facts.confusion ? mistakes(facts.confusion.classes, facts.confusion.counts) : []
  const wrong = pairs.reduce((sum, p) => sum + p.count, 0)
  const worst = facts.scores.filter(s => s.support >= 3).sort((a, b) => a.recall - b.recall)[0]
  const top = pairs[0]
  const steps = [
    usable &&
      html`Use the model on pictures of your own:<pre><code>anneal predict ${quoted(record.dir)} FILE</code></pre>`,
    !usable &&
      facts.ending.state !== 'done' &&
      html`Go on where it stopped:<pre><code>anneal train --resume ${quoted(record.dir)}</code></pre>`,
    top &&
      html`Look at <a href="#pictures">the pictures it gets most wrong</a>: a wrong label is the cheapest mistake to mend. Most often ${name(top.actual)} is taken for ${name(top.predicted)} (${top.count} of ${plural(wrong, 'mistake')}).`,
    worst &&
      worst.recall < 0.9 &&
      html`More training pictures of ${name(worst.name)} would help most: of its ${plural(worst.support, 'validation picture')} it finds ${percent(worst.recall, 0)}.`,
  ].filter(s => s instanceof Html)
  return steps.length > 0
    ? html`<div class="card next"><h3>What to do next</h3><ol>${steps.map(s => html`<li>${s}</li>`)}</ol></div>`
    : undefined
}

const training = ({ charts, facts }: Material) =>
  section(
    'training',
    'Training',
    pair(figure(charts.losses), figure(charts.accuracy)),
    ...finderPairs(charts),
    facts.epochs.length > 0 && card('Epochs', epochTable(facts)),
  )

function finderPairs({ finders, schedule }: Charts): (Html | undefined)[] {
  const cards = [...finders, schedule].map(chart => figure(chart)).filter(c => c instanceof Html)
  return Array.from({ length: Math.ceil(cards.length / 2) }, (_, i) => pair(...cards.slice(2 * i, 2 * i + 2)))
}

function epochTable({ epochs }: Facts): Html {
  const best = epochs.findLast(e => e.best)
  const columns = ['Training loss', 'Validation loss', 'Accuracy', 'Time'].map(title => ({ title, n: true }))
  return table(
    [{ title: 'Epoch', n: true }, { title: 'Phase' }, ...columns, { title: '' }],
    epochs.map(e => ({
      best: e === best,
      cells: [
        e.epoch,
        e.phase,
        decimals(e.trainLoss),
        decimals(e.validLoss),
        share(e.metrics.accuracy ?? NaN),
        duration(e.seconds),
        e === best && 'kept',
      ],
    })),
    20,
  )
}

function results({ facts, charts }: Material): Html | undefined {
  const large = (facts.confusion ?? facts.testConfusion)?.classes.length ?? 0
  const matrices = [charts.testConfusion, charts.confusion].map(chart => figure(chart, { large: large > 14 }))
  const pairs = facts.confusion && mistakes(facts.confusion.classes, facts.confusion.counts)
  const confused =
    pairs &&
    card(
      'Most confused, validation pictures',
      pairs.length === 0 ? html`<p class="soft">No picture was taken for another class.</p>` : mistakeTable(pairs),
      large > mostInMatrix &&
        html`<p class="note">With ${large} classes a matrix can't be read; these are its largest entries.</p>`,
    )
  const side = matrices.filter(m => m instanceof Html)
  const layout =
    large > 14 || side.length === 2 ? [large > 14 ? html`${side}` : pair(...side), confused] : [pair(...side, confused)]
  return section(
    'results',
    'Right and wrong',
    ...layout,
    facts.scores.length > 0 && card('By class, validation pictures', classTable(facts)),
  )
}

const mistakeTable = (pairs: readonly Mistake[]) =>
  table(
    [{ title: 'Is' }, { title: 'Taken for' }, { title: 'Pictures', n: true }, { title: 'Share of class', n: true }],
    pairs.slice(0, 200).map(p => ({ cells: [name(p.actual), name(p.predicted), count(p.count), percent(p.share)] })),
    10,
  )

function classTable({ scores, counts }: Facts): Html {
  const trained = new Map(counts.map(c => [c.name, c.train]))
  const columns = ['Precision', 'Recall', 'F1', 'Validation pictures', 'Training pictures']
  return html`${table(
    [{ title: 'Class' }, ...columns.map(title => ({ title, n: true }))],
    scores
      .toSorted((a, b) => (a.f1 || 0) - (b.f1 || 0))
      .map(s => ({
        cells: [
          name(s.name),
          decimals(s.precision),
          decimals(s.recall),
          html`${bar(s.f1)}${decimals(s.f1)}`,
          count(s.support),
          count(trained.get(s.name) ?? NaN).replace('NaN', '–'),
        ],
      })),
    20,
  )}<p class="note">The worst first. Precision: of the pictures taken for the class, how many are of it. Recall: of the pictures of the class, how many were found. F1: their harmonic mean.</p>`
}

const bar = (v: number) =>
  html`<span class="bar" aria-hidden="true"><i style="width:${Math.round(100 * Math.min(1, Math.max(0, v || 0)))}%"></i></span>`

function judged({ record, pictures }: Material): Html | undefined {
  const { topLosses, mostUncertain } = record.interpret ?? {}
  const grid = (list: unknown) =>
    Array.isArray(list) &&
    list.length > 0 &&
    html`<ul class="pictures">${(list as JudgedPicture[]).slice(0, 48).map(p => judgedPicture(p, pictures))}</ul>`
  const [wrong, unsure] = [grid(topLosses), grid(mostUncertain)]
  return section(
    'pictures',
    'Pictures to look at',
    wrong &&
      html`<h3>Highest loss</h3><p class="soft">Where the model was surest and wrong. Look for wrong labels first.</p>${wrong}`,
    unsure &&
      html`<h3>Most uncertain</h3><p class="soft">Where it could hardly decide: pictures like these teach it most.</p>${unsure}`,
  )
}

function judgedPicture(p: JudgedPicture, pictures: ReadonlyMap<string, string>): Html {
  const right = p.actual === p.predicted
  const alt = `${p.actual}, taken for ${p.predicted}`
  const verdict = right
    ? html`<span class="good">✓</span> ${name(p.predicted)}`
    : html`<span class="label">${name(p.actual)}</span><br><span class="bad">✗ ${name(p.predicted)}</span>`
  return html`<li>${image(p.thumbnail, alt, pictures)}<p>${verdict} ${share(p.probability)}<br><span class="soft">loss ${decimals(p.loss, 2)}</span><span class="file" title="${p.file}">${name(basename(p.file ?? ''))}</span></p></li>`
}

const image = (thumbnail: string, alt: string, pictures: ReadonlyMap<string, string>) => {
  const uri = pictures.get(thumbnail)
  return uri
    ? html`<img src="${uri}" alt="${alt}" loading="lazy">`
    : html`<div class="gone" role="img" aria-label="${alt}">no picture</div>`
}

function data({ record, facts, pictures }: Material): Html | undefined {
  const samples = record.interpret?.samples
  const { problems } = facts
  return section(
    'data',
    'Data',
    problems.length > 0 && card(`Pictures with problems: ${kinds(problems)}`, problemTable(facts)),
    Array.isArray(samples) &&
      samples.length > 0 &&
      html`<h3>Training pictures as the model saw them</h3><ul class="pictures">${(samples as SamplePicture[])
        .slice(0, 48)
        .map(
          s => html`<li>${image(s.thumbnail, `augmented picture of ${s.label}`, pictures)}<p>${name(s.label)}</p></li>`,
        )}</ul>`,
    facts.counts.length > 0 && card('Pictures by class', countTable(facts)),
  )
}

const problemTable = ({ problems }: Facts) =>
  table(
    [{ title: 'File' }, { title: 'Kind' }, { title: 'Reason' }],
    problems.map(p => ({ cells: [html`<span class="mono">${name(p.file)}</span>`, p.kind, p.reason] })),
    12,
  )

function countTable({ counts, pictures }: Facts): Html {
  const parts = (['train', 'valid', 'test'] as const).filter(part => part !== 'test' || pictures.test > 0)
  const titles = { train: 'Training', valid: 'Validation', test: 'Test' }
  return table(
    [{ title: 'Class' }, ...parts.map(part => ({ title: titles[part], n: true }))],
    counts.map(row => ({ cells: [name(row.name), ...parts.map(part => count(row[part] ?? 0))] })),
    20,
  )
}

function making({ record, facts, charts }: Material): Html | undefined {
  const { config } = record
  const settings = Object.entries(config?.settings ?? {}).filter(([, value]) => value !== undefined)
  const about: [string, unknown][] = config
    ? [
        ['command', html`<code>${(config.command ?? []).map(quoted).join(' ')}</code>`],
        ['data', name(config.data)],
        ['started', record.created?.toISOString().replace('T', ' ').slice(0, 16).concat(' UTC')],
        ['seed', config.seed],
        ...(facts.resumed > 0 ? [['resumed', plural(facts.resumed, 'time')] satisfies [string, string]] : []),
      ]
    : []
  const machine = [...Object.entries(config?.versions ?? {}), ...Object.entries(config?.machine ?? {})]
  return section(
    'making',
    'How it was made',
    facts.choices.length > 0 &&
      card(
        'Choices and their reasons',
        table(
          [{ title: 'What' }, { title: 'Choice' }, { title: 'Reason' }],
          facts.choices.map(c => ({ cells: [c.what, html`<strong>${c.value}</strong>`, c.reason] })),
          30,
        ),
      ),
    pair(figure(charts.time), about.length > 0 && card('This run', factTable(about))),
    pair(
      settings.length > 0 && card('Settings', factTable(settings)),
      machine.length > 0 && card('Versions and machine', factTable(machine)),
    ),
    facts.lines.length > 0 &&
      html`<div class="card"><details><summary>What it said (${plural(facts.lines.length, 'line')})</summary>${table(
        [{ title: 'At', n: true }, { title: 'Line' }],
        facts.lines.map(l => ({ cells: [duration(l.t), l.text] })),
        300,
      )}</details></div>`,
  )
}

const footer = (record: RunRecord) =>
  html`Made from ${name(record.name)} by Anneal ${record.config?.anneal ?? ''}. The charts are also in <code>plots/</code> as SVG and PNG; the numbers in <code>metrics.csv</code> and <code>events.jsonl</code>.`
