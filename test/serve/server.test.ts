import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { workspace } from '../helpers/cli.ts'
import { bomb, colourModel, modelFolder, picture } from '../helpers/served.ts'
import { until } from '../helpers/until.ts'

const files = modelFolder()
const work = workspace()
const running: ChildProcess[] = []
after(() => {
  for (const child of running) child.kill('SIGKILL')
  files.remove()
  work.remove()
})

/** Starts `anneal serve` on a free port; resolves when it has printed where. */
async function start(args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const file = files.write(`${running.length}.onnx`, colourModel())
  let port = 0
  let listening = () => {}
  const started = new Promise<void>(resolve => (listening = resolve))
  const { child, ended } = work.start(['serve', file, '--port', '0', '--threads', '1', ...args], {
    env: { ANNEAL_TOKEN: undefined, ...env },
    onLine(line) {
      port ||= Number(/^address .*:(\d+)$/.exec(line)?.[1] ?? 0)
      if (line.startsWith('access')) listening()
    },
  })
  running.push(child)
  await Promise.race([started, ended.then(e => Promise.reject(new Error(`it ended: ${e.stderr}`)))])
  return { child, ended, port, file, url: `http://127.0.0.1:${port}` }
}

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  text: string
}
/** One request, as a client that takes what it gets. */
function ask(
  port: number,
  path: string,
  { body, agent, headers = {} }: { body?: Uint8Array; agent?: Agent; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const method = body ? 'POST' : 'GET'
    const made = request({ host: '127.0.0.1', port, path, method, headers, ...(agent ? { agent } : {}) }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, text: Buffer.concat(chunks).toString() }),
      )
    })
    made.on('error', reject)
    made.end(body)
  })
}

/** How many requests a server has open, this one included. */
async function openRequests(port: number): Promise<number> {
  return Number(/^anneal_requests_open (\d+)$/m.exec((await ask(port, '/metrics')).text)?.[1])
}

/** What comes back on a raw connection, until it is closed. */
function raw(port: number, write: (socket: ReturnType<typeof connect>) => void): Promise<{ text: string; ms: number }> {
  return new Promise(resolve => {
    const began = performance.now()
    let text = ''
    const socket = connect(port, '127.0.0.1', () => write(socket))
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => (text += chunk))
    socket.on('error', () => {})
    socket.on('close', () => resolve({ text, ms: performance.now() - began }))
  })
}

