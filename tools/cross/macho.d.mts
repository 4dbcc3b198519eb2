export function symbolsOf(path: string): { libraries: string[]; needed: Set<string>; exported: Set<string> }
/** The symbols that the libraries of macOS export for an architecture, from the text of an SDK's .tbd file. */
export function exportedFor(arch: string, tbd: string): Set<string>
