// What the pages of all kinds share: how scores are shown.

/** Functions of a page's script: `element`, `bars` and `numbers` (tables of scores), `entriesOf` (the scores of an answer in
 *  their order). */
export const scoreScript = `const element = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text, ...more })

const bars = scores => {
  const table = document.createElement('table')
  const body = table.appendChild(document.createElement('tbody'))
  for (const [name, value] of scores) {
    const row = body.appendChild(document.createElement('tr'))
    row.append(element('th', name, { scope: 'row' }), element('td', (100 * value).toFixed(1) + ' %'))
    const bar = row.appendChild(document.createElement('td'))
    const meter = bar.appendChild(Object.assign(document.createElement('meter'), { max: 1, value }))
    meter.setAttribute('aria-hidden', 'true')
  }
  return table
}

const numbers = values => {
  const table = document.createElement('table')
  const body = table.appendChild(document.createElement('tbody'))
  for (const [name, value] of values) {
    const row = body.appendChild(document.createElement('tr'))
    row.append(element('th', name, { scope: 'row' }), element('td', String(value)))
  }
  return table
}

const entriesOf = text => {
  // JSON.parse would put class names such as 10 before 2; the order of the answer is kept.
  const inner = /"(?:probabilities|values)":(\\{(?:[^"{}]|"(?:[^"\\\\]|\\\\.)*")*\\})/.exec(text)
  if (!inner) return []
  return [...inner[1].matchAll(/("(?:[^"\\\\]|\\\\.)*"):([^,}]+)/g)].map(([, name, value]) => [JSON.parse(name), Number(value)])
}
`

/** The style of scores and of the command below. */
export const scoreStyle = `table { width: 100%; border-collapse: collapse; font-size: 14.5px; font-variant-numeric: tabular-nums; margin: 0 0 8px; }
th { text-align: left; font-weight: 400; overflow-wrap: anywhere; } td { white-space: nowrap; text-align: right; padding-left: 10px; width: 1%; }
meter { width: 110px; height: 10px; vertical-align: middle; }
pre { background: var(--paper); border: 1px solid var(--line); border-radius: 7px; padding: 10px 14px; overflow-x: auto; font: 13.5px/1.5 ui-monospace, Menlo, Consolas, monospace; }`
