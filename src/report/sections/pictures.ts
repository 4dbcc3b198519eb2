import { plural } from '../../base/format.ts'
import type {
  HeatPicture,
  IssuePicture,
  JudgedPicture,
  LabelledPicture,
  RegressionInterpretation,
} from '../../runs/index.ts'
import { decimal } from '../charts/axes.ts'
import type { Facts } from '../facts/facts.ts'
import type { Material } from '../facts/material.ts'
import { fileName, image, type Loaded, name, section } from '../page/components.ts'
import { type Html, html, type Piece } from '../page/html.ts'
import { count, decimals, share } from '../page/text.ts'
import { featureMaps } from './feature-maps.ts'

/** Pictures of a kind that are shown. */
export const mostPictures = 48

/** The pictures that the model gets most wrong, those it could hardly decide, and what it looked at. */
export function judged({ facts, pictures }: Material): Html | undefined {
  const grid = (list: readonly JudgedPicture[]) => list.map(p => judgedPicture(p, pictures))
  const { topLosses, mostUncertain, mostCorrect, mostIncorrect, heatmaps, labelIssues } = facts
  const { multi, regression } = facts
  const wrong = [
    ...grid(topLosses),
    ...(multi?.topLosses ?? []).map(p => labelledPicture(p, pictures)),
    ...(regression?.worst ?? []).map(p => numberedPicture(p, pictures)),
  ]
  const right = topLosses.length > 0 && topLosses.every(p => p.actual === p.predicted)
  const worst = regression ? 'The largest errors. Look for wrong numbers first.' : right ? rightWords : wrongWords
  return section(
    'pictures',
    'Pictures to look at',
    gallery(regression ? 'Largest errors' : 'Highest loss', worst, wrong),
    multi && worstLabels(multi, pictures),
    gallery('Surest mistakes', 'Where the model was surest of a class that is wrong.', grid(mostIncorrect)),
    gallery('Most uncertain', 'Where it could hardly decide: pictures like these teach it most.', grid(mostUncertain)),
    gallery('Surest and right', 'What it takes for the clearest pictures of their classes.', grid(mostCorrect)),
    gallery(
      'Where it looked',
      'The warmer, the more a place spoke for the class below (Grad-CAM). A model that looks at the background has learned the background.',
      heatmaps.map(p => heatPicture(p, pictures)),
      'pictures heats',
    ),
    featureMaps(facts.featureMaps, pictures),
    gallery(
      'Labels that may be wrong',
      `The model disputes ${labelIssues.length === 1 ? 'this label' : 'these labels'}, the surest first (confident learning); the number is how much it believes the label given. Right labels of hard pictures are among them.`,
      labelIssues.map(p => issuePicture(p, pictures)),
      'pictures',
      'issues',
    ),
  )
}

const rightWords = 'All of these are told right; they were the hardest.'
const wrongWords = 'Where the model was surest and wrong. Look for wrong labels first.'

/** Pictures under a heading; nothing where there are none. */
function gallery(
  title: string,
  text: string,
  items: readonly Html[],
  kind = 'pictures',
  id?: string,
): Html | undefined {
  if (items.length === 0) return undefined
  const more = items.length - mostPictures
  return html`<h3${id !== undefined && html` id="${id}"`}>${title}</h3><p class="soft">${text}${more > 0 && ` The first ${mostPictures} of ${count(items.length)}.`}</p><ul class="${kind}">${items.slice(0, mostPictures)}</ul>`
}

const item = (picture: Piece, text: Piece, file: unknown) => html`<li>${picture}<p>${text}${fileName(file)}</p></li>`

function verdict(p: JudgedPicture): Html {
  return p.actual === p.predicted
    ? html`<span class="good">✓</span> ${name(p.predicted)}`
    : html`<span class="label">${name(p.actual)}</span><br><span class="bad">✗ ${name(p.predicted)}</span>`
}

const judgedPicture = (p: JudgedPicture, pictures: Loaded) =>
  item(
    image(p.thumbnail, `${p.actual}, taken for ${p.predicted}`, pictures),
    html`${verdict(p)}<br><span class="soft">${share(p.probability, 0)}, loss ${decimals(p.loss, 2)}</span>`,
    p.file,
  )

