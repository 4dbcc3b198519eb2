// One rank: the command, killed by -9 when it is to compare its weights after the second epoch of the whole net.
import { Ranks } from '../../src/ranks/ranks.ts'

const compare = Ranks.prototype.compareTensors
Ranks.prototype.compareTensors = function (what, tensors) {
  if (what === 'weights after epoch 2') process.kill(process.pid, 'SIGKILL')
  compare.call(this, what, tensors)
}
await import('../../src/cli/main.ts')
