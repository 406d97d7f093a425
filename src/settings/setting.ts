import {
  getMetadataStorage,
  IsArray,
  IsBoolean,
  IsInt,
  IsNumber,
  IsObject,
  IsString,
  ValidateBy,
  validateSync,
} from 'class-validator';

/** Of a value, as JSON Schema calls it. */
export type SettingType = 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';

/** Who may change a setting of a tenant. A platform admin always may. */
export type SettingEditor = 'platform' | 'owner' | 'admin';

/** What a module says of a setting that it owns. */
export interface SettingDeclaration<T> {
  /** Flat, dotted: `limits.chat_per_10s`. */
  key: string;
  /** What the key was in earlier releases, whose archives have it still. */
  formerly?: string;
  /** What it does, in a sentence for whoever fills in the form. */
  description: string;
  /** Left out where no one type says it; `rules` alone decide then, and must bear values of every type. */
  type?: SettingType;
  /** Decorators of class-validator, beyond the type: `[Min(1), Max(10)]`. */
  rules?: PropertyDecorator[];
  /** What is allowed, in words, for error messages: "must be …". */
  allowed: string;
  /** Where that does not tell enough: what is wrong with a value, as a JSON pointer into it and words. Bears every value. */
  explain?: (value: unknown) => string | undefined;
  /** The value where nobody set one; undefined: none. */
  default: T;
  /** `platform`: only the operator. `owner`, `admin`: these roles of the tenant, too, the latter including owners. */
  changedBy: SettingEditor;
  /** Whether plans may set it for their tenants. */
  byPlan?: true;
  /** `false`: a copy of the tenant goes without it, because it says whom the tenant trusts. Secrets are never copied. */
  copied?: false;
  /** JSON Schema of an array's items or an object's properties, and what else rules do not tell. */
  schema?: Readonly<Record<string, unknown>>;
}

/** A declared setting. */
export interface Setting<T> extends SettingDeclaration<T> {
  /** Whether the value may be stored as it is. */
  accepts(value: unknown): value is T;
  readonly secret?: true;
  /** The JSON Schema that a form is drawn from. */
  readonly jsonSchema: Readonly<Record<string, unknown>>;
}

/** A secret as it is stored. */
export interface SealedSecret {
  /** base64url of what the tenant's own key sealed. */
  readonly sealed: string;
  /** A digest of the address that it was entered for; left out where it is sent nowhere, or a plan's or the platform's. */
  readonly for?: string;
}

/** A setting whose text is stored encrypted and never answered. */
export interface SecretSetting extends Setting<SealedSecret | undefined> {
  readonly secret: true;
  /** What says where it is sent: a tenant's secret is sent nowhere but where these pointed when it was entered. */
  readonly sentTo?: readonly Setting<unknown>[];
  /** Whether the text may be sealed and stored. */
  acceptsText(value: unknown): value is string;
}

const KEY = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/;
const declared = new Map<string, Setting<unknown>>();

/**
 * Declares a setting once, beside the module that owns it.
 *
 * @throws Error when the key is taken or no key, or the default is not allowed
 */
export function declareSetting<T>(declaration: SettingDeclaration<T>): Setting<T> {
  const { key } = declaration;
  const holder = holderOf(declaration);
  const accepts = (value: unknown): value is T => passes(holder, value);
  if (declaration.default !== undefined && !accepts(declaration.default)) {
    throw new Error(`Setting ${key}: its default is not allowed.`);
  }
  return register<T, Setting<T>>({ ...declaration, accepts, jsonSchema: schemaOf(declaration, holder) });
}

/**
 * Declares a text that is stored encrypted with the tenant's own key, and that nobody can read back: a password, a key of
 * an API.
 *
 * @throws Error when the key is taken or no key
 */
export function declareSecret(
  declaration: Omit<SettingDeclaration<string>, 'type' | 'default' | 'copied' | 'schema'> &
    Pick<SecretSetting, 'sentTo'>,
): SecretSetting {
  const holder = holderOf({ ...declaration, type: 'string' });
  return register<SealedSecret | undefined, SecretSetting>({
    ...declaration,
    type: 'string',
    default: undefined,
    secret: true,
    copied: false,
    accepts: isSealed,
    acceptsText: (value): value is string => passes(holder, value),
    jsonSchema: { ...schemaOf({ ...declaration, type: 'string' }, holder), writeOnly: true },
  });
}

function register<T, S extends Setting<T>>(setting: S): S {
  const { key } = setting;
  if (!KEY.test(key)) throw new Error(`Setting ${key}: a key is dotted words of a-z, 0-9 and _.`);
  if (declared.has(key)) throw new Error(`Setting ${key} is declared twice.`);
  declared.set(key, setting);
  return setting;
}

export function isSecret(setting: Setting<unknown>): setting is SecretSetting {
  return setting.secret === true;
}

