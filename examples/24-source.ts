/** Data of your own: a source is a number of samples, and a function from sample numbers to a batch of tensors. With a net
 *  and its layer groups it is all that a `Learner` needs; here rows of numbers from anywhere.
 *  Run: node --import tsx examples/24-source.ts */
import { Learner, type Source } from '../src/index.ts'
import { fromArray, nn } from '../src/torch/index.ts'

interface Flower {
  petals: readonly [length: number, width: number]
  kind: 'setosa' | 'versicolor'
}
// As they might come from a database.
const flowers: Flower[] = Array.from({ length: 120 }, (_, i) => {
  const [kind, size, spread] = i % 2 ? (['setosa', 1, 0.3] as const) : (['versicolor', 3, 0.9] as const)
  return { kind, petals: [size + spread * Math.sin(i), size / 3 + spread * Math.cos(7 * i)] }
})
const classes = ['setosa', 'versicolor']

/** The same samples and epoch must give the same numbers; the loop frees the tensors after the step. */
const source = (rows: readonly Flower[]): Source => ({
  count: rows.length,
  batch(samples) {
    const chosen = Array.from(samples, s => rows[s]!)
    return {
      x: fromArray(Float32Array.from(chosen.flatMap(f => f.petals)), [chosen.length, 2]),
      y: fromArray(
        BigInt64Array.from(chosen, f => BigInt(classes.indexOf(f.kind))),
        [chosen.length],
      ),
    }
  },
})

const layers = nn.sequential(
  nn.linear(2, 16),
  nn.layer(x => x.relu()),
  nn.linear(16, classes.length),
)
const learn = new Learner(
  { net: layers, groups: [{ name: 'all', modules: [layers] }] },
  { train: source(flowers.slice(0, 90)), valid: source(flowers.slice(90)), classes },
)
const history = await learn.fit(1, { cycleLen: 20, lr: 3e-2, schedule: 'one-cycle' })
console.log(`valid accuracy ${(100 * history.at(-1)!.accuracy).toFixed(1)} %`)
