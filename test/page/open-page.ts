import type { TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import { visit } from '../helpers/chromium.ts'

/** Opens a page that holds its model, and waits until it is ready. */
export async function openPage(...given: Parameters<typeof visit>): ReturnType<typeof visit> {
  const opened = await visit(...given)
  await opened.page.getByText('Ready.').waitFor()
  return opened
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
