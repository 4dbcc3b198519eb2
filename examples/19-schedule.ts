/** A schedule of your own is a function of progress t in [0, 1]: what every learning rate is multiplied by. Here it warms
 *  up, stays, and falls, and momentum goes the other way.
 *  Run: node --import tsx examples/19-schedule.ts */
import { Learner, type Schedule, schedules } from '../src/index.ts'
import { data, ringNet } from './data/rings.ts'

const { constant, cosine, linear, sequence } = schedules
const lr: Schedule = sequence([0.2, linear(0.1, 1)], [0.5, constant(1)], [0.3, cosine(1, 0)])
const momentum: Schedule = t => 0.95 - 0.1 * lr(t)

const learn = new Learner(ringNet(), data)
const used: number[] = []
const history = await learn.fit(3, {
  lr: 1e-2,
  schedule: { lr, momentum },
  callbacks: [{ afterBatch: ({ lrs }) => void used.push(lrs.at(-1)!) }],
})
for (let t = 0; t < 1; t += 0.1) console.log('█'.repeat(1 + 40 * lr(t)))
console.log(`rates from ${used[0]!.toExponential(1)} over ${Math.max(...used)} to ${used.at(-1)!.toExponential(1)}`)
console.log(`valid accuracy ${(100 * history.at(-1)!.accuracy).toFixed(1)} %`)
