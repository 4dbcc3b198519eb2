export function symbolsOf(path: string): { libraries: string[]; needed: Set<string>; exported: Set<string> }
