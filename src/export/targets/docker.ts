import { type Files, installed, packageJson, plainName, type TargetModel, unpublished, versionsOf } from './files.ts'
import { kindOf } from './kinds/index.ts'
import { probeFiles, serverTest, testFiles } from './tests.ts'

/** The commands that leave only one platform's libraries of onnxruntime-node, whose package has those of all. */
export const oneplatform = `cd node_modules/onnxruntime-node/bin/napi-v6 && rm -rf darwin win32 \\
 && if [ "$(uname -m)" = aarch64 ]; then rm -rf linux/x64; else rm -rf linux/arm64; fi`

/** What a container does not need. */
export const dockerIgnore = ['node_modules', 'README.md', ...testFiles, 'Dockerfile', '.dockerignore', ''].join('\n')

/** The notes of a README as items of its list. */
export const list = (notes: readonly string[]): string => notes.map(note => `- ${note}\n`).join('')

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

/** A folder for \`docker build\`: a container with \`anneal serve\`, without libtorch. */
export async function dockerFiles({ card }: TargetModel): Promise<Files> {
  const name = plainName(card.name)
  const kind = kindOf(card)
  return {
    Dockerfile: dockerfile,
    '.dockerignore': dockerIgnore,
    'package.json': packageJson(`${name}-server`, {
      scripts: { start: 'anneal serve model.onnx', test: 'node test.mjs' },
      dependencies: versionsOf(['anneal', 'onnxruntime-node', ...installed(kind.packages)], card),
    }),
    'test.mjs': serverTest,
    'README.md': readme(name, { curl: kind.curl(card), notes: kind.notes }),
    ...probeFiles(await kind.probes(card)),
  }
}

const readme = (name: string, { curl, notes }: { curl: string; notes: readonly string[] }) => `# ${name} in a container

\`\`\`sh
docker build -t ${name} .
export ANNEAL_TOKEN=$(openssl rand -hex 24)
docker run --rm -p 8080:8080 -e ANNEAL_TOKEN ${name}
curl -H "authorization: Bearer $ANNEAL_TOKEN" ${curl} localhost:8080/predict
node test.mjs http://localhost:8080          # compares the answers to the requests of probe.json with those of the exported model
\`\`\`

Without ANNEAL_TOKEN the server is open to all who reach the port. Options of \`anneal serve\` follow the name of the image:
\`docker run … ${name} --max-batch 16\`. Without a container: \`npm install --ignore-scripts && npm start\`.

${list(notes)}- The image has Node and onnxruntime, and no libtorch or Python. It runs as the user \`node\` and writes no file, so
  \`--read-only\` is fine.
- \`/v2/health/live\` and \`/v2/health/ready\` are for probes, \`/metrics\` is for Prometheus.
- SIGTERM: the server finishes its open requests, within 25 seconds. Docker kills after 10, so stop it by \`docker stop -t 30\`.
- node:22-slim has glibc, which onnxruntime-node needs. It does not run on Alpine.
- A new model: export it into this folder again and build. Files that you changed are kept.

${unpublished(['anneal'])}`
