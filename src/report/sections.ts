import { basename } from 'node:path'
import { duration, plural, quoted } from '../base/format.ts'
import type { JudgedPicture, SamplePicture } from '../runs/index.ts'
import type { Facts } from './facts.ts'
import { type Html, html } from './html.ts'
import { type Material, timeFillsGap } from './material.ts'
import { card, facts as factTable, figure, name, pair, section, table } from './parts.ts'
import { count, decimals, kinds, share } from './words.ts'

const most = 48 // pictures of a kind

/** The pictures that the model gets most wrong, and those it could hardly decide. */
export function judged({ facts, pictures }: Material): Html | undefined {
  const grid = (list: readonly JudgedPicture[]) =>
    list.length > 0 && html`<ul class="pictures">${list.slice(0, most).map(p => judgedPicture(p, pictures))}</ul>`
  const [wrong, unsure] = [grid(facts.topLosses), grid(facts.mostUncertain)]
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
  return html`<li>${image(p.thumbnail, alt, pictures)}<p>${verdict}<br><span class="soft">${share(p.probability, 0)}, loss ${decimals(p.loss, 2)}</span><span class="file" title="${p.file}">${name(basename(String(p.file ?? '')))}</span></p></li>`
}

const image = (thumbnail: string, alt: string, pictures: ReadonlyMap<string, string>) => {
  const uri = pictures.get(thumbnail)
  return uri
    ? html`<img src="${uri}" alt="${alt}">`
    : html`<div class="gone" role="img" aria-label="${alt}">no picture</div>`
}

/** What the pictures were, and what was wrong with them. */
export function data({ facts, pictures }: Material): Html | undefined {
  const { problems, samples } = facts
  return section(
    'data',
    'Data',
    problems.length > 0 && card(`Pictures with problems: ${kinds(problems)}`, problemTable(facts)),
    samples.length > 0 &&
      html`<h3>Training pictures as the model saw them</h3><ul class="pictures">${samples.slice(0, most).map(s => sample(s, pictures))}</ul>`,
    facts.counts.length > 0 && card('Pictures by class', countTable(facts)),
  )
}

const sample = ({ thumbnail, label }: SamplePicture, pictures: ReadonlyMap<string, string>) =>
  html`<li>${image(thumbnail, `augmented picture of ${label}`, pictures)}<p>${name(label)}</p></li>`

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

/** Choices, settings, versions, time: all that it takes to do it again. */
export function making({ record, facts, charts }: Material): Html | undefined {
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
    pair(
      timeFillsGap(charts) ? undefined : figure(charts.time),
      about.length > 0 && card('This run', factTable(about)),
    ),
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
