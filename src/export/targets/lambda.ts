import { dockerIgnore, list, oneplatform } from './docker.ts'
import { type Files, installed, packageJson, plainName, type TargetModel, unpublished, versionsOf } from './files.ts'
import { kindOf } from './kinds/index.ts'
import { lambdaTest, probeFiles } from './tests.ts'

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
  maxBytes: 6_000_000, // the most that Lambda takes; a binary body comes in base64, so it has 4.5 MB
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

/** A folder for a container image on AWS Lambda. */
export async function lambdaFiles({ card }: TargetModel): Promise<Files> {
  const name = plainName(card.name)
  const kind = kindOf(card)
  return {
    Dockerfile: dockerfile,
    '.dockerignore': dockerIgnore,
    'package.json': packageJson(`${name}-lambda`, {
      scripts: { test: 'node --test test.mjs' },
      dependencies: versionsOf(['anneal', 'hono', 'onnxruntime-node', ...installed(kind.packages)], card),
    }),
    'handler.mjs': handler,
    'test.mjs': lambdaTest,
    'README.md': readme(name, { ...kind, curl: kind.curl(card) }),
    ...probeFiles(await kind.probes(card)),
  }
}

const readme = (
  name: string,
  { curl, notes, lambdaLimit }: { curl: string; notes: readonly string[]; lambdaLimit: string },
) => `# ${name} on AWS Lambda

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
curl -H "authorization: Bearer $ANNEAL_TOKEN" ${curl} https://ID.lambda-url.REGION.on.aws/predict
\`\`\`

${list(notes)}- Lambda takes requests of 6 MB: ${lambdaLimit}.
- Without ANNEAL_TOKEN, whoever has the address gets answers; or take \`--auth-type AWS_IAM\`.
- A REST API hands pictures over only if its binary media types have \`*/*\`.
- 1769 MB of memory are one processor. An instance loads the model once, before its first answer.
- \`/metrics\` counts for one instance alone.
- For ARM: \`--platform linux/arm64\` and \`--architectures arm64\`.

${unpublished(['anneal'])}`
