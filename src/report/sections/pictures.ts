import { plural } from '../../base/format.ts'
import { samples } from '../../base/samples.ts'
import type {
  HeardSound,
  HeatPicture,
  IssuePicture,
  JudgedPicture,
  LabelledPicture,
  ReadText,
  RegressionInterpretation,
} from '../../runs/index.ts'
import { decimal } from '../charts/axes.ts'
import type { Facts } from '../facts/facts.ts'
import type { Material } from '../facts/material.ts'
import { fileName, image, type Loaded, name, section } from '../page/components.ts'
import { type Html, html, type Piece } from '../page/html.ts'
import { capital, count, decimals, share } from '../page/text.ts'
import { featureMaps } from './feature-maps.ts'

/** So many pictures of each kind are shown. */
export const mostPictures = 48

/** The section of pictures: the largest errors, the most uncertain predictions, heat maps and doubtful labels. */
export function judged({ facts, pictures }: Material): Html | undefined {
  const grid = (list: readonly JudgedPicture[]) => list.map(p => judgedPicture(p, pictures))
  const { topLosses, mostUncertain, mostCorrect, mostIncorrect, heatmaps, sounds, texts, labelIssues } = facts
  const { multi, regression } = facts
  const wrong = [
    ...grid(topLosses),
    ...(multi?.topLosses ?? []).map(p => labelledPicture(p, pictures)),
    ...(regression?.worst ?? []).map(p => numberedPicture(p, pictures)),
  ]
  const right = topLosses.length > 0 && topLosses.every(p => p.actual === p.predicted)
  const worst = regression
    ? `The ${samples.many} with the largest errors. Look for wrong target values first.`
    : right
      ? rightWords
      : wrongWords
  return section(
    'pictures',
    `${capital(samples.many)} to look at`,
    gallery(
      'To hear',
      'The recordings that went wrong first, then those with the highest loss; of a long one the window with the highest loss. The first picture is the sound (time to the right, pitch upwards), the second one has colour where the model listened: the class below becomes less probable where that part is silent.',
      sounds.map(p => heardSound(p, pictures)),
      'pictures heats',
      'sounds',
    ),
    gallery(
      'What each word contributes',
      `The ${samples.many} with the highest loss. A word is marked where the ${regression ? 'value' : 'probability'} of what stands below falls without it, and in the other colour where it rises. The stronger the colour, the larger the change.`,
      texts.map(readText),
      'pictures texts',
      'words',
    ),
    gallery(regression ? 'Largest errors' : 'Highest loss', worst, wrong),
    multi && worstLabels(multi, pictures),
    gallery(
      'Most certain and wrong',
      'The model gave the highest probabilities to a wrong class here.',
      grid(mostIncorrect),
    ),
    gallery(
      'Most uncertain',
      `The model could hardly decide here. More ${samples.many} like these help it most.`,
      grid(mostUncertain),
    ),
    gallery(
      'Most certain and right',
      `The clearest ${samples.many} of their classes for this model.`,
      grid(mostCorrect),
    ),
    gallery(
      'Where it looked',
      'Warm colours mark the places that raised the score of the class below (Grad-CAM). If they lie on the background, the model has learned the background.',
      heatmaps.map(p => heatPicture(p, pictures)),
      'pictures heats',
    ),
    featureMaps(facts.featureMaps, pictures),
    gallery(
      'Labels that may be wrong',
      `The model disagrees with ${labelIssues.length === 1 ? 'this label' : 'these labels'}; the most certain cases come first (confident learning). The percentage is the probability that it gives to the present label. Some are correct labels of hard ${samples.many}.`,
      labelIssues.map(p => issuePicture(p, pictures)),
      'pictures',
      'issues',
    ),
  )
}

const rightWords = 'All of these are predicted correctly; they have the highest loss.'
const wrongWords = 'The model was most certain here, and wrong. Look for wrong labels first.'

/** A heading with pictures; nothing where there are none. */
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
    image(p.thumbnail, `${p.actual}, predicted ${p.predicted}`, pictures),
    html`${verdict(p)}<br><span class="soft">${share(p.probability, 0)}, loss ${decimals(p.loss, 2)}</span>`,
    p.file,
  )

const heatPicture = (p: HeatPicture, pictures: Loaded) =>
  item(
    html`<span class="side">${image(p.thumbnail, `${p.actual}, predicted ${p.predicted}`, pictures)}${image(p.overlay, `heat map for ${p.of}`, pictures)}</span>`,
    html`${verdict(p)}<br><span class="soft">for ${name(p.of)}, ${share(p.probability, 0)}</span>`,
    p.file,
  )

const heardSound = (p: HeardSound, pictures: Loaded) =>
  item(
    html`<span class="side">${image(p.thumbnail, `spectrogram of ${p.actual}, predicted ${p.predicted}`, pictures)}${image(p.overlay, `where the model heard ${p.predicted}`, pictures)}</span>${
      isWave(p.audio) &&
      html`<audio controls preload="none" aria-label="${`recording of ${p.actual}, predicted ${p.predicted}`}" src="data:audio/wav;base64,${p.audio}"></audio>`
    }`,
    html`${verdict(p)}<br><span class="soft">${share(p.probability, 0)}, loss ${decimals(p.loss, 2)}${p.from > 0 && `, from ${decimals(p.from, 1)} s`}</span>`,
    p.file,
  )

/** Whether a text is a WAVE file in base64, and no longer than a report can hold. */
const isWave = (audio: string): boolean => audio.length < 2e6 && /^UklGR[\w+/=]+$/.test(audio)

/** A text with its parts marked by what they add. */
function readText(p: ReadText): Html {
  const most = Math.max(...p.parts.map(([, weight]) => Math.abs(weight)), 1e-9)
  const marked = p.parts.map(([part, weight]) => {
    const much = Math.ceil((4 * Math.abs(weight)) / most - 0.5)
    if (much < 1) return html`${part}`
    return html`<mark class="${weight > 0 ? 'for' : 'against'} much${Math.min(4, much)}" title="${weight > 0 ? '+' : '−'}${decimals(Math.abs(weight), 3)}">${part}</mark>`
  })
  const wrong =
    p.actual === p.predicted
      ? html`<span class="good">✓</span> ${name(p.predicted)}`
      : html`<span class="label">${name(p.actual)}</span><br><span class="bad">✗ ${name(p.predicted)}</span>`
  return item(
    html`<blockquote class="quoted"><bdi>${marked}</bdi></blockquote>`,
    html`${wrong}<br><span class="soft">for ${name(p.of)}${Number.isFinite(p.probability) && `, ${share(p.probability, 0)}`}, loss ${decimals(p.loss, 2)}</span>`,
    p.file,
  )
}

const issuePicture = (p: IssuePicture, pictures: Loaded) =>
  item(
    image(p.thumbnail, `labelled ${p.given}, perhaps ${p.suggested}`, pictures),
    html`<span class="label">${name(p.given)}</span><br>perhaps ${name(p.suggested)}<br><span class="soft">probability ${share(p.score)}</span>`,
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
  return html`<h3>Largest errors by label</h3><p class="soft">Each ${samples.one} says whether the label is present, and its predicted probability.</p>${rows.slice(0, unfolded)}${
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
