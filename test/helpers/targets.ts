// What runs the folders of `anneal export --to` in tests: the packages that they ask for as links, the command of the container, and
// the worker as a bundler makes it.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The path of a file in a folder. */
export type At = (...parts: string[]) => string

const running: ChildProcess[] = []
/** Ends the servers that were started. */
export function endServers(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** Links the packages that a folder's package.json asks for; returns what it says. */
export function linkPackages(at: At): { dependencies: Record<string, string> } {
  const about = JSON.parse(readFileSync(at('package.json'), 'utf8'))
  for (const name of Object.keys(about.dependencies)) {
    const to = at('node_modules', name)
    mkdirSync(dirname(to), { recursive: true })
    symlinkSync(name === 'anneal' ? root : join(root, 'node_modules', name), to)
  }
  return about
}

/** The words of an instruction in JSON form. */
export const words = (dockerfile: string, instruction: string): string[] =>
  JSON.parse(new RegExp(`^(?:.* )?${instruction} (\\[.*\\])$`, 'm').exec(dockerfile)![1]!)

/** Starts what the container would run, on a free port. */
export async function started(at: At, env: NodeJS.ProcessEnv = {}) {
  const [command, ...args] = words(readFileSync(at('Dockerfile'), 'utf8'), 'ENTRYPOINT')
  const child = spawn(command!, [...args, '--port', '0', '--threads', '1', '--drain-wait', '0'], {
    cwd: at(),
    env: { PATH: process.env.PATH, HOME: '/nonexistent', NODE_ENV: 'production', ...env },
  })
  running.push(child)
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<number | null>(resolve => child.on('close', resolve))
  const port = await new Promise<string>((resolve, reject) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more
      const found = /^address .*:(\d+)$/m.exec(text)?.[1]
      if (found && text.includes('access')) resolve(found)
    })
    void ended.then(code => reject(new Error(`it ended with ${code}: ${stderr}`)))
  })
  return { child, ended, port, url: `http://127.0.0.1:${port}`, stderr: () => stderr }
}

/** The worker as a bundler makes it, for Node: its .wasm file as a compiled module, its decoder of JPEG files by sharp. */
export async function bundled(at: At) {
  if (existsSync(at('jpeg.mjs')))
    writeFileSync(
      at('jpeg.mjs'),
      `import sharp from ${JSON.stringify(import.meta.resolve('sharp'))}
export async function decodeJpeg(bytes) {
  const { data, info } = await sharp(bytes).autoOrient().ensureAlpha().raw().toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height, channels: 4 }
}`,
    )
  await build({
    entryPoints: [at('worker.mjs')],
    outfile: at('bundle', 'worker.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    external: ['node:*', 'module', 'worker_threads', 'file:*'],
    alias: { '@anneal/run/edge': join(root, 'src/runtime/edge.ts') },
    nodePaths: [join(root, 'node_modules')],
    logLevel: 'error',
    plugins: [
      {
        name: 'wasm',
        setup({ onLoad }) {
          onLoad({ filter: /\.wasm$/ }, ({ path }) => ({
            contents: `import { readFileSync } from 'node:fs'\nexport default new WebAssembly.Module(readFileSync(${JSON.stringify(path)}))`,
            loader: 'js',
          }))
        },
      },
    ],
  })
  const { default: worker } = await import(at('bundle', 'worker.mjs'))
  const assets = {
    fetch: async (url: string) => new Response(readFileSync(at('assets', new URL(url).pathname.slice(1)))),
  }
  return (path: string, init: RequestInit = {}, env: object = {}): Promise<Response> =>
    worker.fetch(new Request(`https://x.example.com${path}`, init), { ASSETS: assets, ...env })
}
