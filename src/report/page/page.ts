import { basename } from 'node:path'
import type { RunRecord } from '../../runs/index.ts'
import type { Material } from '../facts/material.ts'
import { data, making } from '../sections/data-and-settings.ts'
import { header } from '../sections/headline.ts'
import { judged } from '../sections/pictures.ts'
import { results, training } from '../sections/results.ts'
import { tableSections } from '../sections/table.ts'
import { name } from './components.ts'
import { html, raw } from './html.ts'
import { style } from './style.ts'

/** The whole page: no script, no address that a browser would fetch. */
export function page(material: Material): string {
  const { record } = material
  const title = `${basename(record.config?.data ?? '') || record.name} · ${record.config?.model ?? 'Anneal'}`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; ${material.facts.sounds.length > 0 && raw('media-src data:; ')}style-src 'unsafe-inline'">
<meta name="generator" content="Anneal ${record.config?.anneal ?? ''}">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${raw(style)}</style>
</head>
<body>
<main>
${header(material)}
${training(material)}
${material.facts.table ? tableSections(material) : [results(material), judged(material), data(material)]}
${making(material)}
<footer>${footer(record)}</footer>
</main>
</body>
</html>
`.markup
}

const footer = (record: RunRecord) =>
  html`Made from ${name(record.name)} by Anneal ${record.config?.anneal ?? ''}. The charts are also in <code>plots/</code> as SVG and PNG; the numbers in <code>metrics.csv</code> and <code>events.jsonl</code>.`
