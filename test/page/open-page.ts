import type { TestContext } from 'node:test'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { browserPath } from '../helpers/browser.ts'

/** Starts the browser of this machine. */
export const launch = (args: readonly string[] = []): Promise<Browser> =>
  chromium.launch({ executablePath: browserPath!, args: ['--no-sandbox', ...args] })

/** Opens a page that holds its model, and waits until it is ready. `wrong`: errors, refusals of its policy, and requests to
 *  others: none of them may be there at the end. */
export async function openPage(
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
  await page.getByText('Ready.').waitFor()
  return { page, wrong }
}

/** Whether nothing of a page is wider than a phone. */
export async function fitsPhone(page: Page): Promise<boolean> {
  await page.setViewportSize({ width: 320, height: 700 })
  return page.evaluate('document.documentElement.scrollWidth <= innerWidth')
}

/** Takes pictures of a page where ANNEAL_SHOTS names a folder: wide and narrow, light and dark. */
export async function shots(page: Page, name: string): Promise<void> {
  const folder = process.env.ANNEAL_SHOTS
  if (folder === undefined) return
  for (const colorScheme of ['light', 'dark'] as const)
    for (const [size, width] of [
      ['wide', 1000],
      ['narrow', 360],
    ] as const) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 800 })
      await page.screenshot({ path: `${folder}/${name}-${size}-${colorScheme}.png`, fullPage: true })
    }
}

/** What stands in the table of the answer: name and number. */
export const answerRows = (page: Page): Promise<Record<string, string>> =>
  page
    .locator('#answer table')
    .evaluate(table =>
      Object.fromEntries(
        [...table.querySelectorAll('tr')].map(row => [
          row.querySelector('th')!.textContent!,
          row.querySelector('td.value')!.textContent!,
        ]),
      ),
    )

/** What the command prints from here on. The results of tests, which go through the same stream as bytes, pass. */
export function printed(t: TestContext): () => string {
  let out = ''
  const write = process.stdout.write.bind(process.stdout)
  t.mock.method(process.stdout, 'write', (text: string | Uint8Array) => {
    if (typeof text !== 'string') return write(text)
    out += text
    return true
  })
  return () => {
    const all = out
    out = ''
    return all
  }
}
