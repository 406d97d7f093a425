import { styleText } from 'node:util';
import stringWidth from 'string-width';

/** Columns as wide as their first page needs; later pages keep them, so that a long list need not be held. */
export class Table {
  private widths: number[] | undefined;

  constructor(private readonly titles: readonly string[]) {}

  /** @returns lines; the first call's begin with the titles */
  rows(rows: readonly (readonly string[])[]): string[] {
    const clean = rows.map((row) => row.map(plain));
    const lines = clean.map((row) => row);
    if (!this.widths) {
      this.widths = this.titles.map((title, column) =>
        Math.max(stringWidth(title), ...clean.map((row) => stringWidth(row[column] ?? ''))),
      );
      lines.unshift(this.titles.slice());
    }
    const widths = this.widths;
    return lines.map((row) =>
      row
        .map((cell, column) => padded(cell, widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}

/** Names and values, one to a line. */
export function card(fields: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(...fields.map(([name]) => stringWidth(name)));
  return fields.map(([name, value]) => `${padded(name, width)}  ${plain(value)}`.trimEnd());
}

const COLOURS = new Map<string, 'green' | 'yellow' | 'red' | 'gray'>(
  Object.entries({
    active: 'green',
    done: 'green',
    provisioning: 'yellow',
    running: 'yellow',
    suspended: 'yellow',
    failed: 'red',
    archived: 'gray',
    deleted: 'gray',
  } as const),
);

function padded(cell: string, width: number): string {
  const colour = COLOURS.get(cell);
  const text = colour ? styleText(colour, cell, { stream: process.stdout }) : cell;
  return text + ' '.repeat(Math.max(0, width - stringWidth(cell)));
}

/** A name from a file may hold control characters, which could rewrite what the terminal shows. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\u{FFFD}');
}
