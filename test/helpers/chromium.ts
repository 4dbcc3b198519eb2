import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The browser of this machine; undefined if it has none. */
export const browserPath = [...places, chromium.executablePath()].find(path => path && existsSync(path))

/** Starts the browser of this machine. */
export const launch = (args: readonly string[] = []): Promise<Browser> =>
  chromium.launch({ executablePath: browserPath!, args: ['--no-sandbox', ...args] })

/** Arguments for a camera that shows a moving picture, and a microphone. */
export const camera = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']

/** Opens a page. `wrong`: errors, refusals of its policy, and requests to others: none of them may be there at the end. */
export async function visit(
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; wrong: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1000, height: 900 }, ...options })
  const page = await context.newPage()
  const wrong: string[] = []
  const home = new URL(address)
  page.on('pageerror', error => wrong.push(String(error)))
  page.on('console', message => message.type() === 'error' && wrong.push(message.text()))
  page.on('request', request => {
    const url = new URL(request.url())
    const own = home.protocol === 'file:' ? url.href === home.href : url.origin === home.origin
    if (!own && !['blob:', 'data:'].includes(url.protocol)) wrong.push(url.href)
  })
  await page.goto(address)
  return { page, wrong }
}

/** Opens a page in a browser of its own, and closes both after `work`. Returns what was wrong. */
export async function visited(address: string, work: (page: Page) => Promise<void>): Promise<string[]> {
  const browser = await launch()
  try {
    const { page, wrong } = await visit(browser, address)
    await work(page)
    return wrong
  } finally {
    await browser.close()
  }
}
