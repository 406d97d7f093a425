import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { parseLimit } from 'tenantry';
import { PET_READ, PET_WRITE } from '../pets/index.js';
import { Id, ListQuery, Operation, Resource } from '../rest.js';
import { VaccinationReminders } from './vaccination.reminders.js';
import { AddVisitRequest, ReminderPage, VisitPage, VisitView } from './visit.dto.js';
import { VisitsService } from './visits.service.js';

@Resource('visits')
@Controller('api')
export class VisitsController {
  constructor(
    private readonly visits: VisitsService,
    private readonly reminders: VaccinationReminders,
  ) {}

  @Get('pets/:id/visits')
  @Operation(PET_READ)
  @Id()
  @ApiOperation({ summary: 'Visits of a pet, newest first' })
  @ApiOkResponse({ type: VisitPage })
  async list(@Param('id') id: string, @Query() { limit, cursor }: ListQuery): Promise<VisitPage> {
    return VisitPage.of(await this.visits.list(id, parseLimit(limit, 50, 100), cursor));
  }

  @Post('pets/:id/visits')
  @HttpCode(201)
  @Operation(PET_WRITE)
  @Id()
  @ApiOperation({ summary: 'Add a visit' })
  @ApiCreatedResponse({ type: VisitView })
  async add(@Param('id') id: string, @Body() body: AddVisitRequest): Promise<VisitView> {
    return VisitView.of(await this.visits.add(id, body));
  }

  @Get('reminders')
  @Operation(PET_READ)
  @ApiOperation({ summary: 'Reminders of vaccinations, newest first' })
  @ApiOkResponse({ type: ReminderPage })
  async listReminders(@Query() { limit, cursor }: ListQuery): Promise<ReminderPage> {
    return ReminderPage.of(await this.reminders.list(parseLimit(limit, 50, 100), cursor));
  }

  @Post('reminders')
  @HttpCode(202)
  @Operation(PET_WRITE)
  @ApiOperation({ summary: 'Remind now of what is due within two weeks', description: 'As a job does every morning.' })
  @ApiAcceptedResponse()
  async remind(): Promise<void> {
    await this.reminders.order();
  }
}
