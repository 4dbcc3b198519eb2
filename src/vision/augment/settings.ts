import { didYouMean, OptionError } from '../../base/errors.ts'
import { type Augmentation, parts } from './list.ts'
import type { AugmentationName, Setting } from './part.ts'

const rules = Object.assign({}, ...parts.map(part => part.settings)) as {
  readonly [K in keyof Augmentation]: Setting<Augmentation[K]>
}
const keys = Object.keys(rules) as (keyof Augmentation)[]
const ordered = parts.flatMap(part => part.ordered ?? []) as (readonly [NumberSetting, NumberSetting])[]
type NumberSetting = { [K in keyof Augmentation]: Augmentation[K] extends number ? K : never }[keyof Augmentation]

const preset = (name: AugmentationName) =>
  Object.fromEntries(keys.map(key => [key, rules[key].presets[name] ?? rules[key].value])) as unknown as Augmentation

/** - `side-on`: photos as people take them, where up stays up (fastai 0.7's transforms_side_on, zoom 1.1).
 *  - `top-down`: pictures without an up: from above, of plates, of cells and tissue (its transforms_top_down, zoom 1.05).
 *  - `medical`: X-rays, scans, microscopy. What holds for all of them: bodies have a left and a right (the heart, the
 *    marker on the film), so no mirror; size is a finding (a large heart, a large nucleus), so next to no zoom; shape is
 *    one too, so no warp and no stretch; stains are read by their colour, so none of it changes; a finding may be small,
 *    so nothing is erased. What varies is how the patient lay, exposure and thickness: small turns, brightness and
 *    contrast. Cells and tissue have no up, and take `medical,dihedral`.
 *  - `none`: as validation sees them. */
export const augmentations: Readonly<Record<AugmentationName, Readonly<Augmentation>>> = {
  'side-on': preset('side-on'),
  'top-down': preset('top-down'),
  medical: preset('medical'),
  none: preset('none'),
}
/** Settings one by one, over a preset (`none` unless named): `{ preset: 'side-on', maxWarp: 0.2 }`. */
export type AugmentationSettings = Partial<Augmentation> & { preset?: AugmentationName }

/** A preset by name, settings over a preset, or both as a command line has them: see {@link parseAugmentation}. */
export function augmentation(given: string | AugmentationSettings): Augmentation {
  if (typeof given === 'string') return parseAugmentation(given)
  const { preset: base = 'none', ...settings } = given
  const made: Augmentation = { ...presetOf(base) }
  for (const [name, value] of Object.entries(settings))
    if (value !== undefined) Object.assign(made, { [known(name)]: checked(known(name), value) })
  for (const [least, most] of ordered)
    if (made[least] > made[most])
      throw new OptionError(`augmentation: ${least} ${made[least]} is above ${most} ${made[most]}; expected it below.`)
  return made
}

/** A preset, then settings over it: `side-on,maxWarp=0.2,erase=0.5`, `medical,dihedral`, `max-rotate=30`. */
export function parseAugmentation(text: string): Augmentation {
  const [first = '', ...others] = text.split(',').map(part => part.trim())
  const named = Object.hasOwn(augmentations, first)
  if (!named && !first.includes('=') && !Object.hasOwn(rules, camel(first))) presetOf(first)
  const settings: Record<string, unknown> = {}
  for (const part of named ? others : [first, ...others]) {
    const [name, value] = part.split('=').map(side => side.trim()) as [string, string?]
    const key = known(camel(name))
    if (value === undefined && typeof rules[key].value !== 'boolean')
      throw new OptionError(`augmentation: ${name} has no value; expected ${name}=${rules[key].expected}.`)
    settings[key] = read(value)
  }
  return augmentation({ ...settings, preset: (named ? first : 'none') as AugmentationName })
}

/** The settings in the form that {@link parseAugmentation} reads: the nearest preset, and what differs from it. */
export function augmentationText(a: Augmentation): string {
  const texts = Object.entries(augmentations).map(([name, preset]) => {
    const differing = keys.filter(key => a[key] !== preset[key])
    return [name, ...differing.map(key => (a[key] === true ? key : `${key}=${a[key]}`))].join(',')
  })
  return texts.sort((a, b) => a.split(',').length - b.split(',').length || a.length - b.length)[0]!
}

const camel = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
const read = (value = 'true'): unknown =>
  value === 'true'
    ? true
    : value === 'false'
      ? false
      : value === '' || Number.isNaN(Number(value))
        ? value
        : Number(value)

function presetOf(name: string): Augmentation {
  if (Object.hasOwn(augmentations, name)) return augmentations[name as AugmentationName]
  const names = Object.keys(augmentations)
  throw new OptionError(
    `unknown augmentation "${name}"; expected ${names.join(', ')}, or settings such as side-on,maxWarp=0.2.${didYouMean(name, [...names, ...keys])}`,
  )
}

function known(name: string): keyof Augmentation {
  if (Object.hasOwn(rules, name)) return name as keyof Augmentation
  const near = didYouMean(name, [...keys, ...Object.keys(augmentations)])
  throw new OptionError(`unknown setting "${name}" of an augmentation; expected one of ${keys.join(', ')}.${near}`)
}

function checked(name: keyof Augmentation, value: unknown): unknown {
  const { expected, fits } = rules[name]
  if (fits(value)) return value
  throw new OptionError(`augmentation: ${name} is ${value}; expected ${expected}.`)
}
