import { oneplatform } from './docker.ts'
import { type Files, packageJson, plainName, probeFiles, type TargetModel, unpublished, versionsOf } from './files.ts'

const dockerfile = `FROM public.ecr.aws/lambda/nodejs:22 AS packages
COPY package*.json *.tgz ./
# No package has to run a script: that of onnxruntime-node would fetch libraries for GPUs.
RUN npm install --omit=dev --ignore-scripts --no-audit --no-fund \\
 && ${oneplatform}

FROM public.ecr.aws/lambda/nodejs:22
ENV NODE_ENV=production
COPY --from=packages \${LAMBDA_TASK_ROOT}/node_modules ./node_modules
COPY package.json model.onnx handler.mjs ./
CMD ["handler.handler"]
`

const handler = `// Answers events of API Gateway (REST and HTTP APIs), function URLs and load balancers. The model is loaded once per instance.
import { fileURLToPath } from 'node:url'
import { createHandler, load } from 'anneal/serve'
import { handle } from 'hono/aws-lambda'

const model = await load(fileURLToPath(new URL('model.onnx', import.meta.url)))
const answer = await createHandler(model, {
  maxBytes: 6_000_000, // the most that Lambda takes; in base64 these are 4.5 MB of picture
  token: process.env.ANNEAL_TOKEN || undefined,
  log: line => console.error(line),
})
const byEvent = handle({ fetch: request => answer(request) })

/** HTTP APIs put the name of their stage before the path, unless it is $default. */
function withoutStage(event) {
  const stage = \`/\${event.requestContext?.stage}\`
  const { rawPath } = event
  if (rawPath === undefined || (rawPath !== stage && !rawPath.startsWith(\`\${stage}/\`))) return event
  return { ...event, rawPath: rawPath.slice(stage.length) || '/' }
}

export const handler = (event, context) => byEvent(withoutStage(event), context)
`

const test = `// Calls the handler with an event as each front door sends it, and compares the answers to the probe picture with those that
// the exported model gave: npm install --ignore-scripts && node --test test.mjs
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { handler } from './handler.mjs'

const at = name => new URL(name, import.meta.url)
const host = 'abc.example.com'
const token = process.env.ANNEAL_TOKEN
const sent = { host, 'content-type': 'image/png', ...(token ? { authorization: \`Bearer \${token}\` } : {}) }
const many = Object.fromEntries(Object.entries(sent).map(([name, value]) => [name, [value]]))

/** Events by their front door. \`query\`: without the question mark. */
const events = {
  'function URL': ({ method, path, query, body }) => ({
    version: '2.0', routeKey: '$default', rawPath: path, rawQueryString: query, headers: sent, isBase64Encoded: true, body,
    requestContext: { domainName: host, stage: '$default', http: { method, path, protocol: 'HTTP/1.1' } },
  }),
  'HTTP API with a stage': ({ method, path, query, body }) => ({
    version: '2.0', routeKey: 'ANY /{proxy+}', rawPath: \`/prod\${path}\`, rawQueryString: query, headers: sent, isBase64Encoded: true, body,
    requestContext: { domainName: host, stage: 'prod', http: { method, path: \`/prod\${path}\`, protocol: 'HTTP/1.1' } },
  }),
  'REST API': ({ method, path, query, body }) => ({
    resource: '/{proxy+}', path, httpMethod: method, headers: sent, multiValueHeaders: many, isBase64Encoded: true, body,
    queryStringParameters: Object.fromEntries(new URLSearchParams(query)),
    multiValueQueryStringParameters: Object.fromEntries([...new URLSearchParams(query)].map(([name, value]) => [name, [value]])),
    requestContext: { domainName: host, stage: 'prod', path: \`/prod\${path}\`, httpMethod: method },
  }),
  'load balancer': ({ method, path, query, body }) => ({
    httpMethod: method, path, queryStringParameters: Object.fromEntries(new URLSearchParams(query)), headers: sent, isBase64Encoded: true, body,
    requestContext: { elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:x:1:targetgroup/a/b' } },
  }),
}

for (const [door, event] of Object.entries(events))
  test(door, async () => {
    const ready = await handler(event({ method: 'GET', path: '/v2/health/ready', query: '', body: null }), {})
    assert.equal(ready.statusCode, 200, ready.body)
    const none = await handler(event({ method: 'POST', path: '/predict', query: '', body: Buffer.from('no picture').toString('base64') }), {})
    assert.equal(none.statusCode, 415, none.body)
    if (!existsSync(at('probe.png'))) return
    const { outputs, tolerance } = JSON.parse(readFileSync(at('probe.json'), 'utf8'))
    const names = Object.keys(outputs)
    const body = readFileSync(at('probe.png')).toString('base64')
    const result = await handler(event({ method: 'POST', path: '/predict', query: \`top=\${names.length}\`, body }), {})
    assert.equal(result.statusCode, 200, result.body)
    const answer = JSON.parse(result.isBase64Encoded ? Buffer.from(result.body, 'base64').toString() : result.body)
    const got = answer.probabilities ?? answer.values
    for (const name of names)
      assert.ok(
        Math.abs(got[name] - outputs[name]) <= tolerance * Math.max(1, Math.abs(outputs[name])),
        \`\${name}: got \${got[name]}, the exported model gave \${outputs[name]}\`,
      )
  })
`

