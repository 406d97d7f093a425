import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsDefined, IsObject, IsOptional, IsString, IsUUID } from 'class-validator';
import type { Page } from '../common/index.js';
import {
  declaredSettings,
  effectiveSetting,
  isSecret,
  isSecretNeeded,
  SETTING_SOURCES,
  shownSettings,
  type Setting,
  type SettingEditor,
  type SettingSource,
} from '../settings/index.js';
import { ACTOR_KINDS } from '../tenancy/index.js';
import type { SettingChange, SettingsState } from '../tenant/index.js';
import type { ConfigCaller } from './config.caller.js';

const ANY = {
  oneOf: ['string', 'number', 'boolean', 'array', 'object', 'null'].map((type) =>
    type === 'array' ? { type, items: {} } : { type },
  ),
};

export class SetSettingRequest {
  @ApiProperty({ ...ANY, example: 'Hello!', description: 'As the schema of the setting says.' })
  @IsDefined({ message: 'must be given; DELETE goes back to what is inherited' })
  value: unknown;
}

export class ChangeSettingsRequest {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { welcome: 'Hello!', 'cors.origins': null },
    description: 'By key; null goes back to what is inherited.',
  })
  @IsObject({ message: 'must be an object of settings by key' })
  settings: Record<string, unknown>;
}

export class RestoreSettingRequest {
  @ApiProperty({ format: 'uuid', description: 'Of the change after which the setting was as it is to be again.' })
  @IsUUID(undefined, { message: 'must be a UUID' })
  change_id: string;
}

export class SettingHistoryQuery {
  @ApiPropertyOptional({ description: '`next_cursor` of the page before.' })
  @IsOptional()
  @IsString({ message: 'must be a text' })
  cursor?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @IsOptional()
  @IsString({ message: 'must be an integer' })
  limit?: string;
}

export class SettingView {
  @ApiProperty({ example: 'welcome' })
  key: string;

  @ApiProperty({ ...ANY, description: 'In force. Null: none, or a secret.' })
  value: unknown;

  @ApiProperty({ enum: SETTING_SOURCES, description: 'Who set it.' })
  source: SettingSource;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'JSON Schema of the value, to draw a form from.',
  })
  schema: Readonly<Record<string, unknown>>;

  @ApiProperty()
  description: string;

  @ApiProperty({ enum: ['platform', 'owner', 'admin'], description: 'Who of the tenant may change it, if anybody.' })
  changed_by: SettingEditor;

  @ApiProperty({ description: 'Whether you may change it.' })
  editable: boolean;

  @ApiPropertyOptional({ enum: [true] })
  secret?: true;

  @ApiPropertyOptional({ description: 'Of a secret: whether there is one.' })
  set?: boolean;

  @ApiPropertyOptional({
    description:
      'Of a secret: whether it has to be set again, as it was entered for another address than the one in force, and is not sent there.',
  })
  needed?: boolean;

  static of(setting: Setting<unknown>, { layers }: SettingsState, caller: ConfigCaller): SettingView {
    const { value, source } = effectiveSetting(layers, setting);
    return {
      key: setting.key,
      value: isSecret(setting) ? null : (value ?? null),
      source,
      schema: setting.jsonSchema,
      description: setting.description,
      changed_by: setting.changedBy,
      editable: caller.mayEdit(setting),
      ...(isSecret(setting) && {
        secret: true,
        set: source !== 'default',
        needed: isSecretNeeded(layers, setting),
      }),
    };
  }
}

export class SettingListView {
  @ApiProperty({ type: [SettingView], description: 'All that are declared, by key.' })
  items: SettingView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: null;

  static of(state: SettingsState, caller: ConfigCaller): SettingListView {
    const sorted = declaredSettings().sort((a, b) => (a.key < b.key ? -1 : 1));
    return { items: sorted.map((setting) => SettingView.of(setting, state, caller)), next_cursor: null };
  }
}

export class SettingActorView {
  @ApiProperty({ enum: ACTOR_KINDS })
  kind: string;

  @ApiProperty({ type: String, nullable: true })
  id: string | null;

  @ApiProperty({ type: String, nullable: true })
  name: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'The platform admin who acted as this user.' })
  impersonator_name: string | null;
}

export class SettingChangeView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'date-time' })
  changed_at: string;

  @ApiProperty({ type: SettingActorView })
  actor: SettingActorView;

  @ApiProperty({ ...ANY, description: 'Null: it was not set.' })
  before: unknown;

  @ApiProperty({ ...ANY, description: 'Null: it was taken away.' })
  after: unknown;

  static of({ id, key, changed_at, actor, ...values }: SettingChange): SettingChangeView {
    const { kind, id: actorId = null, name = null, impersonator } = actor;
    const by = { kind, id: actorId, name, impersonator_name: impersonator?.name ?? null };
    const shown = (value: unknown) => shownSettings({ [key]: value })[key];
    const [before, after] = [shown(values.before), shown(values.after)];
    return { id, changed_at: changed_at.toISOString(), actor: by, before, after };
  }
}

export class SettingHistoryView {
  @ApiProperty({ type: [SettingChangeView] })
  items: SettingChangeView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: string | null;

  static of({ items, next_cursor }: Page<SettingChange>): SettingHistoryView {
    return { items: items.map((change) => SettingChangeView.of(change)), next_cursor };
  }
}
