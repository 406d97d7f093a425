import { Injectable } from '@nestjs/common';
import { type ErasureProof, ErasureProver } from '../tenant/index.js';
import { CommandFailure, EXIT } from './exit-codes.js';
import { card, Table } from './table.js';
import { Terminal } from './terminal.js';

/** Shows that nothing is left of a tenant. */
@Injectable()
export class ErasureCommands {
  constructor(
    private readonly terminal: Terminal,
    private readonly prover: ErasureProver,
  ) {}

  async prove(name: string): Promise<void> {
    const progress = this.terminal.progress();
    let proof: ErasureProof;
    try {
      let looked = 0;
      proof = await this.prover.prove(name, (database) => progress.update((looked += 1), looked, `reads ${database}`));
    } finally {
      progress.end();
    }
    await this.terminal.show(() => lines(proof), proof);
    if (proof.proven) return;
    const remedy = 'What was under way when it was erased is erased within an hour: ask again then.';
    throw new CommandFailure(EXIT.remains, 'not_proven', `Not proven that ${proof.slug} is erased.`, remedy);
  }
}

function lines({ tenant, slug, proven, looked_through: through, found, kept, unread, strays }: ErasureProof): string[] {
  const table = (title: string, rows: string[][]): string[] =>
    rows.length === 0 ? [] : ['', ...new Table([title, 'ROWS', '']).rows(rows)];
  return [
    ...card([
      ['tenant', `${slug} (${tenant})`],
      ['erased', proven ? 'yes, proven' : 'not proven'],
      [
        'looked through',
        Object.entries(through)
          .map(([what, count]) => `${count} ${what}`)
          .join(', '),
      ],
    ]),
    ...table('LEFT', [
      ...found.map(({ where, count }) => [where, String(count), '']),
      ...unread.map((where) => [where, '?', 'could not be read']),
    ]),
    ...table(
      'OF NO TENANT',
      strays.map((stray) => [stray, '', 'looked through, too']),
    ),
    ...table(
      'KEPT',
      kept.map(({ where, count, why }) => [where, String(count), why]),
    ),
  ];
}
