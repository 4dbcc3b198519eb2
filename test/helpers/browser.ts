import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Browser, Page } from 'playwright-core'
import { launch } from './chromium.ts'

/** A file of a site: its bytes and type, and the status and headers to answer with. */
export interface SiteFile {
  body: Uint8Array | string
  type: string
  status?: number
  headers?: Record<string, string>
}

/** A module of TypeScript as one script for browsers, with everything that it imports. */
export async function bundled(contents: string, options: { minify?: boolean; resolveDir?: string } = {}) {
  const { outputFiles } = await build({
    stdin: {
      contents,
      resolveDir: options.resolveDir ?? fileURLToPath(new URL('../..', import.meta.url)),
      loader: 'ts',
    },
    ...{ bundle: true, write: false, format: 'esm', target: 'es2022', platform: 'browser', logLevel: 'silent' },
    minify: options.minify ?? false,
  })
  return outputFiles[0]!.text
}

/** A browser, and a site of files on this machine. */
export async function openSite(
  files: ReadonlyMap<string, SiteFile>,
  args: readonly string[] = [],
): Promise<{
  url: string
  browser: Browser
  /** A page of the site. */
  open(path: string): Promise<Page>
  /** Addresses that were asked for and are not of the site. */
  foreign: string[]
  close(): Promise<void>
}> {
  const server: Server = createServer((request, response) => {
    const file = files.get(decodeURIComponent(new URL(request.url!, 'http://x').pathname))
    response.writeHead(file?.status ?? (file ? 200 : 404), {
      'content-type': file?.type ?? 'text/plain',
      ...file?.headers,
    })
    response.end(file?.body ?? 'nothing here')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const browser = await launch(args)
  const foreign: string[] = []
  return {
    url,
    browser,
    foreign,
    async open(path) {
      const page = await browser.newPage()
      page.on('request', request => {
        if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) foreign.push(request.url())
      })
      await page.goto(url + path)
      return page
    },
    async close() {
      await browser.close()
      server.close()
      server.closeAllConnections()
    },
  }
}

const dist = join(createRequire(import.meta.url).resolve('onnxruntime-web'), '..')

/** A file of onnxruntime-web's dist. */
export const ortFile = (name: string): SiteFile => ({
  body: readFileSync(join(dist, name)),
  type: name.endsWith('.wasm') ? 'application/wasm' : 'text/javascript',
})

/** A site with the runtime: `run` (its module), `bytes` and `text` (base64), `reason` (the error of some work). Its files:
 *  `/` a page, `/app.js`, `/model.onnx`, the .wasm file. More can be set. */
export async function runtimeSite(model: Uint8Array, args: readonly string[] = []) {
  const script = await bundled(`import * as run from './src/runtime/browser.ts'
    const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0))
    const text = data => {
      let all = ''
      for (let i = 0; i < data.length; i += 8192) all += String.fromCharCode(...data.subarray(i, i + 8192))
      return btoa(all)
    }
    const reason = work => work().then(() => 'no error', error => error.name + ': ' + error.message)
    Object.assign(globalThis, { run, bytes, text, reason })`)
  const files = new Map<string, SiteFile>([
    ['/', { body: '<!doctype html><title>test</title><script type=module src=/app.js></script>', type: 'text/html' }],
    ['/app.js', { body: script, type: 'text/javascript' }],
    ['/model.onnx', { body: model, type: 'application/octet-stream' }],
    ['/ort-wasm-simd-threaded.wasm', ortFile('ort-wasm-simd-threaded.wasm')],
  ])
  const site = await openSite(files, args)
  /** A page with the runtime. */
  const page = async () => {
    const page = await site.open('/')
    await page.waitForFunction('globalThis.run')
    return page
  }
  return { ...site, files, page }
}
