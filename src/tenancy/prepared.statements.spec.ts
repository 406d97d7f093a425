import { describe, expect, it } from 'vitest';
import { PreparedStatements } from './prepared.statements.js';

describe('the prepared statements of a connection', () => {
  it('parse a text once', () => {
    const statements = new PreparedStatements();
    const first = statements.use('SELECT 1');
    expect(first).toMatchObject({ parse: true, close: [] });
    statements.succeeded(first);
    expect(statements.use('SELECT 1')).toEqual({ name: first.name, parse: false, close: [] });
  });

  it('name each text after itself, the same on every connection', () => {
    const name = (text: string) => new PreparedStatements().use(text).name;
    expect(name('SELECT 1')).toBe(name('SELECT 1'));
    expect(name('SELECT 1')).not.toBe(name('SELECT 2'));
    expect(name('SELECT 1').length).toBeLessThan(64);
  });

  it('close a text whose first flight failed before parsing it again', () => {
    const statements = new PreparedStatements();
    const first = statements.use('SELECT 1');
    statements.failed(first, undefined);
    expect(statements.use('SELECT 1')).toEqual({ name: first.name, parse: true, close: [first.name] });
  });

  it('keep a text whose later flight fails', () => {
    const statements = new PreparedStatements();
    statements.succeeded(statements.use('SELECT 1'));
    statements.failed(statements.use('SELECT 1'), undefined);
    expect(statements.use('SELECT 1').parse).toBe(false);
  });

  it('parse an outdated text anew, and tell one that was prepared elsewhere', () => {
    const statements = new PreparedStatements();
    const first = statements.use('SELECT 1');
    statements.succeeded(first);
    statements.failed(statements.use('SELECT 1'), 'outdated');
    expect(statements.misled).toBe(false);
    expect(statements.use('SELECT 1')).toMatchObject({ parse: true, close: [first.name] });
    statements.failed(first, 'elsewhere');
    expect(statements.misled).toBe(true);
  });

  it('close the one that was not used for longest when there are a hundred', () => {
    const statements = new PreparedStatements();
    const names = Array.from({ length: 100 }, (_, index) => {
      const use = statements.use(`SELECT ${index}`);
      statements.succeeded(use);
      return use.name;
    });
    statements.use('SELECT 0');
    expect(statements.use('SELECT 100').close).toEqual([names[1]]);
    expect(statements.use('SELECT 0').parse).toBe(false);
    expect(statements.use('SELECT 1')).toMatchObject({ parse: true, close: [names[2]] });
  });
});
