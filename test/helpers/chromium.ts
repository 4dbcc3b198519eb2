import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The browser of this machine; undefined if it has none. */
export const executablePath = [...places, chromium.executablePath()].find(path => path && existsSync(path))

/** Starts it, with a camera that shows a moving picture. */
export const startChromium = () =>
  chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  })
