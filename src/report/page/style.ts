/** The page's style sheet: light, dark, small screens and paper. */
export const style = `
:root {
  color-scheme: light;
  --paper: #ffffff; --ground: #f6f7f9; --text: #1c2128; --soft: #5b6675; --line: #dfe3e8;
  --good: #12754f; --bad: #b93a0a; --warn: #8a5a00; --warn-ground: #fff7e0; --on: #ffffff;
  --hue1: #2563eb; --hue2: #d9480f; --hue3: #0f8a6d; --hue4: #9333c9; --hue5: #a86a12; --hue6: #c2255c;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --paper: #171b21; --ground: #0e1116; --text: #e4e8ee; --soft: #98a3b3; --line: #2c333d;
    --good: #4cc38a; --bad: #ff8a5c; --warn: #f0c05a; --warn-ground: #2b2412; --on: #0e1116;
    --hue1: #6ea8ff; --hue2: #ff9a5c; --hue3: #3fcaa4; --hue4: #c792f5; --hue5: #e0b04c; --hue6: #f580a8;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 40px 20px 64px; }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; }
h1 { font-size: 30px; letter-spacing: -0.015em; margin: 4px 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 21px; letter-spacing: -0.01em; margin: 48px 0 12px; }
h3 { font-size: 15px; margin: 0 0 10px; }
p { margin: 0 0 12px; max-width: 72ch; }
a { color: var(--hue1); }
code, kbd, .mono { font: 0.88em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace; }
.eyebrow { font-size: 13px; font-weight: 600; color: var(--soft); margin: 0; }
.lead { color: var(--soft); overflow-wrap: anywhere; }
.note { color: var(--soft); font-size: 13.5px; margin: 8px 0 0; }
.good { color: var(--good); } .bad { color: var(--bad); } .soft { color: var(--soft); }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin: 0 0 16px; min-width: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 16px; margin-bottom: 16px; }
.pair > .card { margin: 0; }

.tiles { display: flex; flex-wrap: wrap; gap: 1px; margin: 20px 0 16px; padding: 0;
  background: var(--line); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.tile { background: var(--paper); padding: 14px 16px; flex: 1 1 auto; min-width: 128px; }
.tile.main { min-width: 204px; }
.tile.wide { min-width: 176px; }
.tile dt { font-size: 13px; color: var(--soft); }
.tile dd { margin: 0; }
.tile .value { font-size: 25px; font-weight: 650; letter-spacing: -0.02em; line-height: 1.25; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile .value.long { font-size: 17px; line-height: 1.84; }
.tile .extra { font-size: 13px; line-height: 1.4; color: var(--soft); width: 0; min-width: 100%; overflow-wrap: anywhere; }
.tile.main .value { color: var(--good); font-size: 34px; line-height: 1.15; }

.next ol { margin: 0; padding-left: 22px; }
.next li { margin: 0 0 8px; padding-left: 2px; }
.next li:last-child { margin: 0; }
pre { margin: 6px 0; padding: 10px 14px; background: var(--ground); border: 1px solid var(--line); border-radius: 7px; overflow-x: auto; }
pre code { white-space: pre; }
.alarm { background: var(--warn-ground); border-color: color-mix(in srgb, var(--warn) 40%, transparent); }
.alarm h3 { color: var(--warn); }
.alarm ul { margin: 0; padding-left: 20px; overflow-wrap: anywhere; }

figure { margin: 0; }
figcaption { font-weight: 600; font-size: 15px; margin: 0 0 10px; }
svg.chart { display: block; width: 100%; height: auto; max-width: 560px; margin: 0 auto; font-family: inherit; overflow: visible; }
svg.chart text { white-space: pre; }
.large { overflow-x: auto; }
.large svg.chart { width: auto; max-width: none; margin: 0 auto; }

.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; }
th { text-align: left; font-weight: 600; font-size: 13px; color: var(--soft); white-space: nowrap; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
tbody tr:last-child > * { border-bottom: 0; }
td { overflow-wrap: break-word; }
td:has(.long, .mono) { overflow-wrap: anywhere; min-width: 14ch; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.best td { font-weight: 600; }
td .bar { display: inline-block; width: 56px; height: 7px; border-radius: 4px; margin-right: 8px; background: var(--line); overflow: hidden; vertical-align: 1px; }
td .bar i { display: block; height: 100%; background: var(--hue1); }
table.facts td:first-child { color: var(--soft); white-space: nowrap; width: 1%; overflow-wrap: normal; }
table.facts td:last-child { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
details > summary { cursor: pointer; color: var(--hue1); font-size: 14.5px; padding: 4px 0; width: fit-content; }
details[open] > summary { margin-bottom: 8px; }

.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(136px, 1fr)); gap: 16px 14px; margin: 0 0 16px; padding: 0; list-style: none; }
.pictures + h3, .features + h3, details + h3 { margin-top: 28px; }
.pictures li { min-width: 0; }
.pictures img, .pictures .gone, .given img, .given .gone { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 7px; background: var(--line); }
.pictures .gone, .given .gone, .maps .gone { display: grid; place-items: center; color: var(--soft); font-size: 13px; }
.pictures p, .given p { margin: 6px 0 0; font-size: 13.5px; line-height: 1.4; overflow-wrap: anywhere; }
.pictures .file, .given .file { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 12px; color: var(--soft); }
.pictures .label { font-weight: 600; }
.pictures:has(.quoted), .pictures.texts { grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); }
.quoted { margin: 0; padding: 10px 12px; max-height: 220px; overflow: auto; border-radius: 7px; background: var(--line); font-size: 13.5px; line-height: 1.45; overflow-wrap: anywhere; white-space: pre-wrap; }
.quoted mark { color: inherit; background: none; border-radius: 3px; }
.quoted .for { background: color-mix(in srgb, var(--good) calc(var(--much) * 14%), transparent); }
.quoted .against { background: color-mix(in srgb, var(--bad) calc(var(--much) * 14%), transparent); }
.much1 { --much: 1; } .much2 { --much: 2; } .much3 { --much: 3; } .much4 { --much: 4; }
.pictures.few { grid-template-columns: repeat(auto-fill, minmax(112px, 1fr)); }
.pictures.heats { grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); }
.pictures audio { display: block; width: 100%; height: 32px; margin-top: 6px; }
.side { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; }
h4 { font-size: 14px; margin: 0 0 8px; }
.features { display: grid; gap: 16px; margin: 0 0 16px; padding: 0; list-style: none; }
.features > .card { margin: 0; }
.seen { display: grid; grid-template-columns: 168px minmax(0, 1fr); gap: 20px; }
.seen h4 .soft { font-weight: 400; }
.maps { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 6px; margin: 0 0 14px; }
.maps:last-child { margin: 0; }
.maps img { display: block; width: 100%; border-radius: 4px; image-rendering: pixelated; }
.groups { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); gap: 16px; align-items: start; margin: 0 0 16px; padding: 0; list-style: none; }
.groups > .card { margin: 0; }
.groups .pictures { margin: 0; }
.multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 236px), 1fr)); gap: 14px; margin: 0 0 16px; }
.multiple { margin: 0; padding: 14px 14px 12px; }
.multiple figcaption { font-size: 14px; overflow-wrap: anywhere; }
.multiple figcaption .soft { font-weight: 400; white-space: nowrap; }
.multiple svg.chart { max-width: 280px; }
table.counts { font-size: 13px; margin: 0 0 10px; table-layout: fixed; }
table.counts th, table.counts td { padding: 3px 6px; border: 0; font-weight: 400; font-size: 12.5px; white-space: nowrap; }
table.counts thead td { width: 58px; }
table.counts thead th { text-align: center; }
table.counts tbody th { padding-left: 0; }
table.counts tbody td { text-align: center; font-variant-numeric: tabular-nums; border: 2px solid var(--paper); border-radius: 5px; background-clip: padding-box; }
table.counts .right { background-color: color-mix(in srgb, var(--hue1) calc(var(--share) * 0.45), transparent); }
table.counts .wrong { background-color: color-mix(in srgb, var(--hue2) calc(var(--share) * 0.6), transparent); }
footer { margin-top: 48px; padding-top: 16px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13.5px; }

@media (max-width: 520px) {
  main { padding: 20px 12px 40px; }
  h1 { font-size: 24px; }
  h2 { margin-top: 36px; }
  .card { padding: 14px; }
  .tile { padding: 12px 14px; flex-basis: 40%; }
  .tile .value.long { white-space: normal; overflow-wrap: anywhere; line-height: 1.35; font-size: 16px; }
  .pictures { grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 14px 10px; }
  .seen { grid-template-columns: minmax(0, 1fr); }
  .seen .given { display: grid; grid-template-columns: 96px minmax(0, 1fr); gap: 12px; }
  .maps { grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 4px; }
  table { font-size: 13px; }
  th { font-size: 11px; }
  th, td { padding-right: 5px; }
  table:has(th:last-child:empty) tr > :last-child { display: none; }
  th, th.n { white-space: normal; vertical-align: bottom; }
  td .bar { display: none; }
}
@page { margin: 14mm; }
@media print {
  body { background: none; font-size: 11pt; }
  main { max-width: none; padding: 0; }
  .card, figure, .multiple, .pictures li, tr { break-inside: avoid; }
  .card:has(table) { break-inside: auto; }
  h2, h3, h3 + p.soft, figcaption { break-after: avoid; }
  .pair { grid-template-columns: 1fr 1fr; }
  .pictures { grid-template-columns: repeat(6, minmax(0, 1fr)); }
  .large, .scroll { overflow: visible; }
  .large svg.chart { max-width: 100%; }
  details::details-content { content-visibility: visible; height: auto; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`
