/** Stop at any step and go on later to the same bits: the state holds weights, optimizer, random numbers and progress.
 *  Run twice: node --import tsx examples/18-state.ts FILE; the first run stops after 25 steps, the second one goes on. */
import { existsSync } from 'node:fs'
import { type Callback, Learner, readState, writeState } from '../src/index.ts'
import { data, ringNet } from './data/rings.ts'

const file = process.argv[2] ?? 'state'
const pause: Callback = {
  name: 'pause',
  afterBatch({ step }, learn) {
    if (step !== 25) return undefined
    writeState(file, learn.state())
    return 'cancel'
  },
}

const learn = new Learner(ringNet(), data)
if (existsSync(`${file}.json`)) learn.loadState(readState(file))
console.log(`from step ${learn.step}`)
await learn.fit(3, { lr: 1e-2, callbacks: [pause] })
console.log(`to step ${learn.step}, valid loss ${(await learn.validate()).loss.toFixed(6)}`)
