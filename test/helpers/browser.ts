import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type Browser, chromium, type Page } from 'playwright-core'

const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The path of a browser, if there is one. */
export const browserPath = [...places, chromium.executablePath()].find(path => path && existsSync(path))

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
export async function openSite(files: ReadonlyMap<string, SiteFile>): Promise<{
  url: string
  browser: Browser
  /** A page of the site; what it prints as errors is thrown by `close`. */
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
  const browser = await chromium.launch({ executablePath: browserPath!, args: ['--no-sandbox'] })
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
