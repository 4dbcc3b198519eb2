import { statSync } from 'node:fs'
import { sha256File } from '../base/digest.ts'
import { ModelError, OptionError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import type { Options } from '../base/option-table.ts'
import { isLoopback, loopbackHosts } from '../serve/access.ts'
import { createHandler, type Handler } from '../serve/handler.ts'
import { kindOf } from '../serve/kind.ts'
import { load } from '../serve/load.ts'
import { type HandlerSettings, limitsOf } from '../serve/options.ts'
import { listen } from '../serve/server.ts'
import { modelOfRun, warnOfOtherWeights } from './export-first.ts'
import { commandFlags } from './options.ts'
import { workWithoutOutput } from './output.ts'
import { flat } from './style.ts'

/** `anneal serve`: answers over HTTP until it is ended. */
export async function serve(
  path: string,
  settings: HandlerSettings,
  flags: Options<typeof commandFlags.serve>,
): Promise<void> {
  const { port, host, maxConnections, drainWait, grace } = { ...usual, ...given(flags) }
  const token = settings.token ?? tokenOf(process.env.ANNEAL_TOKEN)
  const file = await modelFile(path)
  const { threads } = flags
  const loaded = async (from = file) => ({
    model: await load(from, threads === undefined ? {} : { threads }),
    version: (await sha256File(from)).slice(0, 12),
  })
  const log = (line: string) => void process.stderr.write(`${flat(line)}\n`)
  const { model, version } = await loaded()
  const kind = kindOf(model)
  const limits = limitsOf(settings, kind.noun)
  if (file !== path) await warnOfOtherWeights(path, model.card)
  const shadow = flags.shadow === undefined ? undefined : await loaded(await modelFile(flags.shadow))
  let handler: Handler | undefined
  const listening = await listen(
    async bound => {
      const hosts = isLoopback(host) ? { hosts: loopbackHosts(bound) } : {}
      const more = { ...hosts, ...(shadow ? { shadow } : {}), ...(token === undefined ? {} : { token }) }
      handler = await createHandler(model, { ...settings, ...more, version, load: () => loaded(), log })
      return handler
    },
    { host, port, maxConnections, timeout: limits.timeout, maxBytes: limits.maxBytes },
  )
  const ended = untilEnded({ drain: listening.drain, drainWait, grace, reload: () => handler!.reload() })
  workWithoutOutput() // the answers go over the network
  const address = `http://${shownHost(host)}:${listening.port}`
  const { card } = model
  const classes = card.task === 'regression' ? card.classes.join(', ') : plural(card.classes.length, 'class', 'classes')
  const bearer = token === undefined ? '' : ' -H "authorization: Bearer $ANNEAL_TOKEN"'
  const lines = [
    `model    ${card.name}: ${card.task}, ${classes}${'inputs' in card ? `, from ${plural(card.inputs.length, 'column')}` : ''}, version ${version}`,
    ...(shadow ? [`shadow   ${flags.shadow}, version ${shadow.version}; disagreements follow on stderr`] : []),
    `address  ${address}`,
    `try it   ${kind.example(model, address, bearer)}`,
    `         or open ${address}/ in a browser`,
    ...(isLoopback(host)
      ? ['access   only from this machine; --host 0.0.0.0 opens it to others']
      : token === undefined
        ? ['access   OPEN to all who reach this address; ANNEAL_TOKEN=… asks for a token']
        : ['access   by the token']),
  ]
  process.stdout.write(`${lines.map(flat).join('\n')}\n`)
  const cut = await ended
  await handler!.close()
  if (cut > 0) throw new ModelError(`${plural(cut, 'request')} did not finish within ${grace} s and were cut off`)
}

const usual = Object.fromEntries(
  Object.entries(commandFlags.serve).flatMap(([name, { facts }]) =>
    facts.default?.value === undefined ? [] : [[name, facts.default.value]],
  ),
) as unknown as { port: number; host: string; maxConnections: number; drainWait: number; grace: number }

/** The options that were given. */
const given = (flags: object) => Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined))

function tokenOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  if (/^[\x21-\x7e]+$/.test(text)) return text
  throw new OptionError('ANNEAL_TOKEN: expected visible ASCII characters without blanks')
}

/** The file of a model: the file itself, or `model.onnx` in a run's folder, which is exported where it is missing. */
async function modelFile(path: string): Promise<string> {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) throw new ModelError(`${path}: there is no such file or folder; expected a run, or an exported model.onnx`)
  return stat.isDirectory() ? modelOfRun(path) : path
}

const shownHost = (host: string) =>
  host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host.replace(/^\[|\]$/g, '')}]` : host

/** Waits for a signal to end, then drains. A second signal ends the process at once. SIGHUP loads the model again; on a
 *  terminal it means that the terminal is closed, and ends. Returns how many requests were cut off. */
function untilEnded({
  drain,
  drainWait,
  grace,
  reload,
}: {
  drain: (times: { wait: number; grace: number }) => Promise<number>
  drainWait: number
  grace: number
  reload: () => Promise<unknown>
}): Promise<number> {
  return new Promise((resolve, reject) => {
    let ending = false
    const end = (signal: NodeJS.Signals) => {
      if (ending) process.exit(signal === 'SIGINT' ? 130 : 143)
      ending = true
      process.stderr.write(`${signal}: open requests are finished; a second signal ends at once\n`)
      drain({ wait: signal === 'SIGTERM' ? drainWait : 0, grace }).then(resolve, reject)
    }
    process.on('SIGINT', end)
    process.on('SIGTERM', end)
    process.on('SIGHUP', () => {
      if (process.stdin.isTTY) end('SIGHUP')
      else reload().catch(() => {}) // the log says why
    })
  })
}