export function isSealed(value: unknown): value is SealedSecret {
  if (typeof value !== 'object' || value === null) return false;
  const texts = [(value as Partial<SealedSecret>).sealed, (value as Partial<SealedSecret>).for ?? '-'];
  return texts.every((text) => typeof text === 'string' && /^[\w-]+$/.test(text));
}

export function declaredSetting(key: string): Setting<unknown> | undefined {
  return declared.get(key);
}

export function declaredSettings(): Setting<unknown>[] {
  return [...declared.values()];
}

/** What stands for a secret wherever it is not to be shown, and where there is one. */
const HIDDEN = '***';

/** For logs and answers: that there is a secret, and not what it is. */
export function shownSettings(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const shown = ([key, value]: [string, unknown]) => [
    key,
    declared.get(key)?.secret && value !== null ? HIDDEN : value,
  ];
  return Object.fromEntries(Object.entries(settings).map(shown)) as Record<string, unknown>;
}

/** The same under the keys of this release, for what an earlier one wrote. Where both are there, the present one counts. */
export function presentSettings(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const present = { ...settings };
  for (const { key, formerly } of declared.values()) {
    if (formerly === undefined || !Object.hasOwn(present, formerly)) continue;
    if (!Object.hasOwn(present, key)) present[key] = present[formerly];
    delete present[formerly];
  }
  return present;
}

/** All but secrets: sealed for one tenant here, they are noise anywhere else. */
export function withoutSecrets(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !declared.get(key)?.secret));
}

/** What a copy of the tenant gets of its settings: what is declared, and neither secret nor kept from copies. */
export function copiedSettings(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const copied = ([key]: [string, unknown]) => {
    const setting = declared.get(key);
    return setting !== undefined && setting.copied !== false;
  };
  return Object.fromEntries(Object.entries(settings).filter(copied));
}

/**
 * A rule of one's own.
 *
 * @param name of the rule @param holds must bear values of every type
 */
export function Satisfies(name: string, holds: (value: unknown) => boolean): PropertyDecorator {
  return ValidateBy({ name, validator: { validate: holds } });
}

/** A class with one property, `value`, that carries the rules. */
type Holder = new () => { value: unknown };

const TYPE_RULES: Record<SettingType, PropertyDecorator> = {
  string: IsString(),
  integer: IsInt(),
  number: IsNumber({ allowNaN: false, allowInfinity: false }),
  boolean: IsBoolean(),
  array: IsArray(),
  object: IsObject(),
};

function holderOf({ type, rules = [] }: Pick<SettingDeclaration<never>, 'type' | 'rules'>): Holder {
  class SettingValue {
    value: unknown;
  }
  if (type === undefined && rules.length === 0) throw new Error('A setting without a type needs rules.');
  for (const rule of [...(type === undefined ? [] : [TYPE_RULES[type]]), ...rules])
    rule(SettingValue.prototype, 'value');
  return SettingValue;
}

function passes(holder: Holder, value: unknown): boolean {
  const held = new holder();
  held.value = value;
  return validateSync(held, { stopAtFirstError: true, forbidUnknownValues: false }).length === 0;
}

/** How rules read in JSON Schema. `each` rules say it of an array's items. */
const IN_SCHEMA: Record<string, (constraints: readonly unknown[]) => Record<string, unknown>> = {
  min: ([minimum]) => ({ minimum }),
  max: ([maximum]) => ({ maximum }),
  minLength: ([minLength]) => ({ minLength }),
  maxLength: ([maxLength]) => ({ maxLength }),
  isLength: ([minLength, maxLength]) => ({ minLength, ...(maxLength !== undefined && { maxLength }) }),
  isIn: ([values]) => ({ enum: values }),
  matches: ([pattern]) => ({ pattern: (pattern as RegExp).source }),
  isEmail: () => ({ format: 'email' }),
  isUrl: () => ({ format: 'uri' }),
  isString: () => ({ type: 'string' }),
  isInt: () => ({ type: 'integer' }),
  arrayMinSize: ([minItems]) => ({ minItems }),
  arrayMaxSize: ([maxItems]) => ({ maxItems }),
  arrayUnique: () => ({ uniqueItems: true }),
};

function schemaOf(
  { type, description, default: fallback, schema }: Partial<SettingDeclaration<unknown>>,
  holder: Holder,
): Record<string, unknown> {
  const rules = getMetadataStorage().getTargetValidationMetadatas(holder, '', false, false);
  let own: Record<string, unknown> = { description, ...(fallback !== undefined && { default: fallback }) };
  let items: Record<string, unknown> = {};
  for (const { name, constraints, each } of rules) {
    const said = (name !== undefined && IN_SCHEMA[name]?.(constraints ?? [])) || {};
    if (each) items = { ...items, ...said };
    else own = { ...own, ...said };
  }
  return Object.freeze({
    ...own,
    ...(type !== undefined && { type }),
    ...(Object.keys(items).length > 0 && { items }),
    ...schema,
  });
}
