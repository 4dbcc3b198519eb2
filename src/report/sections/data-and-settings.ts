import { duration, plural, quoted } from '../../base/format.ts'
import { samples } from '../../base/samples.ts'
import { leadingMetric, type NearDuplicateGroup, type SamplePicture } from '../../runs/index.ts'
import type { Facts } from '../facts/facts.ts'
import { type Material, timeFillsGap } from '../facts/material.ts'
import { card, facts as factTable, figure, fileName, image, name, pair, section, table } from '../page/components.ts'
import { type Html, html } from '../page/html.ts'
import { capital, count, kinds, share } from '../page/text.ts'
import { mostPictures } from './pictures.ts'

/** The section of the data: problems, samples, near-duplicates and counts. */
export function data({ facts, pictures }: Material): Html | undefined {
  const { problems, samples: views, nearDuplicates } = facts
  return section(
    'data',
    'Data',
    problems.length > 0 && card(`${capital(samples.many)} with problems: ${kinds(problems)}`, problemTable(facts)),
    views.length > 0 &&
      html`<h3>Training ${samples.many} as the model saw them</h3><ul class="pictures">${views.slice(0, mostPictures).map(s => sample(s, pictures))}</ul>`,
    facts.augmentAuto.length > 0 && card('Augmentations that were tried', trialTable(facts)),
    nearDuplicates.length > 0 && duplicates(nearDuplicates, pictures),
    facts.counts.length > 0 &&
      card(
        facts.task === 'multi' ? `${capital(samples.many)} by label` : `${capital(samples.many)} by class`,
        countTable(facts),
      ),
  )
}

const sample = ({ thumbnail, label }: SamplePicture, pictures: ReadonlyMap<string, string>) =>
  html`<li>${image(thumbnail, `augmented ${samples.one} of ${label}`, pictures)}<p>${name(label)}</p></li>`

/** Groups of pictures that are nearly the same. */
function duplicates(groups: readonly NearDuplicateGroup[], pictures: ReadonlyMap<string, string>): Html {
  const most = 24
  const shown = groups
    .slice(0, most)
    .map(
      ({ similarity, pictures: list }) =>
        html`<li class="card">${similarity !== undefined && html`<p class="soft">${share(similarity)} alike</p>`}<ul class="pictures few">${list
          .slice(0, 6)
          .map(
            p =>
              html`<li>${image(p.thumbnail, `${samples.one} of ${p.label}`, pictures)}<p>${name(p.label)}${p.part !== undefined && html` <span class="soft">${p.part}</span>`}${fileName(p.file)}</p></li>`,
          )}</ul></li>`,
    )
  return html`<h3 id="duplicates">${capital(samples.many)} that are nearly the same</h3><p class="soft">${plural(groups.length, 'group')}${groups.length > most && `, the first ${most} shown`}. If they lie on both sides of the split, the result looks too good; if their labels differ, one label is wrong.</p><ul class="groups">${shown}</ul>`
}

function trialTable({ augmentAuto, task }: Facts): Html {
  const metric = leadingMetric(task)
  return html`${table(
    [{ title: 'Change' }, { title: metric.title, n: true }, { title: 'Lost', n: true }, { title: '' }],
    augmentAuto.map(t => ({
      best: t.chosen === true,
      cells: [name(t.change), metric.say(t.accuracy), metric.say(t.drop), t.chosen === true && 'used'],
    })),
    30,
  )}<p class="note">How the model did on changed validation ${samples.many}, and what it lost against the unchanged ones. Training uses the changes marked “used”.</p>`
}

const problemTable = ({ problems }: Facts) =>
  table(
    [{ title: 'File' }, { title: 'Kind' }, { title: 'Reason' }],
    problems.map(p => ({ cells: [html`<span class="mono">${name(p.file)}</span>`, p.kind, p.reason] })),
    12,
  )

function countTable({ counts, pictures, task }: Facts): Html {
  const parts = (['train', 'valid', 'test'] as const).filter(part => part !== 'test' || pictures.test > 0)
  const titles = { train: 'Training', valid: 'Validation', test: 'Test' }
  return table(
    [{ title: task === 'multi' ? 'Label' : 'Class' }, ...parts.map(part => ({ title: titles[part], n: true }))],
    counts.map(row => ({ cells: [name(row.name), ...parts.map(part => count(row[part] ?? 0))] })),
    20,
  )
}

type Row = [name: string, value: unknown]

/** The section for repeating the run: choices, settings, versions and time. */
export function making({ record, facts, charts }: Material): Html | undefined {
  const { config } = record
  const settings = Object.entries(config?.settings ?? {}).filter(([, value]) => value !== undefined)
  const { command = [] } = config ?? {}
  const about: Row[] = config
    ? [
        ...(command.length > 0 ? [['command', html`<code>${command.map(quoted).join(' ')}</code>`] satisfies Row] : []),
        ['data', name(config.data)],
        ['started', record.created?.toISOString().replace('T', ' ').slice(0, 16).concat(' UTC')],
        ['seed', config.seed],
        ...(facts.resumed > 0 ? [['resumed', plural(facts.resumed, 'time')] satisfies Row] : []),
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
      html`<div class="card"><details><summary>Log lines (${plural(facts.lines.length, 'line')})</summary>${table(
        [{ title: 'At', n: true }, { title: 'Line' }],
        facts.lines.map(l => ({ cells: [duration(l.t), l.text] })),
        300,
      )}</details></div>`,
  )
}
