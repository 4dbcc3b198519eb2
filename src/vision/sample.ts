import { purpose, rng, shuffle } from '../base/random.ts'
import type { Task } from '../data/index.ts'
import type { Item } from './types.ts'

/** How many pictures of a class a probe needs to learn it. */
const perClass = 5

/** At most `most` pictures, of every class in turn, drawn by the seed. With more classes than so few pictures can teach,
 *  some of the classes. */
export function everyClassInTurn<I extends Pick<Item, 'labels'>>(
  items: readonly I[],
  { task, most, seed }: { task: Task; most: number; seed: number },
): I[] {
  const random = rng(seed, 0, 0, purpose.sense)
  const groups = new Map<string, I[]>()
  for (const item of shuffle([...items], random)) {
    const key = task === 'regression' ? '' : item.labels.join()
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  const order = shuffle([...groups.keys()].sort(), random)
  const lists = order.slice(0, task === 'single' ? Math.max(2, Math.floor(most / perClass)) : order.length)
  const chosen: I[] = []
  for (let k = 0; chosen.length < most; k++) {
    const round = lists.flatMap(key => groups.get(key)![k] ?? [])
    if (round.length === 0) break
    chosen.push(...round.slice(0, most - chosen.length))
  }
  return chosen
}
