import { type Files, json } from './files.ts'
import type { Probes } from './kinds/kind.ts'

/** The files that the test of a folder sends, and `probe.json`, which says what is expected. */
export const probeFiles = ({ tolerance, probes, files }: Probes): Files =>
  probes.length === 0 ? {} : { ...files, 'probe.json': json({ tolerance, probes }) }

/** The names of what a test needs and a container does not. */
export const testFiles = ['test.mjs', 'probe.*']

/** What both tests have: the requests of probe.json, and the comparison of an answer. */
const shared = `const at = name => new URL(name, import.meta.url)
const token = process.env.ANNEAL_TOKEN
const { tolerance, probes } = existsSync(at('probe.json'))
  ? JSON.parse(readFileSync(at('probe.json'), 'utf8'))
  : { probes: [] }

/** The type and the body of a request. */
const requestOf = ({ file, type, body }) =>
  file ? { type, body: readFileSync(at(file)) } : { type: 'application/json', body: Buffer.from(JSON.stringify(body)) }

/** Throws for an answer that is not the expected one. */
function compare({ outputs }, answer, which) {
  const got = answer.probabilities ?? answer.values
  for (const [name, expected] of Object.entries(outputs)) {
    const off = Math.abs(got[name] - expected)
    if (!(off <= tolerance * Math.max(1, Math.abs(expected))))
      throw new Error(\`request \${which}, \${name}: got \${got[name]}, the exported model gave \${expected}\`)
  }
}
`

/** A test of a server: it answers the requests of probe.json as the card says. */
export const serverTest = `// Asks a server for its answers to the requests of probe.json, and compares them with those that the exported model gave.
//
//   node test.mjs http://localhost:8080      (ANNEAL_TOKEN: the server's token)
import { existsSync, readFileSync } from 'node:fs'

${shared}
const url = (process.argv[2] ?? 'http://localhost:8080').replace(/\\/+$/, '')
const ready = await fetch(\`\${url}/v2/health/ready\`)
if (!ready.ok) throw new Error(\`the server is not ready: \${ready.status}\`)
for (const [i, probe] of probes.entries()) {
  const { type, body } = requestOf(probe)
  const headers = { 'content-type': type, ...(token ? { authorization: \`Bearer \${token}\` } : {}) }
  const top = Object.keys(probe.outputs).length
  const response = await fetch(\`\${url}/predict?top=\${top}\`, { method: 'POST', headers, body })
  const answer = await response.json()
  if (!response.ok) throw new Error(\`request \${i + 1}: \${response.status}: \${answer.error}\`)
  compare(probe, answer, i + 1)
}
console.log(\`the server answers as the exported model did (\${probes.length} requests)\`)
`

/** A test of a handler for AWS Lambda, which gets the events of each front door. */
export const lambdaTest = `// Calls the handler with an event as each front door sends it, and compares the answers to the requests of probe.json with those
// that the exported model gave: npm install --ignore-scripts && node --test test.mjs
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { handler } from './handler.mjs'

${shared}
const host = 'abc.example.com'
const headersOf = type => ({ host, 'content-type': type, ...(token ? { authorization: \`Bearer \${token}\` } : {}) })
const many = headers => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))

/** Events by their front door. \`query\`: without the question mark. */
const events = {
  'function URL': ({ method, path, query, body, headers }) => ({
    version: '2.0', routeKey: '$default', rawPath: path, rawQueryString: query, headers, isBase64Encoded: true, body,
    requestContext: { domainName: host, stage: '$default', http: { method, path, protocol: 'HTTP/1.1' } },
  }),
  'HTTP API with a stage': ({ method, path, query, body, headers }) => ({
    version: '2.0', routeKey: 'ANY /{proxy+}', rawPath: \`/prod\${path}\`, rawQueryString: query, headers, isBase64Encoded: true, body,
    requestContext: { domainName: host, stage: 'prod', http: { method, path: \`/prod\${path}\`, protocol: 'HTTP/1.1' } },
  }),
  'REST API': ({ method, path, query, body, headers }) => ({
    resource: '/{proxy+}', path, httpMethod: method, headers, multiValueHeaders: many(headers), isBase64Encoded: true, body,
    queryStringParameters: Object.fromEntries(new URLSearchParams(query)),
    multiValueQueryStringParameters: Object.fromEntries([...new URLSearchParams(query)].map(([name, value]) => [name, [value]])),
    requestContext: { domainName: host, stage: 'prod', path: \`/prod\${path}\`, httpMethod: method },
  }),
  'load balancer': ({ method, path, query, body, headers }) => ({
    httpMethod: method, path, queryStringParameters: Object.fromEntries(new URLSearchParams(query)), headers, isBase64Encoded: true, body,
    requestContext: { elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:x:1:targetgroup/a/b' } },
  }),
}

for (const [door, event] of Object.entries(events))
  test(door, async () => {
    const ready = await handler(event({ method: 'GET', path: '/v2/health/ready', query: '', body: null, headers: headersOf('text/plain') }), {})
    assert.equal(ready.statusCode, 200, ready.body)
    const post = (query, type, body) =>
      handler(event({ method: 'POST', path: '/predict', query, body: body.toString('base64'), headers: headersOf(type) }), {})
    const none = await post('', 'application/x-unknown', Buffer.from('nothing that it takes'))
    assert.equal(none.statusCode, 415, none.body)
    for (const [i, probe] of probes.entries()) {
      const { type, body } = requestOf(probe)
      const result = await post(\`top=\${Object.keys(probe.outputs).length}\`, type, body)
      assert.equal(result.statusCode, 200, result.body)
      const text = result.isBase64Encoded ? Buffer.from(result.body, 'base64').toString() : result.body
      compare(probe, JSON.parse(text), i + 1)
    }
  })
`
