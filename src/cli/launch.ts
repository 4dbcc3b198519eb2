import { OptionError } from '../base/errors.ts'
import { readCommand } from '../launch/command-line.ts'
import { launch } from '../launch/launch.ts'
import type { LaunchOptions } from '../launch/place.ts'
import { machine } from '../setup/machine.ts'
import { outlivesHangUp, workWithoutOutput } from './output.ts'

/** `anneal launch`: starts a command as several ranks. `words`: the command of the ranks. */
export async function launchCommand(words: readonly string[], options: LaunchOptions): Promise<void> {
  if (process.platform === 'win32')
    throw new OptionError('launch: it runs on Linux and macOS. On Windows start each rank by itself: docs/ranks.md.')
  const self = [process.execPath, ...process.execArgv, process.argv[1]!]
  const code = await launch(readCommand(words, self), options, {
    self,
    cores: machine().cpu.cores,
    stdout: process.stdout,
    stderr: process.stderr,
    onSignal(pass) {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGCONT', 'SIGWINCH'] as const)
        process.on(name, () => pass(name))
      process.on('SIGHUP', () => outlivesHangUp || pass('SIGHUP'))
      process.on('SIGTSTP', () => {
        pass('SIGSTOP') // Ctrl-Z: the ranks stop and go on with this process
        process.kill(process.pid, 'SIGSTOP')
      })
    },
    onLost: lose => workWithoutOutput(lost => lose(lost.stream)),
  })
  process.exit(code)
}
