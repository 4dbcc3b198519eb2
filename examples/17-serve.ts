/** A server that says what is in a picture: POST an image file, get JSON. The net computes in a thread of its own, so that the
 *  server answers others meanwhile. Run: node --import tsx examples/17-serve.ts RUN [PORT]
 *  Then: curl --data-binary @kitten.jpg http://127.0.0.1:8080/ */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AnnealError, loadClassifier } from '../src/index.ts'

const [run = 'runs/latest', port = '8080'] = process.argv.slice(2)
const mostBytes = 20e6
const classifier = loadClassifier(run)
await classifier.ready() // now, not with the first request

const server = createServer(async (request, response) => {
  const length = Number(request.headers['content-length'])
  if (request.method !== 'POST') return answer(response, 405, { error: 'POST an image file' })
  if (!(length >= 0)) return answer(response, 411, { error: 'say how long it is (Content-Length)' })
  if (length > mostBytes) return answer(response, 413, { error: `expected at most ${mostBytes} bytes, got ${length}` })
  const left = new AbortController()
  response.once('close', () => left.abort()) // who has left needs no answer
  try {
    const { file: _, index: __, scores: ___, ...found } = await classifier.predict(request, { signal: left.signal })
    answer(response, 200, found)
  } catch (error) {
    if (left.signal.aborted) return
    // What Anneal says is of the picture; anything else is for the log.
    if (error instanceof AnnealError) return answer(response, 400, { error: error.message })
    console.error(error)
    answer(response, 500, { error: 'the picture could not be predicted' })
  }
})

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', ...(status > 400 ? { connection: 'close' } : {}) })
  response.end(`${JSON.stringify(body)}\n`)
}

server.listen(Number(port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
})
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    // Requests that are under way are answered; then nothing keeps the process.
    server.close(() => void classifier.close())
    server.closeIdleConnections()
  })
