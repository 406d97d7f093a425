import {
  Body,
  Delete,
  Get,
  Header,
  Headers,
  HttpCode,
  Inject,
  Param,
  Patch,
  Post,
  Put,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam } from '@nestjs/swagger';
import type { Response } from 'express';
import type { AccessRequest } from '../auth/index.js';
import { etagOf, parseLimit, revisionOf } from '../common/index.js';
import { ApiIfMatch } from '../http/index.js';
import type { SettingsState } from '../tenant/index.js';
import type { ConfigCaller } from './config.caller.js';
import {
  ChangeSettingsRequest,
  RestoreSettingRequest,
  SetSettingRequest,
  SettingHistoryQuery,
  SettingHistoryView,
  SettingListView,
  SettingView,
} from './config.dto.js';
import { ConfigService } from './config.service.js';

const Key = () => ApiParam({ name: 'key', schema: { type: 'string', example: 'welcome' } });
const Fresh = () => Header('Cache-Control', 'no-store');

/**
 * The routes of settings, the same for whosever they are.
 *
 * @param whose as summaries name the owner
 * @param Read and @param Write what the routes ask of their caller
 */
export function configRoutes(whose: string, Read: () => MethodDecorator, Write: () => MethodDecorator) {
  abstract class ConfigRoutes {
    @Inject(ConfigService) readonly config: ConfigService;

    abstract callerOf(request: AccessRequest): ConfigCaller | Promise<ConfigCaller>;

    @Get()
    @Fresh()
    @Read()
    @ApiOperation({ summary: `All settings of ${whose}: value, source, and the schema for a form` })
    @ApiOkResponse({ type: SettingListView })
    async list(
      @Req() request: AccessRequest,
      @Res({ passthrough: true }) response: Response,
    ): Promise<SettingListView> {
      const caller = await this.callerOf(request);
      return SettingListView.of(tagged(response, await this.config.read(caller)), caller);
    }

    @Patch()
    @Fresh()
    @Write()
    @ApiIfMatch()
    @ApiOperation({
      summary: `Change several settings of ${whose}`,
      description: 'All of them or, where one is at fault, none; `errors` names every fault.',
    })
    @ApiOkResponse({ type: SettingListView })
    async change(
      @Req() request: AccessRequest,
      @Body() { settings }: ChangeSettingsRequest,
      @Headers('if-match') ifMatch: string | undefined,
      @Res({ passthrough: true }) response: Response,
    ): Promise<SettingListView> {
      const caller = await this.callerOf(request);
      const state = await this.config.change(caller, settings, revisionOf(ifMatch));
      return SettingListView.of(tagged(response, state), caller);
    }

    @Get(':key')
    @Fresh()
    @Read()
    @Key()
    @ApiOperation({ summary: `One setting of ${whose}` })
    @ApiOkResponse({ type: SettingView })
    async find(
      @Req() request: AccessRequest,
      @Param('key') key: string,
      @Res({ passthrough: true }) response: Response,
    ): Promise<SettingView> {
      const caller = await this.callerOf(request);
      const setting = this.config.demand(key);
      return SettingView.of(setting, tagged(response, await this.config.read(caller)), caller);
    }

    @Put(':key')
    @Fresh()
    @Write()
    @Key()
    @ApiIfMatch()
    @ApiOperation({ summary: `Set one setting of ${whose}` })
    @ApiOkResponse({ type: SettingView })
    async put(
      @Req() request: AccessRequest,
      @Param('key') key: string,
      @Body() { value }: SetSettingRequest,
      @Headers('if-match') ifMatch: string | undefined,
      @Res({ passthrough: true }) response: Response,
    ): Promise<SettingView> {
      return this.set(request, response, key, value, ifMatch);
    }

    @Delete(':key')
    @Fresh()
    @Write()
    @Key()
    @ApiIfMatch()
    @ApiOperation({ summary: `Take one setting of ${whose} back to what is inherited` })
    @ApiOkResponse({ type: SettingView })
    async remove(
      @Req() request: AccessRequest,
      @Param('key') key: string,
      @Headers('if-match') ifMatch: string | undefined,
      @Res({ passthrough: true }) response: Response,
    ): Promise<SettingView> {
      return this.set(request, response, key, null, ifMatch);
    }

    @Get(':key/history')
    @Fresh()
    @Read()
    @Key()
    @ApiOperation({
      summary: `Who changed a setting of ${whose}, when, from what to what`,
      description: 'Newest first.',
    })
    @ApiOkResponse({ type: SettingHistoryView })
    async history(
      @Req() request: AccessRequest,
      @Param('key') key: string,
      @Query() { limit, cursor }: SettingHistoryQuery,
    ): Promise<SettingHistoryView> {
      const caller = await this.callerOf(request);
      return SettingHistoryView.of(await this.config.history(caller, key, parseLimit(limit, 50, 200), cursor));
    }

    @Post(':key/restore')
    @HttpCode(200)
    @Fresh()
    @Write()
    @Key()
    @ApiIfMatch()
    @ApiOperation({
      summary: `Put an earlier value of a setting of ${whose} back`,
      description: 'The value that it had after the change named, if that is allowed still.',
    })
    @ApiOkResponse({ type: SettingView })
    async restore(
      @Req() request: AccessRequest,
      @Param('key') key: string,
      @Body() { change_id: changeId }: RestoreSettingRequest,
      @Headers('if-match') ifMatch: string | undefined,
      @Res({ passthrough: true }) response: Response,
    ): Promise<SettingView> {
      const caller = await this.callerOf(request);
      const state = await this.config.restore(caller, key, changeId, revisionOf(ifMatch));
      return SettingView.of(this.config.demand(key), tagged(response, state), caller);
    }

    async set(
      request: AccessRequest,
      response: Response,
      key: string,
      value: unknown,
      ifMatch: string | undefined,
    ): Promise<SettingView> {
      const caller = await this.callerOf(request);
      const state = await this.config.set(caller, key, value, revisionOf(ifMatch));
      return SettingView.of(this.config.demand(key), tagged(response, state), caller);
    }
  }
  return ConfigRoutes;
}

function tagged(response: Response, state: SettingsState): SettingsState {
  response.setHeader('ETag', etagOf(state.revision, state.layers.inherited));
  return state;
}
