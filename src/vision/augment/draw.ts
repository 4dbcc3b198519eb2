import { purpose, rng } from '../../base/random.ts'
import { type Augmentation, type Change, drawnApart, drawnTogether, parts } from './list.ts'
import type { Setting } from './part.ts'

/** No augmentation: the picture as it is. */
export const unchanged: Change = Object.assign({}, ...parts.map(part => part.unchanged))

/** The change of picture `index` in `epoch`: a function of these and the seed alone, whatever the batch or the order. */
export function drawChange(a: Augmentation, seed: number, epoch: number, index: number): Change {
  const drawn = { ...unchanged }
  const random = rng(seed, epoch, index, purpose.augment)
  for (const [, part] of drawnTogether) Object.assign(drawn, part.draw(a, random, drawn))
  for (const { part, stream, isOff } of own)
    if (!isOff(a)) Object.assign(drawn, part.draw(a, rng(seed, epoch, index, stream), drawn))
  return drawn
}

/** Streams by name, so that the list's order does not matter: 24 bits of FNV-1a above the purpose. */
const own = drawnApart.map(([name, part]) => {
  let hash = 0x811c9dc5
  for (const letter of name) hash = Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193)
  const settings = Object.entries(part.settings as Record<string, Setting<unknown>>) as [
    keyof Augmentation,
    Setting<unknown>,
  ][]
  const isOff = (a: Augmentation) => settings.every(([key, { value }]) => a[key] === value)
  return { part, stream: (hash >>> 8) * 256 + purpose.augment, isOff }
})
