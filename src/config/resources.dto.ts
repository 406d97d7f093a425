import os from 'node:os';
import { ApiProperty } from '@nestjs/swagger';
import { RESOURCE_STATES, type ResourceReport, type ResourceState } from '../resources/index.js';

export class ResourceView {
  @ApiProperty({ example: 'mail_server' })
  name: string;

  @ApiProperty({
    enum: RESOURCE_STATES,
    description:
      'How its last use went. `unused`: none with the present settings. `not_set_up`: its settings name nothing to connect to.',
  })
  state: ResourceState;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  failing_since: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'The server did not take the user and password.' })
  last_error: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Told once a minute while it is used.',
  })
  last_ok_at: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'Told once a minute while it fails.' })
  last_failed_at: string | null;

  @ApiProperty({ type: 'integer', description: 'Uses that run now in the process that answers.' })
  in_use: number;

  @ApiProperty({ type: [String], example: ['mail.smtp_host'], description: 'The settings that it is made of.' })
  settings: string[];

  static of(report: ResourceReport): ResourceView {
    const { resource, state, failingSince, lastError, lastOkAt, lastFailedAt, inUse, settings } = report;
    return {
      name: resource,
      state,
      failing_since: failingSince?.toISOString() ?? null,
      last_error: lastError,
      last_ok_at: lastOkAt?.toISOString() ?? null,
      last_failed_at: lastFailedAt?.toISOString() ?? null,
      in_use: inUse,
      settings,
    };
  }
}

export class ResourceListView {
  @ApiProperty({ type: [ResourceView] })
  items: ResourceView[];

  @ApiProperty({ type: String, nullable: true, example: null, description: 'All there are come at once.' })
  next_cursor: null;

  static of(reports: ResourceReport[]): ResourceListView {
    const items = reports.map((report) => ResourceView.of(report)).sort((a, b) => (a.name < b.name ? -1 : 1));
    return { items, next_cursor: null };
  }
}

export class ProcessResourcesView extends ResourceListView {
  @ApiProperty({ example: 'api-1/4711', description: 'The process that answers: host and process id.' })
  process: string;

  static override of(reports: ResourceReport[]): ProcessResourcesView {
    return { ...ResourceListView.of(reports), process: `${os.hostname()}/${process.pid}` };
  }
}
