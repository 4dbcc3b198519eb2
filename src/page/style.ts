import { base } from './shell.ts'

/** What the pages of all kinds share: buttons, the line that says how it goes, bars, and the model's card. */
const shared = `${base}
[hidden] { display: none !important; }
main, footer { max-width: 860px; }
h2 { font-size: 18px; line-height: 1.3; margin: 28px 0 10px; }
h3 { font-size: 19px; line-height: 1.3; margin: 0 0 8px; overflow-wrap: anywhere; }
.row { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; margin: 12px 0 0; }
button { font: inherit; color: var(--text); background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 8px 14px; min-height: 44px; cursor: pointer; }
button:hover { border-color: var(--hue); }
#state { display: flex; flex-wrap: wrap; gap: 12px; align-items: center; min-height: 44px; margin: 12px 0 0; }
#said { margin: 0; overflow-wrap: anywhere; }
progress { accent-color: var(--hue); flex: 1 1 160px; max-width: 320px; }
table { width: 100%; border-collapse: collapse; font-size: 14.5px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 400; overflow-wrap: anywhere; padding: 2px 0; }
td { padding: 2px 0 2px 10px; }
td.value { text-align: right; white-space: nowrap; width: 1%; }
td.bars { width: 42%; }
tr.yes th, tr.yes td { font-weight: 650; } tr.no { color: var(--soft); }
.bar { position: relative; display: block; height: 10px; border-radius: 5px; background: color-mix(in srgb, var(--line) 55%, transparent); }
.bar i { display: block; height: 100%; min-width: 2px; border-radius: 5px; background: var(--hue); }
.no .bar i { background: var(--soft); }
.bar b { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--text); }
button.name, button.plain { border: 0; background: none; padding: 4px 0; min-height: 32px; text-align: left; color: inherit; font-weight: inherit; }
button.name { text-decoration: underline; text-decoration-style: dotted; text-decoration-color: var(--soft); text-underline-offset: 3px; overflow-wrap: anywhere; }
button.name:hover, button.plain { color: var(--hue); }
button.name[aria-pressed=true] { color: var(--hue); text-decoration-style: solid; text-decoration-color: var(--hue); }
select { font: inherit; min-height: 44px; color: var(--text); background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 4px 8px; }
details { margin: 32px 0 0; border-top: 1px solid var(--line); padding-top: 14px; }
summary { cursor: pointer; min-height: 32px; }
dl { display: grid; grid-template-columns: minmax(110px, max-content) minmax(0, 1fr); gap: 4px 18px; font-size: 14.5px; margin: 10px 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  main { padding: 22px 14px 0; } footer { padding: 14px 14px 0; }
  .row button { flex: 1 1 auto; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin: 0 0 8px; }
}
@media (forced-colors: active) { .bar { border: 1px solid; } .bar i { background: CanvasText; } }
`

/** The style of a page to which files are given: pictures and recordings. */
export const style = `${shared}
#examples { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); gap: 10px; }
.example { width: 100%; height: 100%; padding: 5px; font-size: 13px; overflow-wrap: anywhere; }
.example img { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 5px; margin-bottom: 4px; }
#live { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 16px; background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 14px; margin: 16px 0 0; }
#live video { width: 100%; border-radius: 7px; background: #000; }
.card { grid-template-columns: minmax(0, 300px) minmax(0, 1fr); }
.picture { position: relative; align-self: start; }
.card.alone { grid-template-columns: minmax(0, 1fr); } .alone p:last-child { margin: 0; }
.picture canvas { display: block; width: 100%; border-radius: 7px; }
.heated canvas:first-child { filter: grayscale(1) brightness(0.8); }
.picture canvas + canvas { position: absolute; inset: 0; height: 100%; }
.card table, #live table { margin: 0 0 8px; }
.card audio { width: 100%; margin: 8px 0 0; }
.card details { margin: 8px 0 0; border: 0; padding: 0; } .parts { margin: 0; padding-left: 24px; font-size: 14px; max-height: 180px; overflow-y: auto; }
#sound { display: block; width: 100%; border-radius: 7px; background: #1b0051; }
#live meter { width: 160px; max-width: 60%; height: 12px; vertical-align: middle; }
button[aria-pressed=true]:not(.name) { background: var(--bad); border-color: var(--bad); color: var(--ground); font-weight: 600; }
.scroll { overflow-x: auto; background: var(--paper); border: 1px solid var(--line); border-radius: 10px; max-height: 420px; }
.scroll th, .scroll td { padding: 6px 12px; border-bottom: 1px solid var(--line); text-align: left; }
.scroll tbody tr:last-child > * { border-bottom: 0; }
#all th { min-width: 120px; } #all td, #all thead th { white-space: nowrap; } #all td.bad { white-space: normal; min-width: 200px; }
.scroll thead th { position: sticky; top: 0; background: var(--paper); color: var(--soft); font-size: 13px; }
@media (max-width: 640px) {
  .card, #live { grid-template-columns: minmax(0, 1fr); }
  .picture { justify-self: center; width: min(100%, 340px); }
  #drop { padding: 22px 14px; }
}
`

/** The style of a page with a form to fill in: texts and rows. The page with its model has it, and the server's. */
export const formStyle = `${shared}
form { margin: 20px 0 0; }
.field { display: block; font-size: 14px; min-width: 0; }
.field span { display: block; margin: 0 0 3px; color: var(--soft); overflow-wrap: anywhere; }
.field input, .field select, .field textarea { font: inherit; font-size: 16px; width: 100%; min-height: 44px; padding: 8px 10px; border: 1px solid var(--line); border-radius: 7px; background: var(--paper); color: var(--text); }
.field textarea { display: block; resize: vertical; }
.field ::placeholder { color: var(--soft); opacity: 0.75; }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 12px 16px; margin: 0 0 14px; }
.field small { display: block; margin: 3px 0 0; font-size: 13px; overflow-wrap: anywhere; }
.token { margin: 14px 0 0; max-width: 340px; }
button.main { background: var(--hue); border-color: var(--hue); color: var(--ground); font-weight: 600; }
[aria-invalid=true] { border-color: var(--bad) !important; }
form details { margin: 14px 0 0; border: 0; padding: 0; }
#answer { margin: 12px 0 20px; } #answer h2 { font-size: 20px; margin: 0 0 8px; overflow-wrap: anywhere; }
#answer .card { grid-template-columns: minmax(0, 1fr); gap: 8px; } #answer .card p { margin: 0; }
blockquote { margin: 4px 0; padding: 10px 12px; max-height: 320px; overflow: auto; border-radius: 7px; background: var(--ground); overflow-wrap: anywhere; white-space: pre-wrap; }
mark { color: inherit; background: color-mix(in srgb, var(--of) calc(var(--much) * 45%), transparent); border-radius: 3px; }
mark.for { --of: var(--hue); } mark.against { --of: var(--bad); text-decoration: underline dashed; text-underline-offset: 3px; }
#examples { list-style: none; margin: 0 0 20px; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 10px; }
.example { display: flex; flex-direction: column; align-items: flex-start; width: 100%; height: 100%; text-align: left; font-size: 14px; overflow-wrap: anywhere; } .example b { font-weight: 600; }
@media (max-width: 480px) { .fields, #examples { grid-template-columns: minmax(0, 1fr); } }
`