const heatPicture = (p: HeatPicture, pictures: Loaded) =>
  item(
    html`<span class="side">${image(p.thumbnail, `${p.actual}, taken for ${p.predicted}`, pictures)}${image(p.overlay, `what spoke for ${p.of}`, pictures)}</span>`,
    html`${verdict(p)}<br><span class="soft">for ${name(p.of)}, ${share(p.probability, 0)}</span>`,
    p.file,
  )

const issuePicture = (p: IssuePicture, pictures: Loaded) =>
  item(
    image(p.thumbnail, `labelled ${p.given}, perhaps ${p.suggested}`, pictures),
    html`<span class="label">${name(p.given)}</span><br>perhaps ${name(p.suggested)}<br><span class="soft">believed ${share(p.score)}</span>`,
    p.file,
  )

/** The labels of a picture: found, missed, and given though they are not there; `about` is the one in question. */
function labelledPicture(p: LabelledPicture, pictures: Loaded, about?: string): Html {
  const found = p.actual.filter(label => p.predicted.includes(label))
  const missed = p.actual.filter(label => !p.predicted.includes(label))
  const wrong = p.predicted.filter(label => !p.actual.includes(label))
  const listed = (labels: readonly string[]) => labels.map((label, i) => html`${i > 0 && ', '}${name(label)}`)
  const lines = [
    found.length > 0 && html`<span class="good">✓\u00a0${listed(found)}</span>`,
    missed.length > 0 && html`<span class="bad">missed <span class="label">${listed(missed)}</span></span>`,
    wrong.length > 0 && html`<span class="bad">✗\u00a0${listed(wrong)}</span>`,
  ].filter(line => line !== false)
  const sure =
    about === undefined
      ? `loss ${decimals(p.loss, 2)}`
      : `${p.actual.includes(about) ? 'is there' : 'is not'}, ${share(p.probability ?? NaN, 0)}`
  return item(
    image(p.thumbnail, `${p.actual.join(', ') || 'no label'}, given ${p.predicted.join(', ') || 'none'}`, pictures),
    html`${lines.length > 0 ? lines.map((line, i) => html`${i > 0 && html`<br>`}${line}`) : 'no label'}<br><span class="soft">${sure}</span>`,
    p.file,
  )
}

const unfolded = 8 // labels whose worst pictures are shown at once

function worstLabels({ worst }: NonNullable<Facts['multi']>, pictures: Loaded): Html | undefined {
  const there = worst.filter(w => w.pictures.length > 0)
  if (there.length === 0) return undefined
  const rows = there.map(
    w =>
      html`<h4>${name(w.name)}</h4><ul class="pictures few">${w.pictures.slice(0, 12).map(p => labelledPicture(p, pictures, w.name))}</ul>`,
  )
  const rest = rows.slice(unfolded, 120)
  return html`<h3>Most wrong on each label</h3><p class="soft">Whether the label is there, and how probable the model took it to be.</p>${rows.slice(0, unfolded)}${
    rest.length > 0 && html`<details><summary>${plural(rest.length, 'more label')}</summary>${rest}</details>`
  }`
}

type Numbered = RegressionInterpretation['worst'][number]['values'][number]

function numberedPicture(
  { file, thumbnail, values }: RegressionInterpretation['worst'][number],
  pictures: Loaded,
): Html {
  const said = (v: Numbered, key: 'actual' | 'predicted') =>
    typeof v.shown?.[key] === 'string' ? v.shown[key] : Number.isFinite(v[key]) ? decimal(v[key]) : '–'
  const lines = values
    .slice(0, 6)
    .map(
      (v, i) =>
        html`${i > 0 && html`<br>`}${values.length > 1 && html`<span class="soft">${name(v.name)}</span> `}<span class="label">${said(v, 'actual')}</span> <span class="bad">✗\u00a0${said(v, 'predicted')}</span>`,
    )
  const alt = values.map(v => `${v.name} ${said(v, 'actual')}, predicted ${said(v, 'predicted')}`).join('; ')
  return item(image(thumbnail, alt, pictures), html`${lines}<br>`, file)
}