test('anneal serve prints a curl line, and that line works', async () => {
  const { spawnSync } = await import('node:child_process')
  const server = await start()
  files.write('cat.jpg', await picture('red', 500, 400))
  server.child.kill('SIGTERM')
  const { stdout, stderr, code } = await server.ended
  assert.equal(code, 0, stderr)
  assert.match(stdout, /model +colours: single, 3 classes, version [0-9a-f]{12}/)
  assert.match(stdout, /only from this machine; --host 0\.0\.0\.0 opens it/)
  const [, line] = /try it +(curl .*)/.exec(stdout)!
  assert.match(line!, /^curl --data-binary @cat\.jpg http:\/\/127\.0\.0\.1:\d+\/predict$/)
  const again = await start()
  const typed = line!.replace(/:\d+\//, `:${again.port}/`)
  const { stdout: said, error } = spawnSync('sh', ['-c', `${typed} -s`], { cwd: files.folder, encoding: 'utf8' })
  assert.equal(error, undefined)
  assert.match(said, /^\{"label":"10 red","probability":0\.\d+/)
  again.child.kill('SIGTERM')
  assert.equal((await again.ended).code, 0)
})

describe('one server', () => {
  let server: Awaited<ReturnType<typeof start>>
  before(async () => {
    server = await start(['--timeout', '2', '--max-connections', '40', '--max-bytes', '300000'])
  })
  after(async () => {
    server.child.kill('SIGTERM')
    const { code, stderr } = await server.ended
    assert.equal(code, 0, stderr)
  })

  test('faults get their status, and the server goes on', async () => {
    const { port } = server
    const red = await picture('red', 300, 300)
    assert.equal((await ask(port, '/predict', { body: red.subarray(0, red.length / 2) })).status, 422)
    assert.equal((await ask(port, '/predict', { body: bomb(60_000, 60_000) })).status, 413)
    assert.equal((await ask(port, '/predict', { body: Buffer.alloc(300_001) })).status, 413)
    assert.equal((await ask(port, '/predict', { body: red, headers: { host: 'evil.example' } })).status, 421)
    assert.equal((await ask(port, '/predict', { body: red, headers: { origin: 'http://evil.example' } })).status, 403)
    assert.equal((await ask(port, '/predict', { body: red, headers: { 'content-encoding': 'gzip' } })).status, 415)
    assert.equal((await ask(port, '/predict', { body: red })).status, 200)
  })

  test('a body without end is refused, and its connection closed', async () => {
    let sent = 0
    const { text, ms } = await raw(server.port, socket => {
      socket.write(`POST /predict HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\ntransfer-encoding: chunked\r\n\r\n`)
      const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
      const more = () => {
        while (!socket.destroyed && socket.write(chunk)) sent += 0x10000
      }
      socket.on('drain', more)
      more()
    })
    assert.match(text, /^HTTP\/1\.1 413 /)
    assert.ok(sent < 80e6 && ms < 4000, `${sent} bytes in ${ms} ms`)
  })

  test('a client that sends its head or its body slowly is cut off', async () => {
    const head = `POST /predict HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\ncontent-length: 100\r\n\r\n`
    const [slowHead, slowBody] = await Promise.all([
      raw(server.port, socket => socket.write(head.slice(0, 30))),
      raw(server.port, socket => socket.write(`${head}abc`)),
    ])
    assert.match(slowHead.text, /^(HTTP\/1\.1 408 |$)/)
    assert.match(slowBody.text, /^HTTP\/1\.1 408 /)
    assert.ok(Math.max(slowHead.ms, slowBody.ms) < 8000, `${slowHead.ms} ms, ${slowBody.ms} ms`)
  })

  test('more connections than allowed are closed, and the server goes on', async () => {
    const idle = Array.from({ length: 400 }, () => connect(server.port, '127.0.0.1').on('error', () => {}))
    const open = () => idle.filter(socket => !socket.destroyed).length
    await until(
      'those beyond the places of monitors to be closed',
      () => open() <= 56,
      20,
      () => `: ${open()} are open`,
    )
    await until(
      'all but 40 connections to be closed',
      () => open() <= 40,
      20,
      () => `: ${open()} are open`,
    )
    let [alive, told] = [0, 0]
    await until(
      'a monitor to be answered while all places are taken, and others to be told',
      async () => {
        const more = Array.from({ length: 44 }, () => connect(server.port, '127.0.0.1').on('error', () => {}))
        const [live, other] = await Promise.all(
          ['/v2/health/live', '/openapi.json'].map(path => ask(server.port, path).catch(() => undefined)),
        )
        for (const socket of more) socket.destroy()
        if (other?.status !== 503) return false // a place was free, or all that are spare were taken
        told++
        assert.match(other.text, /the server has 40 connections already; try again/)
        if (live?.status === 200) alive++
        return alive > 0
      },
      20,
      () => `: ${told} were told, of these ${alive} times the monitor was answered`,
    )
    for (const socket of idle) socket.destroy()
    let dropped = 0
    await until(
      'the server to answer and to have counted 300 of them',
      async () => {
        const answer = await ask(server.port, '/metrics').catch(() => undefined) // its places may be taken for a moment
        dropped = Number(/anneal_rejected_total\{reason="connections"\} (\d+)/.exec(answer?.text ?? '')?.[1] ?? 0)
        return answer?.status === 200 && dropped >= 300
      },
      20,
      () => `: it counted ${dropped}`,
    )
  })

  test('a client that goes away in the middle of its body leaves nothing behind', async () => {
    for (let i = 0; i < 20; i++)
      await raw(server.port, socket => {
        socket.write(`POST /predict HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\ncontent-length: 5000\r\n\r\nabc`)
        setTimeout(() => socket.destroy(), 5)
      })
    await until('all requests but this one to be gone', async () => (await openRequests(server.port)) === 1, 20)
  })

  test('SIGHUP loads the file again and swaps it in; a damaged file is refused', async () => {
    const red = await picture('red')
    const label = async () => JSON.parse((await ask(server.port, '/predict', { body: red })).text).label
    assert.equal(await label(), '10 red')
    const name = server.file.split('/').at(-1)!
    files.write(name, colourModel({ order: [1, 2, 0] }))
    server.child.kill('SIGHUP')
    for (let i = 0; i < 100 && (await label()) !== 'blue'; i++) await pause(50)
    assert.equal(await label(), 'blue')
    files.write(name, colourModel().subarray(0, 500))
    server.child.kill('SIGHUP')
    const refused = /^anneal_reloads_total\{result="refused"\} 1$/m
    await until('the refusal', async () => refused.test((await ask(server.port, '/metrics')).text), 20)
    assert.equal(await label(), 'blue')
  })
})

test('SIGTERM under load: ready fails first, live stays, no request is lost, exit 0', async () => {
  const server = await start(['--drain-wait', '1'])
  const red = await picture('red', 400, 300)
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const seen = { answers: 0, other: [] as string[], closed: 0, live: 0 }
  let ready = true
  // A balancer: it sends as long as the server says that it is ready.
  const client = async () => {
    while (ready) {
      const answer = await ask(server.port, '/predict', { body: red, agent }).catch((error: Error) => error)
      if (answer instanceof Error || answer.status !== 200)
        seen.other.push(answer instanceof Error ? answer.message : `${answer.status}`)
      else seen.answers++
      if (!(answer instanceof Error) && answer.headers.connection === 'close') seen.closed++
    }
  }
  const probe = async () => {
    while (ready) {
      await pause(100)
      ready = (await ask(server.port, '/v2/health/ready')).status === 200
    }
    seen.live = (await ask(server.port, '/v2/health/live')).status
  }
  const load = Promise.all([probe(), ...Array.from({ length: 16 }, client)])
  await until('21 answers', () => seen.answers + seen.other.length > 20, 30)
  server.child.kill('SIGTERM')
  await load
  const { code, stderr } = await server.ended
  assert.equal(code, 0, stderr)
  assert.deepEqual(seen.other, [], 'every request was answered')
  assert.ok(seen.answers > 20, `${seen.answers} answers`)
  assert.ok(seen.closed > 0, 'answers while draining close their connection')
  assert.equal(seen.live, 200)
  agent.destroy()
})

test('a request that is open at SIGTERM is answered; a second signal ends at once', async () => {
  const red = await picture('red', 40, 40)
  const polite = await start(['--drain-wait', '0'])
  const { port } = polite
  let sendRest = () => {}
  const open = raw(port, socket => {
    socket.write(`POST /predict HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-length: ${red.length}\r\n\r\n`)
    socket.write(red.subarray(0, 100))
    sendRest = () => void socket.write(red.subarray(100))
  })
  await until('the request to be open', async () => (await openRequests(port)) === 2, 20)
  polite.child.kill('SIGTERM')
  const drains = () =>
    ask(port, '/v2/health/ready').then(
      answer => answer.status !== 200,
      () => true,
    )
  await until('the server to drain', drains, 20)
  sendRest()
  assert.match((await open).text, /^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*"label":"10 red"/i)
  const answered = performance.now()
  assert.equal((await polite.ended).code, 0)
  assert.ok(performance.now() - answered < 10_000, `it ends ${performance.now() - answered} ms after the last answer`)

  const hasty = await start(['--drain-wait', '60', '--grace', '60'])
  const began = performance.now()
  hasty.child.kill('SIGTERM')
  await until('the server to drain', async () => (await ask(hasty.port, '/v2/health/ready')).status !== 200, 20)
  hasty.child.kill('SIGTERM')
  assert.equal((await hasty.ended).code, 143)
  assert.ok(performance.now() - began < 5000, `${performance.now() - began} ms`)
})

test('what can not be served is refused with what to do', async () => {
  const cut = files.write('cut.onnx', colourModel().subarray(0, 300))
  const foreign = files.write('foreign.onnx', Buffer.from('this is no model'))
  for (const [args, message] of [
    [['nowhere'], /nowhere: there is no such file or folder/],
    [[work.folder], /holds neither model\.onnx nor best\.json; expected the folder of a finished run/],
    [[cut], /cut\.onnx: it is cut off|can not load it/],
    [[foreign], /foreign\.onnx: it is (no|cut off)/],
    [[files.write('ok.onnx', colourModel()), '--port', '70000'], /--port: expected a whole number from 0 to 65535/],
    [[files.write('ok.onnx', colourModel()), '--max-batch', '0'], /--max-batch: expected a whole number from 1/],
    [[files.write('ok.onnx', colourModel()), '--token', 'a b'], /--token: expected visible ASCII/],
  ] as const) {
    const { code, stderr } = await work.run(['serve', ...args])
    assert.equal(code, 1, stderr)
    assert.match(stderr, message)
  }
  const first = await start()
  const { code, stderr } = await work.run(['serve', first.file, '--port', String(first.port)])
  assert.equal(code, 1)
  assert.match(stderr, /port \d+ on 127\.0\.0\.1 is in use; choose another one by --port/)
  first.child.kill('SIGTERM')
  await first.ended
})
