import { type Files, packageJson, plainName, probeFiles, type TargetModel, unpublished, versionsOf } from './files.ts'

/** The commands that leave only one platform's libraries of onnxruntime-node, whose package has those of all. */
export const oneplatform = `cd node_modules/onnxruntime-node/bin/napi-v6 && rm -rf darwin win32 \\
 && if [ "$(uname -m)" = aarch64 ]; then rm -rf linux/x64; else rm -rf linux/arm64; fi`

const health =
  "fetch('http://127.0.0.1:8080/v2/health/ready').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"

const dockerfile = `FROM node:22-slim AS packages
WORKDIR /app
COPY package*.json *.tgz ./
# No package has to run a script: that of onnxruntime-node would fetch libraries for GPUs.
RUN npm install --omit=dev --ignore-scripts --no-audit --no-fund \\
 && ${oneplatform}

FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json model.onnx ./
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "-e", "${health}"]
ENTRYPOINT ["node", "node_modules/anneal/bin/anneal.mjs", "serve", "model.onnx", "--host", "0.0.0.0", "--port", "8080"]
`

/** A test of a server: it answers the probe picture as the card says. */
export const serverTest = `// Asks a server for its answer to the probe picture, and compares it with the one that the exported model gave.
//
//   node test.mjs http://localhost:8080      (ANNEAL_TOKEN: the server's token)
import { existsSync, readFileSync } from 'node:fs'

const url = (process.argv[2] ?? 'http://localhost:8080').replace(/\\/+$/, '')
const at = name => new URL(name, import.meta.url)
const token = process.env.ANNEAL_TOKEN
const headers = token ? { authorization: \`Bearer \${token}\` } : {}

const ready = await fetch(\`\${url}/v2/health/ready\`)
if (!ready.ok) throw new Error(\`the server is not ready: \${ready.status}\`)
if (existsSync(at('probe.png'))) {
  const { outputs, tolerance } = JSON.parse(readFileSync(at('probe.json'), 'utf8'))
  const names = Object.keys(outputs)
  const body = readFileSync(at('probe.png'))
  const response = await fetch(\`\${url}/predict?top=\${names.length}\`, { method: 'POST', headers, body })
  const answer = await response.json()
  if (!response.ok) throw new Error(\`\${response.status}: \${answer.error}\`)
  const got = answer.probabilities ?? answer.values
  for (const name of names) {
    const off = Math.abs(got[name] - outputs[name])
    if (!(off <= tolerance * Math.max(1, Math.abs(outputs[name]))))
      throw new Error(\`\${name}: got \${got[name]}, the exported model gave \${outputs[name]}\`)
  }
}
console.log('the server answers as the exported model did')
`

/** A folder for \`docker build\`: a container with \`anneal serve\`, without libtorch. */
export async function dockerFiles({ card }: TargetModel): Promise<Files> {
  const name = plainName(card.name)
  return {
    Dockerfile: dockerfile,
    '.dockerignore': ['node_modules', 'README.md', 'test.mjs', 'probe.*', 'Dockerfile', '.dockerignore', ''].join('\n'),
    'package.json': packageJson(`${name}-server`, {
      scripts: { start: 'anneal serve model.onnx', test: 'node test.mjs' },
      dependencies: versionsOf(['anneal', 'onnxruntime-node'], card),
    }),
    'test.mjs': serverTest,
    'README.md': readme(name),
    ...(await probeFiles(card)),
  }
}

const readme = (name: string) => `# ${name} in a container

\`\`\`sh
docker build -t ${name} .
export ANNEAL_TOKEN=$(openssl rand -hex 24)
docker run --rm -p 8080:8080 -e ANNEAL_TOKEN ${name}
curl -H "authorization: Bearer $ANNEAL_TOKEN" --data-binary @cat.jpg localhost:8080/predict
node test.mjs http://localhost:8080          # compares the answer to probe.png with that of the exported model
\`\`\`

Without ANNEAL_TOKEN the server is open to all who reach the port. Options of \`anneal serve\` follow the name of the image:
\`docker run … ${name} --max-batch 16\`. Without a container: \`npm install --ignore-scripts && npm start\`.

- The image has Node, onnxruntime and sharp, and no libtorch or Python. It runs as the user \`node\` and writes no file, so
  \`--read-only\` is fine.
- \`/v2/health/live\` and \`/v2/health/ready\` are for probes, \`/metrics\` is for Prometheus.
- SIGTERM: the server finishes its open requests, within 25 seconds. Docker kills after 10, so stop it by \`docker stop -t 30\`.
- node:22-slim has glibc, which onnxruntime-node needs. It does not run on Alpine.
- A new model: export it into this folder again and build. Files that you changed are kept.

${unpublished(['anneal'])}`
