import { CommandFailure, EXIT } from '../exit-codes.js';

/** One module under all the names that it has somewhere. */
export interface ModuleNames {
  /** `pet-owners`: folder, path, tag. */
  plural: string;
  /** `pet-owner`: files, permissions. */
  singular: string;
  /** `PetOwners`. */
  Plural: string;
  /** `PetOwner`: the entity. */
  Singular: string;
  /** `petOwners`. */
  pluralValue: string;
  /** `petOwner`. */
  value: string;
  /** `PET_OWNER`. */
  CONSTANT: string;
  /** `pet_owner`. */
  code: string;
  /** `pet_owners`. */
  table: string;
  /** `pet owners`. */
  words: string;
  /** `pet owner`. */
  word: string;
}

const KEBAB = /^[a-z]+(-[a-z]+)*$/;
const MOST_LETTERS = 40;

/** What no column or table may be called without quotes (PostgreSQL 18, appendix C: reserved in any way). */
const SQL = new Set(
  `all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
  concurrently constraint create cross current_catalog current_date current_role current_schema current_time
  current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from
  full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
  localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning
  right select session_user similar some symmetric system_user table tablesample then to trailing true union unique user
  using variadic verbose when where window with`.split(/\s+/),
);

/** What no variable or property may be called, and what the templates call something else where a name of the module is, too. */
const TYPESCRIPT = new Set(
  `arguments await break case catch class const continue debugger default delete do else enum eval export extends false
  finally for function if implements import in instanceof interface let new null package private protected public return
  static super switch this throw true try typeof undefined var void while with yield constructor prototype
  body changes id request response revision values`.split(/\s+/),
);

/** @param name as a table or column @param value as a variable or property */
export function isReserved(name: string, value: string): boolean {
  return SQL.has(name) || TYPESCRIPT.has(value);
}

/**
 * @param name in the plural, words joined by hyphens
 * @param singular where it does not follow from the plural
 * @throws CommandFailure
 */
export function namesOf(name: string, singular = singularOf(name)): ModuleNames {
  if (!KEBAB.test(name) || name.length > MOST_LETTERS) {
    throw invalid(
      `The name "${name}" must be small letters, words joined by hyphens, at most ${MOST_LETTERS}: pet-owners.`,
    );
  }
  if (singular === undefined || singular === name) {
    throw invalid(`The name "${name}" is no plural that is known here; say what one of them is with --singular.`);
  }
  if (!KEBAB.test(singular) || singular.length > MOST_LETTERS) {
    throw invalid(`The singular "${singular}" must be small letters, words joined by hyphens: pet-owner.`);
  }
  const names: ModuleNames = {
    plural: name,
    singular,
    Plural: pascal(name),
    Singular: pascal(singular),
    pluralValue: camel(name),
    value: camel(singular),
    CONSTANT: singular.replaceAll('-', '_').toUpperCase(),
    code: singular.replaceAll('-', '_'),
    table: name.replaceAll('-', '_'),
    words: name.replaceAll('-', ' '),
    word: singular.replaceAll('-', ' '),
  };
  for (const value of [names.pluralValue, names.value]) {
    if (isReserved(names.table, value))
      throw invalid(`"${name}" is reserved in SQL or TypeScript; choose another name.`);
  }
  for (const type of [names.Singular, names.Plural]) {
    if (Object.hasOwn(globalThis, type)) throw invalid(`${type} is built into JavaScript; choose another name.`);
  }
  return names;
}

export function pascal(text: string): string {
  const value = camel(text);
  return value.charAt(0).toUpperCase() + value.slice(1);
}

/** Of kebab or snake case. */
export function camel(text: string): string {
  return text.replace(/[-_]([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}

/** "a pet", "an owner". */
export function withArticle(word: string): string {
  return `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`;
}

export function invalid(message: string, remedy = 'Correct it and run it again; nothing was written.'): CommandFailure {
  return new CommandFailure(EXIT.invalid, 'module_invalid', message, remedy);
}

function singularOf(plural: string): string | undefined {
  if (/[^aeiou]ies$/.test(plural)) return `${plural.slice(0, -3)}y`;
  if (/(ch|sh|ss|x|zz)es$/.test(plural)) return plural.slice(0, -2);
  return /[^su]s$/.test(plural) ? plural.slice(0, -1) : undefined;
}
