import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../audit/index.js';
import { type Page, ValidationFailed } from '../common/index.js';
import { declaredSetting, type Setting, shownSettings } from '../settings/index.js';
import { TenantTransaction } from '../tenancy/index.js';
import { type SettingChange, SettingHistory, SettingsEditor, type SettingsState } from '../tenant/index.js';
import type { ConfigCaller } from './config.caller.js';
import { SettingNotYours, UnknownSetting, UnknownSettingChange } from './config.errors.js';

/** Settings as whoever asks may see and change them. */
@Injectable()
export class ConfigService {
  constructor(
    private readonly editor: SettingsEditor,
    private readonly settingHistory: SettingHistory,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
  ) {}

  read({ of }: ConfigCaller): Promise<SettingsState> {
    return this.editor.read(of);
  }

  /** @throws UnknownSetting */
  demand(key: string): Setting<unknown> {
    const setting = declaredSetting(key);
    if (!setting) throw new UnknownSetting();
    return setting;
  }

  /**
   * @param settings by key; null goes back to what is inherited
   * @param revision as the client last saw it; undefined: whatever it is
   * @param fromHistory whether the values are as the history kept them
   * @throws SettingNotYours; ValidationFailed naming every fault; RevisionMismatch
   */
  async change(
    caller: ConfigCaller,
    settings: Record<string, unknown>,
    revision: number | undefined,
    fromHistory = false,
  ): Promise<SettingsState> {
    const foreign = Object.keys(settings).flatMap((key) => {
      const setting = declaredSetting(key);
      return setting && !caller.owns(setting) ? [{ pointer: `/settings/${key}`, changedBy: setting.changedBy }] : [];
    });
    if (foreign.length > 0) throw new SettingNotYours(foreign);
    const change = () => this.editor.change(caller.of, { settings, revision, fromHistory });
    if (!caller.own) return change();
    // The tenant's own log is in another database connection: its transaction is around that of the change, as for domains.
    return this.transaction.run(async () => {
      await this.audit.record({
        event: 'settings.changed',
        target: { kind: 'settings' },
        after: shownSettings(settings),
      });
      return change();
    });
  }

  /** The same for one setting. @param value null goes back to what is inherited @throws UnknownSetting, too */
  async set(
    caller: ConfigCaller,
    key: string,
    value: unknown,
    revision: number | undefined,
    fromHistory = false,
  ): Promise<SettingsState> {
    this.demand(key);
    try {
      return await this.change(caller, { [key]: value }, revision, fromHistory);
    } catch (error) {
      // Where the body is one value, that is what is at fault.
      if (!(error instanceof ValidationFailed)) throw error;
      throw new ValidationFailed((error.errors ?? []).map(({ detail }) => ({ pointer: '/value', detail })));
    }
  }

  /** @throws UnknownSetting, CursorInvalid */
  async history({ of }: ConfigCaller, key: string, limit: number, cursor?: string): Promise<Page<SettingChange>> {
    this.demand(key);
    return this.settingHistory.list(of, key, limit, cursor);
  }

  /** Puts back what the setting was after that change, where that is allowed still. @throws UnknownSettingChange, too */
  async restore(
    caller: ConfigCaller,
    key: string,
    changeId: string,
    revision: number | undefined,
  ): Promise<SettingsState> {
    this.demand(key);
    const change = await this.settingHistory.find(caller.of, key, changeId);
    if (!change) throw new UnknownSettingChange();
    return this.set(caller, key, change.after, revision, true);
  }
}
