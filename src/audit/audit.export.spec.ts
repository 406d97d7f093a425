import { describe, expect, it } from 'vitest';
import { csv } from './audit.export.js';

describe('CSV', () => {
  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '＝1+1', '＋1', '－1', '＠x'])(
    'puts an apostrophe before %j, which a spreadsheet would run',
    (cell) => expect(csv([[cell]])).toBe(`"'${cell}"\r\n`),
  );

  it('quotes commas, quotes and line breaks, and ends lines with CRLF', () => {
    expect(csv([['a,b', 'say "hi"', 'two\nlines', '', null, 1]])).toBe('"a,b","say ""hi""","two\nlines","","","1"\r\n');
  });

  it('leaves other text as it is', () =>
    expect(csv([['user.created', 'a=b', "it's"]])).toBe(`"user.created","a=b","it's"\r\n`));
});
