import { type JoinOptions, joinRanks } from './join.ts'
import { alone, type Ranks } from './ranks.ts'

let joined: Promise<Ranks> | undefined

/** The group of this program: joined at the first call, and left when the program ends, or before a run that joins one of
 *  its own. Without a launcher it is the group of one. */
export async function programRanks(how: JoinOptions): Promise<Ranks> {
  const before = await joined?.catch(() => undefined)
  if (!before || before.hasLeft) joined = joinRanks(how).then(untilTheEnd)
  return joined!
}

/** Leaves the group of this program, if it is in one: a process is in one group at most. */
export async function leaveProgram(): Promise<void> {
  const ranks = (await joined?.catch(() => undefined)) ?? alone
  joined = undefined
  await ranks.leave('done')
}

/** Leaves the group when the program ends, and says to the other ranks how it ended. */
function untilTheEnd(ranks: Ranks): Ranks {
  if (ranks.alone) return ranks
  let reason = ''
  process.once('uncaughtExceptionMonitor', error => {
    reason = error.message
  })
  process.once('beforeExit', code => {
    // The first rank waits here until the others have ended, since it keeps what holds the group together.
    void (code === 0 ? ranks.leave('done') : ranks.leave('failed', `exit code ${code}`))
  })
  process.once('exit', code => ranks.leaveNow(code === 0 ? 'done' : 'failed', reason || `exit code ${code}`))
  return ranks
}
