// Writes src/onnx/onnx.generated.ts from ONNX's schema, src/onnx/onnx.proto (ONNX 1.x, Apache-2.0). Run it after the
// schema has changed; it needs two packages that nothing else needs:
//   npm install --no-save --ignore-scripts @bufbuild/buf@1.75.0 @bufbuild/protoc-gen-es@2.17.0 && node tools/gen-onnx.mjs
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = name => join(root, 'node_modules/.bin', name)
const folder = mkdtempSync(join(tmpdir(), 'gen-onnx-'))
try {
  cpSync(join(root, 'src/onnx/onnx.proto'), join(folder, 'protos/onnx.proto'))
  const template = {
    version: 'v2',
    inputs: [{ directory: join(folder, 'protos') }],
    plugins: [{ local: bin('protoc-gen-es'), out: join(folder, 'out'), opt: ['target=ts', 'import_extension=none'] }],
  }
  execFileSync(bin('buf'), ['generate', '--template', JSON.stringify(template)], { cwd: folder, stdio: 'inherit' })
  const text = readFileSync(join(folder, 'out/onnx_pb.ts'), 'utf8')
  writeFileSync(join(root, 'src/onnx/onnx.generated.ts'), erasable(text))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

// TypeScript's enums are code; our sources allow only what can be erased.
function erasable(text) {
  return text.replace(/export enum (\w+) \{\n([\s\S]*?)\n\}/g, (_, name, body) => {
    const members = body.replace(/^( {2}\w+) = (-?\d+),$/gm, '$1: $2,')
    return `export const ${name} = {\n${members}\n} as const\nexport type ${name} = (typeof ${name})[keyof typeof ${name}]`
  })
}