/** A folder for a container image on AWS Lambda. */
export async function lambdaFiles({ card }: TargetModel): Promise<Files> {
  const name = plainName(card.name)
  return {
    Dockerfile: dockerfile,
    '.dockerignore': ['node_modules', 'README.md', 'test.mjs', 'probe.*', 'Dockerfile', '.dockerignore', ''].join('\n'),
    'package.json': packageJson(`${name}-lambda`, {
      scripts: { test: 'node --test test.mjs' },
      dependencies: versionsOf(['anneal', 'hono', 'onnxruntime-node'], card),
    }),
    'handler.mjs': handler,
    'test.mjs': test,
    'README.md': readme(name),
    ...(await probeFiles(card)),
  }
}

const readme = (name: string) => `# ${name} on AWS Lambda

A container image whose handler answers events of function URLs, HTTP APIs, REST APIs and load balancers.

\`\`\`sh
npm install --ignore-scripts && node --test test.mjs     # calls the handler with recorded events
docker build --provenance=false --platform linux/amd64 -t ${name} .
docker tag ${name} ACCOUNT.dkr.ecr.REGION.amazonaws.com/${name}:latest
docker push ACCOUNT.dkr.ecr.REGION.amazonaws.com/${name}:latest
export ANNEAL_TOKEN=$(openssl rand -hex 24)
aws lambda create-function --function-name ${name} --package-type Image --memory-size 1769 --timeout 30 \\
  --code ImageUri=ACCOUNT.dkr.ecr.REGION.amazonaws.com/${name}:latest --role arn:aws:iam::ACCOUNT:role/ROLE \\
  --environment "Variables={ANNEAL_TOKEN=$ANNEAL_TOKEN}"
aws lambda create-function-url-config --function-name ${name} --auth-type NONE
curl -H "authorization: Bearer $ANNEAL_TOKEN" --data-binary @cat.jpg https://ID.lambda-url.REGION.on.aws/predict
\`\`\`

- Lambda takes requests of 6 MB, so pictures of up to 4.5 MB (base64 adds a third).
- Without ANNEAL_TOKEN, whoever has the address gets answers; or take \`--auth-type AWS_IAM\`.
- A REST API hands pictures over only if its binary media types have \`*/*\`.
- 1769 MB of memory are one processor. An instance loads the model once, before its first answer.
- \`/metrics\` counts for one instance alone.
- For ARM: \`--platform linux/arm64\` and \`--architectures arm64\`.

${unpublished(['anneal'])}`
