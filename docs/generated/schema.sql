-- tables
jobs.bam owner=migrator rls=f force=f
jobs.job owner=migrator rls=f force=f
jobs.job_common owner=migrator rls=f force=f
jobs.job_dependency owner=migrator rls=f force=f
jobs.queue owner=migrator rls=f force=f
jobs.queue_stats owner=migrator rls=f force=f
jobs.queue_stats_20261201 owner=migrator rls=f force=f
jobs.queue_stats_20261202 owner=migrator rls=f force=f
jobs.schedule owner=migrator rls=f force=f
jobs.subscription owner=migrator rls=f force=f
jobs.version owner=migrator rls=f force=f
jobs.warning owner=migrator rls=f force=f
platform.audit_events owner=migrator rls=f force=f
platform.backups owner=migrator rls=f force=f
platform.email_directory owner=migrator rls=f force=f
platform.histories owner=migrator rls=f force=f
platform.idempotency_keys owner=migrator rls=f force=f
platform.impersonations owner=migrator rls=f force=f
platform.installation owner=migrator rls=f force=f
platform.job_clocks owner=migrator rls=f force=f
platform.job_crons owner=migrator rls=f force=f
platform.job_lanes owner=migrator rls=f force=f
platform.migrations owner=migrator rls=f force=f
platform.move_steps owner=migrator rls=f force=f
platform.moves owner=migrator rls=f force=f
platform.places owner=migrator rls=f force=f
platform.plans owner=migrator rls=f force=f
platform.platform_admins owner=migrator rls=f force=f
platform.platform_devices owner=migrator rls=f force=f
platform.platform_known_addresses owner=migrator rls=f force=f
platform.platform_mfa_challenges owner=migrator rls=f force=f
platform.platform_settings owner=migrator rls=f force=f
platform.provisioning_steps owner=migrator rls=f force=f
platform.provisionings owner=migrator rls=f force=f
platform.resource_states owner=migrator rls=f force=f
platform.restores owner=migrator rls=f force=f
platform.sandbox_access owner=migrator rls=f force=f
platform.servers owner=migrator rls=f force=f
platform.setting_changes owner=migrator rls=f force=f
platform.signing_keys owner=migrator rls=f force=f
platform.signup_invites owner=migrator rls=f force=f
platform.signups owner=migrator rls=f force=f
platform.slug_holds owner=migrator rls=f force=f
platform.slugs owner=migrator rls=f force=f
platform.tenant_domains owner=migrator rls=f force=f
platform.tenant_keys owner=migrator rls=f force=f
platform.tenant_notices owner=migrator rls=f force=f
platform.tenant_words owner=migrator rls=f force=f
platform.tenants owner=migrator rls=f force=f
shared.api_keys owner=migrator rls=t force=t
shared.audit_events owner=migrator rls=t force=t
shared.brand_logos owner=migrator rls=t force=t
shared.changes owner=migrator rls=t force=t
shared.chat_messages owner=migrator rls=t force=t
shared.chat_sessions owner=migrator rls=t force=t
shared.closures owner=migrator rls=t force=t
shared.devices owner=migrator rls=t force=t
shared.external_identities owner=migrator rls=t force=t
shared.history owner=migrator rls=t force=t
shared.idempotency_keys owner=migrator rls=t force=t
shared.invitations owner=migrator rls=t force=t
shared.known_addresses owner=migrator rls=t force=t
shared.member_mails owner=migrator rls=t force=t
shared.migrations owner=migrator rls=f force=f
shared.outbox_events owner=migrator rls=t force=t
shared.provisioning_marks owner=migrator rls=t force=t
shared.recovery_codes owner=migrator rls=t force=t
shared.roles owner=migrator rls=t force=t
shared.sent_notices owner=migrator rls=t force=t
shared.sso_sign_ins owner=migrator rls=t force=t
shared.tenant_files owner=migrator rls=t force=t
shared.user_tokens owner=migrator rls=t force=t
shared.users owner=migrator rls=t force=t

-- columns
platform.audit_events.id uuid NOT NULL
platform.audit_events.occurred_at timestamp with time zone NOT NULL
platform.audit_events.event text NOT NULL
platform.audit_events.tenant_id uuid
platform.audit_events.request_id text
platform.audit_events.address text
platform.audit_events.occurrences integer NOT NULL DEFAULT 1
platform.audit_events.details jsonb NOT NULL DEFAULT '{}'::jsonb
platform.audit_events.actor_kind text NOT NULL DEFAULT 'system'::text
platform.audit_events.actor_id text
platform.audit_events.actor_name text
platform.audit_events.impersonator_id text
platform.audit_events.impersonator_name text
platform.audit_events.target_kind text
platform.audit_events.target_id text
platform.audit_events.before jsonb
platform.audit_events.after jsonb
platform.audit_events.reason text
platform.backups.id uuid NOT NULL
platform.backups.tenant_id uuid NOT NULL
platform.backups.state text NOT NULL DEFAULT 'waiting'::text
platform.backups.scheduled boolean NOT NULL
platform.backups.migration text
platform.backups.tenant_rows bigint
platform.backups.bytes bigint
platform.backups.sha256 text
platform.backups.error text
platform.backups.lease bigint
platform.backups.held_until timestamp with time zone
platform.backups.made_at timestamp with time zone
platform.backups.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.backups.finished_at timestamp with time zone
platform.email_directory.email_hmac bytea NOT NULL
platform.email_directory.tenant_id uuid NOT NULL
platform.histories.tenant_id uuid NOT NULL
platform.histories.days integer NOT NULL
platform.histories.state text NOT NULL DEFAULT 'starting'::text
platform.histories.since timestamp with time zone
platform.histories.trimmed_to timestamp with time zone
platform.histories.changed_at timestamp with time zone NOT NULL DEFAULT now()
platform.idempotency_keys.key_hash bytea NOT NULL
platform.idempotency_keys.request_hash bytea NOT NULL
platform.idempotency_keys.answer jsonb NOT NULL
platform.idempotency_keys.expires_at timestamp with time zone NOT NULL
platform.impersonations.id uuid NOT NULL
platform.impersonations.admin_id uuid NOT NULL
platform.impersonations.tenant_id uuid NOT NULL
platform.impersonations.user_id uuid NOT NULL
platform.impersonations.reason text NOT NULL
platform.impersonations.status text NOT NULL
platform.impersonations.minutes integer NOT NULL
platform.impersonations.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.impersonations.decided_by uuid
platform.impersonations.started_at timestamp with time zone
platform.impersonations.expires_at timestamp with time zone
platform.installation.id integer NOT NULL
platform.installation.key_fingerprint text NOT NULL
platform.installation.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.job_clocks.name text NOT NULL
platform.job_clocks.tag integer NOT NULL
platform.job_crons.name text NOT NULL
platform.job_crons.expression text NOT NULL
platform.job_crons.time_zone text NOT NULL
platform.job_crons.known_since timestamp with time zone NOT NULL DEFAULT now()
platform.job_crons.known_at timestamp with time zone NOT NULL DEFAULT now()
platform.job_lanes.name text NOT NULL
platform.job_lanes.tenant_id uuid NOT NULL
platform.job_lanes.step integer NOT NULL
platform.job_lanes.tag integer NOT NULL
platform.migrations.id integer NOT NULL DEFAULT nextval('platform.migrations_id_seq'::regclass)
platform.migrations."timestamp" bigint NOT NULL
platform.migrations.name character varying NOT NULL
platform.move_steps.move_id uuid NOT NULL
platform.move_steps."position" integer NOT NULL
platform.move_steps.name text NOT NULL
platform.move_steps.started_at timestamp with time zone
platform.move_steps.finished_at timestamp with time zone
platform.moves.id uuid NOT NULL
platform.moves.tenant_id uuid NOT NULL
platform.moves.state text NOT NULL DEFAULT 'running'::text
platform.moves.step text NOT NULL
platform.moves.source jsonb NOT NULL
platform.moves.target jsonb NOT NULL
platform.moves.table_name text
platform.moves.last_key uuid
platform.moves.rows_total bigint NOT NULL DEFAULT 0
platform.moves.rows_copied bigint NOT NULL DEFAULT 0
platform.moves.changes_applied bigint NOT NULL DEFAULT 0
platform.moves.copies integer NOT NULL DEFAULT 0
platform.moves.pauses integer NOT NULL DEFAULT 0
platform.moves.pause_ms integer
platform.moves.error text
platform.moves.failures integer NOT NULL DEFAULT 0
platform.moves.abort_requested_at timestamp with time zone
platform.moves.held_by bigint
platform.moves.next_attempt_at timestamp with time zone NOT NULL DEFAULT now()
platform.moves.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.moves.switched_at timestamp with time zone
platform.moves.finished_at timestamp with time zone
platform.moves.keep_until timestamp with time zone
platform.moves.source_hidden_at timestamp with time zone
platform.moves.source_gone_at timestamp with time zone
platform.places.server text NOT NULL
platform.places.name text NOT NULL
platform.places.kind text NOT NULL
platform.places.login text
platform.places.tenant_id uuid
platform.places.state text NOT NULL
platform.places.version text
platform.places.migrated_at timestamp with time zone
platform.places.migrate_ms integer
platform.places.error text
platform.places.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.places.updated_at timestamp with time zone NOT NULL DEFAULT now()
platform.places.held_by bigint
platform.places.migration_started_at timestamp with time zone
platform.places.migration_ended_at timestamp with time zone
platform.places.failures integer NOT NULL DEFAULT 0
platform.places.retry_at timestamp with time zone
platform.plans.name text NOT NULL
platform.plans."position" integer NOT NULL
platform.plans.trial_days integer NOT NULL
platform.plans.archive_after_days integer
platform.plans.purge_after_days integer
platform.plans.revision integer NOT NULL DEFAULT 1
platform.plans.updated_at timestamp with time zone NOT NULL DEFAULT now()
platform.plans.roll_back_after_days integer NOT NULL DEFAULT 7
platform.plans.reserved_connections integer NOT NULL DEFAULT 0
platform.plans.reserved_workers integer NOT NULL DEFAULT 0
platform.plans.settings jsonb NOT NULL DEFAULT '{}'::jsonb
platform.platform_admins.id uuid NOT NULL
platform.platform_admins.email text NOT NULL
platform.platform_admins.email_key text NOT NULL
platform.platform_admins.name text NOT NULL
platform.platform_admins.role text NOT NULL
platform.platform_admins.status text NOT NULL DEFAULT 'active'::text
platform.platform_admins.password_hash text
platform.platform_admins.token_version integer NOT NULL DEFAULT 1
platform.platform_admins.mfa_secret bytea
platform.platform_admins.mfa_enabled_at timestamp with time zone
platform.platform_admins.mfa_last_step integer
platform.platform_admins.recovery_hashes bytea[] NOT NULL DEFAULT '{}'::bytea[]
platform.platform_admins.last_sign_in_at timestamp with time zone
platform.platform_admins.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.platform_admins.updated_at timestamp with time zone NOT NULL DEFAULT now()
platform.platform_admins.must_change_password boolean NOT NULL DEFAULT false
platform.platform_admins.mfa_pending bytea
platform.platform_devices.id uuid NOT NULL
platform.platform_devices.user_id uuid NOT NULL
platform.platform_devices.name text NOT NULL
platform.platform_devices.address text
platform.platform_devices.token_hash bytea NOT NULL
platform.platform_devices.previous_hash bytea
platform.platform_devices.rotated_at timestamp with time zone
platform.platform_devices.successor bytea
platform.platform_devices.in_cookie boolean NOT NULL DEFAULT false
platform.platform_devices.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.platform_devices.last_used_at timestamp with time zone NOT NULL DEFAULT now()
platform.platform_devices.expires_at timestamp with time zone NOT NULL
platform.platform_known_addresses.id uuid NOT NULL
platform.platform_known_addresses.user_id uuid NOT NULL
platform.platform_known_addresses.address_hash bytea NOT NULL
platform.platform_known_addresses.signed_in_at timestamp with time zone
platform.platform_known_addresses.proven_at timestamp with time zone
platform.platform_known_addresses.last_seen_at timestamp with time zone NOT NULL DEFAULT now()
platform.platform_mfa_challenges.id uuid NOT NULL
platform.platform_mfa_challenges.admin_id uuid NOT NULL
platform.platform_mfa_challenges.token_hash bytea NOT NULL
platform.platform_mfa_challenges.attempts integer NOT NULL DEFAULT 0
platform.platform_mfa_challenges.expires_at timestamp with time zone NOT NULL
platform.platform_mfa_challenges.token_version integer
platform.platform_settings.id integer NOT NULL DEFAULT 1
platform.platform_settings.settings jsonb NOT NULL DEFAULT '{}'::jsonb
platform.platform_settings.revision integer NOT NULL DEFAULT 1
platform.platform_settings.updated_at timestamp with time zone NOT NULL DEFAULT now()
platform.provisioning_steps.tenant_id uuid NOT NULL
platform.provisioning_steps."position" integer NOT NULL
platform.provisioning_steps.name text NOT NULL
platform.provisioning_steps.state text NOT NULL DEFAULT 'pending'::text
platform.provisioning_steps.attempts integer NOT NULL DEFAULT 0
platform.provisioning_steps.started_at timestamp with time zone
platform.provisioning_steps.finished_at timestamp with time zone
platform.provisioning_steps.error text
platform.provisionings.tenant_id uuid NOT NULL
platform.provisionings.state text NOT NULL DEFAULT 'running'::text
platform.provisionings.request bytea
platform.provisionings.attempts integer NOT NULL DEFAULT 0
platform.provisionings.next_attempt_at timestamp with time zone NOT NULL DEFAULT now()
platform.provisionings.error text
platform.provisionings.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.provisionings.finished_at timestamp with time zone
platform.provisionings.lease bigint
platform.resource_states.tenant_id uuid NOT NULL
platform.resource_states.resource text NOT NULL
platform.resource_states.fingerprint text NOT NULL
platform.resource_states.ok_at timestamp with time zone
platform.resource_states.failed_at timestamp with time zone
platform.resource_states.failing_since timestamp with time zone
platform.resource_states.last_error text
platform.resource_states.seen_at timestamp with time zone NOT NULL
platform.restores.id uuid NOT NULL
platform.restores.tenant_id uuid NOT NULL
platform.restores.backup_id uuid NOT NULL
platform.restores.until timestamp with time zone
platform.restores.state text NOT NULL DEFAULT 'running'::text
platform.restores.step text NOT NULL
platform.restores.source jsonb NOT NULL
platform.restores.target jsonb NOT NULL
platform.restores.tenant_rows bigint
platform.restores.difference jsonb
platform.restores.compared_at timestamp with time zone
platform.restores.undo_backup_id uuid
platform.restores.move_id uuid
platform.restores.moves_back_at timestamp with time zone
platform.restores.pause_ms integer
platform.restores.error text
platform.restores.failures integer NOT NULL DEFAULT 0
platform.restores.held_by bigint
platform.restores.next_attempt_at timestamp with time zone NOT NULL DEFAULT now()
platform.restores.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.restores.discard_at timestamp with time zone
platform.restores.swap_requested_at timestamp with time zone
platform.restores.swapped_at timestamp with time zone
platform.restores.finished_at timestamp with time zone
platform.sandbox_access.code_hash bytea NOT NULL
platform.sandbox_access.tenant_id uuid NOT NULL
platform.sandbox_access.person bytea NOT NULL
platform.sandbox_access.expires_at timestamp with time zone NOT NULL
platform.servers.name text NOT NULL
platform.servers.region text
platform.servers.weight integer NOT NULL DEFAULT 100
platform.servers.plans text[]
platform.servers.url bytea
platform.servers.direct_url bytea
platform.servers.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.servers.shared_version text
platform.servers.shared_started_at timestamp with time zone
platform.servers.shared_ended_at timestamp with time zone
platform.servers.shared_ms integer
platform.servers.shared_error text
platform.servers.shared_failures integer NOT NULL DEFAULT 0
platform.servers.shared_retry_at timestamp with time zone
platform.setting_changes.id uuid NOT NULL
platform.setting_changes.scope text NOT NULL
platform.setting_changes.tenant_id uuid
platform.setting_changes.plan text
platform.setting_changes.key text NOT NULL
platform.setting_changes.before jsonb
platform.setting_changes.after jsonb
platform.setting_changes.actor jsonb NOT NULL
platform.setting_changes.changed_at timestamp with time zone NOT NULL DEFAULT now()
platform.signing_keys.kid text NOT NULL
platform.signing_keys.audience text NOT NULL
platform.signing_keys.public_jwk jsonb NOT NULL
platform.signing_keys.private_key bytea NOT NULL
platform.signing_keys.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.signing_keys.active_from timestamp with time zone NOT NULL
platform.signing_keys.retired_at timestamp with time zone
platform.signup_invites.id uuid NOT NULL
platform.signup_invites.code_hash bytea NOT NULL
platform.signup_invites.plan text
platform.signup_invites.note text
platform.signup_invites.created_by uuid NOT NULL
platform.signup_invites.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.signup_invites.expires_at timestamp with time zone NOT NULL
platform.signup_invites.used_at timestamp with time zone
platform.signups.id uuid NOT NULL
platform.signups.slug text NOT NULL
platform.signups.plan text NOT NULL
platform.signups.invite_id uuid
platform.signups.email_hmac bytea NOT NULL
platform.signups.address_hmac bytea NOT NULL
platform.signups.request bytea NOT NULL
platform.signups.token_hash bytea NOT NULL
platform.signups.mails integer NOT NULL
platform.signups.mailed_at timestamp with time zone NOT NULL
platform.signups.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.signups.expires_at timestamp with time zone NOT NULL
platform.signups.tenant_id uuid
platform.signups.confirmed_at timestamp with time zone
platform.signups.signed_in_at timestamp with time zone
platform.slug_holds.slug text NOT NULL
platform.slug_holds.holder uuid NOT NULL
platform.slug_holds.expires_at timestamp with time zone NOT NULL
platform.slugs.slug text NOT NULL
platform.slugs.tenant_id uuid NOT NULL
platform.slugs.reserved_at timestamp with time zone NOT NULL DEFAULT now()
platform.slugs.redirect_until timestamp with time zone
platform.tenant_domains.id uuid NOT NULL
platform.tenant_domains.tenant_id uuid NOT NULL
platform.tenant_domains.domain text NOT NULL
platform.tenant_domains.token text NOT NULL
platform.tenant_domains.status text NOT NULL DEFAULT 'pending'::text
platform.tenant_domains.is_primary boolean NOT NULL DEFAULT false
platform.tenant_domains.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.tenant_domains.pending_since timestamp with time zone NOT NULL DEFAULT now()
platform.tenant_domains.verified_at timestamp with time zone
platform.tenant_domains.checked_at timestamp with time zone
platform.tenant_domains.failing_since timestamp with time zone
platform.tenant_domains.finding text
platform.tenant_domains.next_check_at timestamp with time zone DEFAULT now()
platform.tenant_domains.notice text
platform.tenant_domains.notice_at timestamp with time zone
platform.tenant_keys.owner uuid NOT NULL
platform.tenant_keys.root_key_id text NOT NULL
platform.tenant_keys.wrapped bytea NOT NULL
platform.tenant_keys.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.tenant_notices.id uuid NOT NULL
platform.tenant_notices.tenant_id uuid NOT NULL
platform.tenant_notices.act text NOT NULL
platform.tenant_notices.days integer NOT NULL
platform.tenant_notices.due_on timestamp with time zone NOT NULL
platform.tenant_notices.attempts integer NOT NULL DEFAULT 0
platform.tenant_notices.next_attempt_at timestamp with time zone NOT NULL DEFAULT now()
platform.tenant_notices.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.tenant_notices.sent_at timestamp with time zone
platform.tenant_words.word text NOT NULL
platform.tenant_words.tenant_id uuid NOT NULL
platform.tenants.id uuid NOT NULL
platform.tenants.slug text NOT NULL
platform.tenants.name text NOT NULL
platform.tenants.plan text NOT NULL
platform.tenants.status text NOT NULL
platform.tenants.placement jsonb NOT NULL DEFAULT '{"kind": "shared"}'::jsonb
platform.tenants.settings jsonb NOT NULL DEFAULT '{}'::jsonb
platform.tenants.extra jsonb NOT NULL DEFAULT '{}'::jsonb
platform.tenants.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.tenants.updated_at timestamp with time zone NOT NULL DEFAULT now()
platform.tenants.kind text NOT NULL DEFAULT 'production'::text
platform.tenants.revision integer NOT NULL DEFAULT 1
platform.tenants.status_changed_at timestamp with time zone NOT NULL DEFAULT now()
platform.tenants.suspended_reason text
platform.tenants.expires_at timestamp with time zone
platform.tenants.purge_after timestamp with time zone
platform.tenants.source_tenant_id uuid
platform.tenants.holder_tenant_id uuid
platform.tenants.with_data boolean NOT NULL DEFAULT false
shared.api_keys.tenant_id uuid NOT NULL
shared.api_keys.id uuid NOT NULL
shared.api_keys.name text NOT NULL
shared.api_keys.hint text NOT NULL
shared.api_keys.key_hash bytea NOT NULL
shared.api_keys.permissions text[] NOT NULL
shared.api_keys.address_ranges text[] NOT NULL DEFAULT '{}'::text[]
shared.api_keys.created_by uuid
shared.api_keys.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.api_keys.expires_at timestamp with time zone
shared.api_keys.last_used_at timestamp with time zone
shared.api_keys.last_used_address text
shared.audit_events.tenant_id uuid NOT NULL
shared.audit_events.id uuid NOT NULL
shared.audit_events.occurred_at timestamp with time zone NOT NULL
shared.audit_events.event text NOT NULL
shared.audit_events.actor_kind text NOT NULL
shared.audit_events.actor_id text
shared.audit_events.actor_name text
shared.audit_events.impersonator_id text
shared.audit_events.impersonator_name text
shared.audit_events.target_kind text
shared.audit_events.target_id text
shared.audit_events.before jsonb
shared.audit_events.after jsonb
shared.audit_events.details jsonb
shared.audit_events.address text
shared.audit_events.request_id text
shared.audit_events.occurrences integer NOT NULL DEFAULT 1
shared.brand_logos.tenant_id uuid NOT NULL
shared.brand_logos.id uuid NOT NULL
shared.brand_logos.media_type text NOT NULL
shared.brand_logos.content bytea NOT NULL
shared.brand_logos.tag text NOT NULL
shared.brand_logos.width integer NOT NULL
shared.brand_logos.height integer NOT NULL
shared.brand_logos.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.changes.tenant_id uuid NOT NULL
shared.changes.id uuid NOT NULL DEFAULT gen_random_uuid()
shared.changes.seq bigint NOT NULL
shared.changes.at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
shared.changes.purpose text NOT NULL
shared.changes.relation text NOT NULL
shared.changes.operation text NOT NULL
shared.changes.key uuid NOT NULL
shared.chat_messages.tenant_id uuid NOT NULL
shared.chat_messages.id uuid NOT NULL
shared.chat_messages.session_id uuid NOT NULL
shared.chat_messages.role text NOT NULL
shared.chat_messages.content text NOT NULL
shared.chat_messages.model text
shared.chat_messages.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.chat_sessions.tenant_id uuid NOT NULL
shared.chat_sessions.id uuid NOT NULL
shared.chat_sessions.token_hash bytea NOT NULL
shared.chat_sessions.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.chat_sessions.last_active_at timestamp with time zone NOT NULL DEFAULT now()
shared.chat_sessions.user_id uuid
shared.chat_sessions.custom_fields jsonb NOT NULL DEFAULT '{}'::jsonb
shared.closures.tenant_id uuid NOT NULL
shared.closures.id uuid NOT NULL DEFAULT gen_random_uuid()
shared.closures.place text NOT NULL
shared.closures.closed_at timestamp with time zone NOT NULL DEFAULT now()
shared.devices.tenant_id uuid NOT NULL
shared.devices.id uuid NOT NULL
shared.devices.user_id uuid NOT NULL
shared.devices.name text NOT NULL
shared.devices.address text
shared.devices.token_hash bytea NOT NULL
shared.devices.previous_hash bytea
shared.devices.rotated_at timestamp with time zone
shared.devices.successor bytea
shared.devices.in_cookie boolean NOT NULL DEFAULT false
shared.devices.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.devices.last_used_at timestamp with time zone NOT NULL DEFAULT now()
shared.devices.expires_at timestamp with time zone NOT NULL
shared.external_identities.tenant_id uuid NOT NULL
shared.external_identities.id uuid NOT NULL
shared.external_identities.user_id uuid NOT NULL
shared.external_identities.issuer text NOT NULL
shared.external_identities.subject text NOT NULL
shared.external_identities.linked_at timestamp with time zone NOT NULL DEFAULT now()
shared.history.tenant_id uuid NOT NULL
shared.history.id uuid NOT NULL DEFAULT gen_random_uuid()
shared.history.seq bigint NOT NULL
shared.history.at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
shared.history.began timestamp with time zone NOT NULL DEFAULT now()
shared.history.pid integer NOT NULL DEFAULT pg_backend_pid()
shared.history.relation text NOT NULL
shared.history.key uuid NOT NULL
shared.history."row" jsonb
shared.history.json_nulls text[]
shared.idempotency_keys.tenant_id uuid NOT NULL
shared.idempotency_keys.id uuid NOT NULL
shared.idempotency_keys.key_hash bytea NOT NULL
shared.idempotency_keys.request_hash bytea NOT NULL
shared.idempotency_keys.claimed_until timestamp with time zone NOT NULL
shared.idempotency_keys.expires_at timestamp with time zone NOT NULL
shared.idempotency_keys.status integer
shared.idempotency_keys.answer bytea
shared.invitations.tenant_id uuid NOT NULL
shared.invitations.id uuid NOT NULL
shared.invitations.email text NOT NULL
shared.invitations.email_key text NOT NULL
shared.invitations.role text NOT NULL
shared.invitations.token_hash bytea NOT NULL
shared.invitations.invited_by uuid
shared.invitations.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.invitations.sent_at timestamp with time zone NOT NULL DEFAULT now()
shared.invitations.expires_at timestamp with time zone NOT NULL
shared.invitations.accepted_at timestamp with time zone
shared.invitations.revoked_at timestamp with time zone
shared.known_addresses.tenant_id uuid NOT NULL
shared.known_addresses.id uuid NOT NULL
shared.known_addresses.user_id uuid NOT NULL
shared.known_addresses.address_hash bytea NOT NULL
shared.known_addresses.signed_in_at timestamp with time zone
shared.known_addresses.proven_at timestamp with time zone
shared.known_addresses.last_seen_at timestamp with time zone NOT NULL DEFAULT now()
shared.member_mails.tenant_id uuid NOT NULL
shared.member_mails.id uuid NOT NULL
shared.member_mails.recipient_hmac bytea NOT NULL
shared.member_mails.sent_at timestamp with time zone NOT NULL
shared.migrations.id integer NOT NULL DEFAULT nextval('shared.migrations_id_seq'::regclass)
shared.migrations."timestamp" bigint NOT NULL
shared.migrations.name character varying NOT NULL
shared.outbox_events.tenant_id uuid NOT NULL
shared.outbox_events.id uuid NOT NULL
shared.outbox_events.type text NOT NULL
shared.outbox_events.payload bytea NOT NULL
shared.outbox_events.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.outbox_events.attempts integer NOT NULL DEFAULT 0
shared.outbox_events.next_attempt_at timestamp with time zone NOT NULL DEFAULT now()
shared.outbox_events.dead_at timestamp with time zone
shared.outbox_events.last_error text
shared.provisioning_marks.tenant_id uuid NOT NULL
shared.provisioning_marks.id uuid NOT NULL
shared.provisioning_marks.step text NOT NULL
shared.provisioning_marks.note bytea
shared.provisioning_marks.created_at timestamp with time zone NOT NULL
shared.recovery_codes.tenant_id uuid NOT NULL
shared.recovery_codes.id uuid NOT NULL
shared.recovery_codes.user_id uuid NOT NULL
shared.recovery_codes.code_hash bytea NOT NULL
shared.recovery_codes.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.roles.tenant_id uuid NOT NULL
shared.roles.id uuid NOT NULL
shared.roles.name text NOT NULL
shared.roles.description text NOT NULL DEFAULT ''::text
shared.roles.permissions text[] NOT NULL
shared.roles.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.roles.updated_at timestamp with time zone NOT NULL DEFAULT now()
shared.sent_notices.tenant_id uuid NOT NULL
shared.sent_notices.id uuid NOT NULL
shared.sent_notices.sent_at timestamp with time zone NOT NULL
shared.sso_sign_ins.tenant_id uuid NOT NULL
shared.sso_sign_ins.id uuid NOT NULL
shared.sso_sign_ins.user_id uuid
shared.sso_sign_ins.token_hash bytea
shared.sso_sign_ins.token_version integer
shared.sso_sign_ins.code_challenge text NOT NULL
shared.sso_sign_ins.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.sso_sign_ins.redeemable_until timestamp with time zone
shared.sso_sign_ins.expires_at timestamp with time zone NOT NULL
shared.tenant_files.tenant_id uuid NOT NULL
shared.tenant_files.id uuid NOT NULL
shared.tenant_files.state text NOT NULL
shared.tenant_files.name text NOT NULL
shared.tenant_files.media_type text NOT NULL
shared.tenant_files.bytes bigint NOT NULL
shared.tenant_files.sha256 text NOT NULL
shared.tenant_files.uploaded_by uuid
shared.tenant_files.uploader_kind text NOT NULL
shared.tenant_files.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.tenant_files.touched_at timestamp with time zone NOT NULL DEFAULT now()
shared.user_tokens.tenant_id uuid NOT NULL
shared.user_tokens.id uuid NOT NULL
shared.user_tokens.user_id uuid NOT NULL
shared.user_tokens.purpose text NOT NULL
shared.user_tokens.token_hash bytea NOT NULL
shared.user_tokens.email text
shared.user_tokens.attempts integer NOT NULL DEFAULT 0
shared.user_tokens.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.user_tokens.expires_at timestamp with time zone NOT NULL
shared.user_tokens.token_version integer
shared.user_tokens.first_factor text
shared.users.tenant_id uuid NOT NULL
shared.users.id uuid NOT NULL
shared.users.email text NOT NULL
shared.users.email_key text NOT NULL
shared.users.name text NOT NULL
shared.users.role text NOT NULL
shared.users.status text NOT NULL DEFAULT 'active'::text
shared.users.password_hash text
shared.users.email_verified_at timestamp with time zone
shared.users.token_version integer NOT NULL DEFAULT 1
shared.users.mfa_secret bytea
shared.users.mfa_enabled_at timestamp with time zone
shared.users.mfa_last_step integer
shared.users.last_sign_in_at timestamp with time zone
shared.users.created_at timestamp with time zone NOT NULL DEFAULT now()
shared.users.updated_at timestamp with time zone NOT NULL DEFAULT now()
shared.users.pending_email text
shared.users.pending_email_by uuid
shared.users.custom_fields jsonb NOT NULL DEFAULT '{}'::jsonb

-- constraints
platform.audit_events audit_events_actor_kind_known CHECK ((actor_kind = ANY (ARRAY['user'::text, 'api-key'::text, 'visitor'::text, 'platform-admin'::text, 'system'::text])))
platform.audit_events audit_events_pkey PRIMARY KEY (id)
platform.backups backups_done_known CHECK (((state <> 'done'::text) OR ((bytes IS NOT NULL) AND (sha256 IS NOT NULL))))
platform.backups backups_pkey PRIMARY KEY (id)
platform.backups backups_state_known CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'failed'::text])))
platform.email_directory email_directory_pkey PRIMARY KEY (email_hmac, tenant_id)
platform.histories histories_days_positive CHECK ((days > 0))
platform.histories histories_on_since CHECK (((state <> 'on'::text) OR (since IS NOT NULL)))
platform.histories histories_pkey PRIMARY KEY (tenant_id)
platform.histories histories_state_known CHECK ((state = ANY (ARRAY['starting'::text, 'on'::text, 'stopping'::text])))
platform.idempotency_keys idempotency_keys_pkey PRIMARY KEY (key_hash)
platform.impersonations impersonations_admin_id_fkey FOREIGN KEY (admin_id) REFERENCES platform.platform_admins(id)
platform.impersonations impersonations_pkey PRIMARY KEY (id)
platform.impersonations impersonations_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'active'::text, 'refused'::text, 'ended'::text, 'expired'::text])))
platform.impersonations impersonations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES platform.tenants(id)
platform.installation installation_id_check CHECK ((id = 1))
platform.installation installation_pkey PRIMARY KEY (id)
platform.job_clocks job_clocks_pkey PRIMARY KEY (name)
platform.job_crons job_crons_pkey PRIMARY KEY (name, expression, time_zone)
platform.job_lanes job_lanes_pkey PRIMARY KEY (name, tenant_id, step)
platform.migrations "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY (id)
platform.move_steps move_steps_move_id_fkey FOREIGN KEY (move_id) REFERENCES platform.moves(id) ON DELETE CASCADE
platform.move_steps move_steps_pkey PRIMARY KEY (move_id, name)
platform.moves moves_pkey PRIMARY KEY (id)
platform.moves moves_state_known CHECK ((state = ANY (ARRAY['running'::text, 'undoing'::text, 'done'::text, 'failed'::text, 'aborted'::text])))
platform.places places_kind_known CHECK ((kind = ANY (ARRAY['schema'::text, 'database'::text])))
platform.places places_pkey PRIMARY KEY (server, name)
platform.places places_server_fkey FOREIGN KEY (server) REFERENCES platform.servers(name)
platform.places places_state_known CHECK ((state = ANY (ARRAY['making'::text, 'spare'::text, 'used'::text, 'dropping'::text, 'filling'::text, 'kept'::text])))
platform.places places_used_by_a_tenant CHECK (((state <> 'used'::text) OR (tenant_id IS NOT NULL)))
platform.plans plans_archive_after_days_range CHECK (((archive_after_days >= 1) AND (archive_after_days <= 3650)))
platform.plans plans_pkey PRIMARY KEY (name)
platform.plans plans_purge_after_days_range CHECK (((purge_after_days >= 1) AND (purge_after_days <= 3650)))
platform.plans plans_reserved_connections_range CHECK (((reserved_connections >= 0) AND (reserved_connections <= 1000)))
platform.plans plans_reserved_workers_range CHECK (((reserved_workers >= 0) AND (reserved_workers <= 100)))
platform.plans plans_roll_back_after_days_range CHECK (((roll_back_after_days >= 1) AND (roll_back_after_days <= 365)))
platform.plans plans_trial_days_range CHECK (((trial_days >= 1) AND (trial_days <= 365)))
platform.platform_admins platform_admins_email_key UNIQUE (email_key)
platform.platform_admins platform_admins_pkey PRIMARY KEY (id)
platform.platform_admins platform_admins_role_known CHECK ((role = ANY (ARRAY['admin'::text, 'support'::text, 'billing'::text, 'read-only'::text])))
platform.platform_admins platform_admins_status_known CHECK ((status = ANY (ARRAY['active'::text, 'disabled'::text])))
platform.platform_devices platform_devices_pkey PRIMARY KEY (id)
platform.platform_devices platform_devices_user_id_fkey FOREIGN KEY (user_id) REFERENCES platform.platform_admins(id) ON DELETE CASCADE
platform.platform_known_addresses platform_known_addresses_pkey PRIMARY KEY (user_id, address_hash)
platform.platform_known_addresses platform_known_addresses_user_id_fkey FOREIGN KEY (user_id) REFERENCES platform.platform_admins(id) ON DELETE CASCADE
platform.platform_mfa_challenges platform_mfa_challenges_admin_id_fkey FOREIGN KEY (admin_id) REFERENCES platform.platform_admins(id) ON DELETE CASCADE
platform.platform_mfa_challenges platform_mfa_challenges_pkey PRIMARY KEY (id)
platform.platform_settings platform_settings_one CHECK ((id = 1))
platform.platform_settings platform_settings_pkey PRIMARY KEY (id)
platform.provisioning_steps provisioning_steps_pkey PRIMARY KEY (tenant_id, "position")
platform.provisioning_steps provisioning_steps_state_known CHECK ((state = ANY (ARRAY['pending'::text, 'running'::text, 'done'::text, 'failed'::text])))
platform.provisioning_steps provisioning_steps_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES platform.provisionings(tenant_id) ON DELETE CASCADE
platform.provisionings provisionings_pkey PRIMARY KEY (tenant_id)
platform.provisionings provisionings_state_known CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'failed'::text, 'undoing'::text])))
platform.provisionings provisionings_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES platform.tenants(id) ON DELETE CASCADE
platform.resource_states resource_states_fail_with_error CHECK (((failing_since IS NULL) = (last_error IS NULL)))
platform.resource_states resource_states_pkey PRIMARY KEY (tenant_id, resource)
platform.resource_states resource_states_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES platform.tenants(id) ON DELETE CASCADE
platform.restores restores_pkey PRIMARY KEY (id)
platform.restores restores_state_known CHECK ((state = ANY (ARRAY['running'::text, 'ready'::text, 'swapping'::text, 'undoing'::text, 'done'::text, 'failed'::text, 'discarded'::text])))
platform.sandbox_access sandbox_access_pkey PRIMARY KEY (code_hash)
platform.sandbox_access sandbox_access_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES platform.tenants(id) ON DELETE CASCADE
platform.servers servers_default_by_environment CHECK (((name = 'default'::text) = (url IS NULL)))
platform.servers servers_name_plain CHECK ((name ~ '^[a-z][a-z0-9-]{0,39}$'::text))
platform.servers servers_pkey PRIMARY KEY (name)
platform.servers servers_weight_range CHECK (((weight >= 0) AND (weight <= 10000)))
platform.setting_changes setting_changes_of_one CHECK ((((tenant_id IS NOT NULL) = (scope = 'tenant'::text)) AND ((plan IS NOT NULL) = (scope = 'plan'::text))))
platform.setting_changes setting_changes_pkey PRIMARY KEY (id)
platform.setting_changes setting_changes_scope_known CHECK ((scope = ANY (ARRAY['tenant'::text, 'plan'::text, 'platform'::text])))
platform.signing_keys signing_keys_audience_known CHECK ((audience = ANY (ARRAY['tenant'::text, 'platform'::text])))
platform.signing_keys signing_keys_pkey PRIMARY KEY (kid)
platform.signup_invites signup_invites_pkey PRIMARY KEY (id)
platform.signup_invites signup_invites_plan_known FOREIGN KEY (plan) REFERENCES platform.plans(name)
platform.signups signups_invite_id_fkey FOREIGN KEY (invite_id) REFERENCES platform.signup_invites(id) ON DELETE SET NULL
platform.signups signups_pkey PRIMARY KEY (id)
platform.signups signups_plan_known FOREIGN KEY (plan) REFERENCES platform.plans(name)
platform.signups signups_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES platform.tenants(id) ON DELETE CASCADE
platform.slug_holds slug_holds_pkey PRIMARY KEY (slug)
platform.slugs slugs_pkey PRIMARY KEY (slug)
platform.tenant_domains tenant_domains_is_a_name CHECK (((domain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$'::text) AND (length(domain) <= 243)))
platform.tenant_domains tenant_domains_notice_known CHECK ((notice = ANY (ARRAY['verified'::text, 'disabled'::text])))
platform.tenant_domains tenant_domains_of_tenant UNIQUE (tenant_id, domain)
platform.tenant_domains tenant_domains_pkey PRIMARY KEY (id)
platform.tenant_domains tenant_domains_primary_is_verified CHECK (((NOT is_primary) OR (status = 'verified'::text)))
platform.tenant_domains tenant_domains_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'verified'::text, 'disabled'::text, 'expired'::text])))
platform.tenant_domains tenant_domains_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES platform.tenants(id) ON DELETE CASCADE
platform.tenant_keys tenant_keys_pkey PRIMARY KEY (owner)
platform.tenant_notices tenant_notices_act_known CHECK ((act = ANY (ARRAY['suspend'::text, 'suspended'::text, 'archive'::text, 'schedule'::text, 'purge'::text])))
platform.tenant_notices tenant_notices_key UNIQUE (tenant_id, act, due_on, days)
platform.tenant_notices tenant_notices_pkey PRIMARY KEY (id)
platform.tenant_notices tenant_notices_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES platform.tenants(id) ON DELETE CASCADE
platform.tenant_words tenant_words_pkey PRIMARY KEY (word, tenant_id)
platform.tenants tenants_holder FOREIGN KEY (holder_tenant_id) REFERENCES platform.tenants(id)
platform.tenants tenants_kind_known CHECK ((kind = ANY (ARRAY['production'::text, 'trial'::text, 'sandbox'::text, 'training'::text])))
platform.tenants tenants_pkey PRIMARY KEY (id)
platform.tenants tenants_plan_known FOREIGN KEY (plan) REFERENCES platform.plans(name)
platform.tenants tenants_slug_is_a_dns_label CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
platform.tenants tenants_slug_key UNIQUE (slug)
platform.tenants tenants_source FOREIGN KEY (source_tenant_id) REFERENCES platform.tenants(id)
platform.tenants tenants_status_known CHECK ((status = ANY (ARRAY['provisioning'::text, 'active'::text, 'failed'::text, 'suspended'::text, 'archived'::text, 'deleted'::text])))
shared.api_keys api_keys_pkey PRIMARY KEY (tenant_id, id)
shared.audit_events audit_events_actor_kind_known CHECK ((actor_kind = ANY (ARRAY['user'::text, 'api-key'::text, 'visitor'::text, 'platform-admin'::text, 'system'::text])))
shared.audit_events audit_events_pkey PRIMARY KEY (tenant_id, id)
shared.brand_logos brand_logos_pkey PRIMARY KEY (tenant_id, id)
shared.brand_logos brand_logos_type_known CHECK ((media_type = ANY (ARRAY['image/png'::text, 'image/jpeg'::text, 'image/webp'::text, 'image/gif'::text])))
shared.changes changes_pkey PRIMARY KEY (tenant_id, id)
shared.chat_messages chat_messages_pkey PRIMARY KEY (tenant_id, id)
shared.chat_messages chat_messages_role_known CHECK ((role = ANY (ARRAY['user'::text, 'assistant'::text])))
shared.chat_messages chat_messages_session FOREIGN KEY (tenant_id, session_id) REFERENCES shared.chat_sessions(tenant_id, id) ON DELETE CASCADE
shared.chat_sessions chat_sessions_pkey PRIMARY KEY (tenant_id, id)
shared.chat_sessions chat_sessions_token_key UNIQUE (tenant_id, token_hash)
shared.chat_sessions chat_sessions_user FOREIGN KEY (tenant_id, user_id) REFERENCES shared.users(tenant_id, id) ON DELETE SET NULL (user_id)
shared.closures closures_pkey PRIMARY KEY (tenant_id, id)
shared.closures closures_place_key UNIQUE (tenant_id, place)
shared.devices devices_pkey PRIMARY KEY (tenant_id, id)
shared.devices devices_user FOREIGN KEY (tenant_id, user_id) REFERENCES shared.users(tenant_id, id) ON DELETE CASCADE
shared.external_identities external_identities_of_user UNIQUE (tenant_id, user_id, issuer)
shared.external_identities external_identities_pkey PRIMARY KEY (tenant_id, id)
shared.external_identities external_identities_subject UNIQUE (tenant_id, issuer, subject)
shared.external_identities external_identities_user FOREIGN KEY (tenant_id, user_id) REFERENCES shared.users(tenant_id, id) ON DELETE CASCADE
shared.history history_pkey PRIMARY KEY (tenant_id, id)
shared.idempotency_keys idempotency_keys_key UNIQUE (tenant_id, key_hash)
shared.idempotency_keys idempotency_keys_pkey PRIMARY KEY (tenant_id, id)
shared.invitations invitations_pkey PRIMARY KEY (tenant_id, id)
shared.known_addresses known_addresses_key UNIQUE (tenant_id, user_id, address_hash)
shared.known_addresses known_addresses_pkey PRIMARY KEY (tenant_id, id)
shared.known_addresses known_addresses_user FOREIGN KEY (tenant_id, user_id) REFERENCES shared.users(tenant_id, id) ON DELETE CASCADE
shared.member_mails member_mails_pkey PRIMARY KEY (tenant_id, id)
shared.migrations "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY (id)
shared.outbox_events outbox_events_pkey PRIMARY KEY (tenant_id, id)
shared.provisioning_marks provisioning_marks_pkey PRIMARY KEY (tenant_id, id)
shared.provisioning_marks provisioning_marks_step_key UNIQUE (tenant_id, step)
shared.recovery_codes recovery_codes_pkey PRIMARY KEY (tenant_id, id)
shared.recovery_codes recovery_codes_user FOREIGN KEY (tenant_id, user_id) REFERENCES shared.users(tenant_id, id) ON DELETE CASCADE
shared.roles roles_name_key UNIQUE (tenant_id, name)
shared.roles roles_pkey PRIMARY KEY (tenant_id, id)
shared.sent_notices sent_notices_pkey PRIMARY KEY (tenant_id, id)
shared.sso_sign_ins sso_sign_ins_pkey PRIMARY KEY (tenant_id, id)
shared.sso_sign_ins sso_sign_ins_user FOREIGN KEY (tenant_id, user_id) REFERENCES shared.users(tenant_id, id) ON DELETE CASCADE
shared.tenant_files tenant_files_pkey PRIMARY KEY (tenant_id, id)
shared.tenant_files tenant_files_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'stored'::text, 'deleting'::text])))
shared.user_tokens user_tokens_pkey PRIMARY KEY (tenant_id, id)
shared.user_tokens user_tokens_purpose_known CHECK ((purpose = ANY (ARRAY['reset-password'::text, 'verify-email'::text, 'mfa'::text])))
shared.user_tokens user_tokens_user FOREIGN KEY (tenant_id, user_id) REFERENCES shared.users(tenant_id, id) ON DELETE CASCADE
shared.users users_email_key UNIQUE (tenant_id, email_key)
shared.users users_pkey PRIMARY KEY (tenant_id, id)
shared.users users_status_known CHECK ((status = ANY (ARRAY['active'::text, 'disabled'::text])))

-- indexes
CREATE INDEX audit_events_actor ON platform.audit_events USING btree (actor_id, id)
CREATE INDEX audit_events_actor ON shared.audit_events USING btree (tenant_id, actor_id, id)
CREATE INDEX audit_events_event ON shared.audit_events USING btree (tenant_id, event, id)
CREATE INDEX audit_events_target ON shared.audit_events USING btree (tenant_id, target_kind, target_id, id)
CREATE INDEX audit_events_tenant ON platform.audit_events USING btree (tenant_id, id)
CREATE INDEX audit_events_time ON platform.audit_events USING btree (occurred_at, id)
CREATE INDEX backups_by_age ON platform.backups USING btree (created_at)
CREATE INDEX backups_of_tenant ON platform.backups USING btree (tenant_id, id)
CREATE INDEX changes_of_moves ON shared.changes USING btree (tenant_id, relation, key) WHERE (purpose = 'move'::text)
CREATE INDEX chat_messages_history ON shared.chat_messages USING btree (tenant_id, session_id, id)
CREATE INDEX chat_sessions_idle ON shared.chat_sessions USING btree (last_active_at)
CREATE INDEX chat_sessions_of_user ON shared.chat_sessions USING btree (tenant_id, user_id, id)
CREATE INDEX devices_expiry ON shared.devices USING btree (expires_at)
CREATE INDEX devices_of_user ON shared.devices USING btree (tenant_id, user_id)
CREATE INDEX history_by_time ON shared.history USING btree (tenant_id, at)
CREATE INDEX idempotency_keys_expiry ON platform.idempotency_keys USING btree (expires_at)
CREATE INDEX idempotency_keys_expiry ON shared.idempotency_keys USING btree (expires_at)
CREATE INDEX impersonations_of_admin ON platform.impersonations USING btree (admin_id, id)
CREATE INDEX impersonations_of_tenant ON platform.impersonations USING btree (tenant_id, id)
CREATE INDEX impersonations_running ON platform.impersonations USING btree (expires_at) WHERE (status = 'active'::text)
CREATE INDEX invitations_expiry ON shared.invitations USING btree (expires_at)
CREATE INDEX job_lanes_by_tag ON platform.job_lanes USING btree (name, tag)
CREATE INDEX known_addresses_age ON shared.known_addresses USING btree (last_seen_at)
CREATE INDEX member_mails_recipient ON shared.member_mails USING btree (tenant_id, recipient_hmac, sent_at)
CREATE INDEX member_mails_time ON shared.member_mails USING btree (sent_at)
CREATE INDEX moves_of_tenant ON platform.moves USING btree (tenant_id, id)
CREATE INDEX moves_with_kept_source ON platform.moves USING btree (keep_until) WHERE ((state = 'done'::text) AND (source_gone_at IS NULL))
CREATE INDEX outbox_events_dead ON shared.outbox_events USING btree (id) WHERE (dead_at IS NOT NULL)
CREATE INDEX outbox_events_due ON shared.outbox_events USING btree (tenant_id, next_attempt_at, id) WHERE (dead_at IS NULL)
CREATE INDEX places_by_state ON platform.places USING btree (state, kind, server, created_at)
CREATE INDEX places_of_tenant ON platform.places USING btree (tenant_id) WHERE (tenant_id IS NOT NULL)
CREATE INDEX platform_devices_of_user ON platform.platform_devices USING btree (user_id)
CREATE INDEX platform_mfa_challenges_of_admin ON platform.platform_mfa_challenges USING btree (admin_id)
CREATE INDEX provisionings_due ON platform.provisionings USING btree (next_attempt_at) WHERE (state = ANY (ARRAY['running'::text, 'undoing'::text]))
CREATE INDEX recovery_codes_of_user ON shared.recovery_codes USING btree (tenant_id, user_id)
CREATE INDEX restores_of_tenant ON platform.restores USING btree (tenant_id, id)
CREATE INDEX sandbox_access_expiry ON platform.sandbox_access USING btree (expires_at)
CREATE INDEX sandbox_access_of_tenant ON platform.sandbox_access USING btree (tenant_id)
CREATE INDEX setting_changes_of_plan ON platform.setting_changes USING btree (plan, key, id) WHERE (scope = 'plan'::text)
CREATE INDEX setting_changes_of_platform ON platform.setting_changes USING btree (key, id) WHERE (scope = 'platform'::text)
CREATE INDEX setting_changes_of_tenant ON platform.setting_changes USING btree (tenant_id, key, id) WHERE (scope = 'tenant'::text)
CREATE INDEX signup_invites_expiry ON platform.signup_invites USING btree (expires_at)
CREATE INDEX signups_expiry ON platform.signups USING btree (expires_at)
CREATE INDEX signups_of_address ON platform.signups USING btree (address_hmac, expires_at)
CREATE INDEX signups_of_email ON platform.signups USING btree (email_hmac, mailed_at)
CREATE INDEX signups_of_invite ON platform.signups USING btree (invite_id) WHERE (invite_id IS NOT NULL)
CREATE INDEX signups_of_tenant ON platform.signups USING btree (tenant_id) WHERE (tenant_id IS NOT NULL)
CREATE INDEX slug_holds_expiry ON platform.slug_holds USING btree (expires_at)
CREATE INDEX slugs_of_tenant ON platform.slugs USING btree (tenant_id)
CREATE INDEX sso_sign_ins_expiry ON shared.sso_sign_ins USING btree (expires_at)
CREATE INDEX sso_sign_ins_of_user ON shared.sso_sign_ins USING btree (tenant_id, user_id)
CREATE INDEX tenant_domains_due ON platform.tenant_domains USING btree (next_check_at) WHERE (next_check_at IS NOT NULL)
CREATE INDEX tenant_domains_notices ON platform.tenant_domains USING btree (notice_at) WHERE (notice_at IS NOT NULL)
CREATE INDEX tenant_files_by_uploader ON shared.tenant_files USING btree (tenant_id, uploaded_by, id)
CREATE INDEX tenant_files_unsettled ON shared.tenant_files USING btree (tenant_id, touched_at) WHERE (state <> 'stored'::text)
CREATE INDEX tenant_files_usage ON shared.tenant_files USING btree (tenant_id) INCLUDE (bytes, state)
CREATE INDEX tenant_notices_waiting ON platform.tenant_notices USING btree (next_attempt_at) WHERE (sent_at IS NULL)
CREATE INDEX tenant_words_of_tenant ON platform.tenant_words USING btree (tenant_id, word)
CREATE INDEX tenants_by_state ON platform.tenants USING btree (status, plan, kind, id)
CREATE INDEX tenants_expiring ON platform.tenants USING btree (expires_at) WHERE (expires_at IS NOT NULL)
CREATE INDEX tenants_of_holder ON platform.tenants USING btree (holder_tenant_id, id) WHERE (holder_tenant_id IS NOT NULL)
CREATE INDEX tenants_of_source ON platform.tenants USING btree (source_tenant_id) WHERE (source_tenant_id IS NOT NULL)
CREATE INDEX tenants_placed_elsewhere ON platform.tenants USING btree (id) WHERE ((placement <> '{"kind": "shared"}'::jsonb) AND (status <> 'deleted'::text))
CREATE INDEX tenants_purgeable ON platform.tenants USING btree (purge_after) WHERE (purge_after IS NOT NULL)
CREATE INDEX tenants_status_since ON platform.tenants USING btree (status, status_changed_at)
CREATE INDEX user_tokens_expiry ON shared.user_tokens USING btree (expires_at)
CREATE INDEX user_tokens_of_user ON shared.user_tokens USING btree (tenant_id, user_id, purpose)
CREATE INDEX users_role ON shared.users USING btree (tenant_id, role)
CREATE UNIQUE INDEX "PK_8c82d7f526340ab734260ea46be" ON platform.migrations USING btree (id)
CREATE UNIQUE INDEX "PK_8c82d7f526340ab734260ea46be" ON shared.migrations USING btree (id)
CREATE UNIQUE INDEX api_keys_pkey ON shared.api_keys USING btree (tenant_id, id)
CREATE UNIQUE INDEX audit_events_pkey ON platform.audit_events USING btree (id)
CREATE UNIQUE INDEX audit_events_pkey ON shared.audit_events USING btree (tenant_id, id)
CREATE UNIQUE INDEX backups_one_at_a_time ON platform.backups USING btree (tenant_id) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]))
CREATE UNIQUE INDEX backups_pkey ON platform.backups USING btree (id)
CREATE UNIQUE INDEX brand_logos_pkey ON shared.brand_logos USING btree (tenant_id, id)
CREATE UNIQUE INDEX changes_pkey ON shared.changes USING btree (tenant_id, id)
CREATE UNIQUE INDEX chat_messages_pkey ON shared.chat_messages USING btree (tenant_id, id)
CREATE UNIQUE INDEX chat_sessions_pkey ON shared.chat_sessions USING btree (tenant_id, id)
CREATE UNIQUE INDEX chat_sessions_token_key ON shared.chat_sessions USING btree (tenant_id, token_hash)
CREATE UNIQUE INDEX closures_pkey ON shared.closures USING btree (tenant_id, id)
CREATE UNIQUE INDEX closures_place_key ON shared.closures USING btree (tenant_id, place)
CREATE UNIQUE INDEX devices_pkey ON shared.devices USING btree (tenant_id, id)
CREATE UNIQUE INDEX email_directory_pkey ON platform.email_directory USING btree (email_hmac, tenant_id)
CREATE UNIQUE INDEX external_identities_of_user ON shared.external_identities USING btree (tenant_id, user_id, issuer)
CREATE UNIQUE INDEX external_identities_pkey ON shared.external_identities USING btree (tenant_id, id)
CREATE UNIQUE INDEX external_identities_subject ON shared.external_identities USING btree (tenant_id, issuer, subject)
CREATE UNIQUE INDEX histories_pkey ON platform.histories USING btree (tenant_id)
CREATE UNIQUE INDEX history_pkey ON shared.history USING btree (tenant_id, id)
CREATE UNIQUE INDEX idempotency_keys_key ON shared.idempotency_keys USING btree (tenant_id, key_hash)
CREATE UNIQUE INDEX idempotency_keys_pkey ON platform.idempotency_keys USING btree (key_hash)
CREATE UNIQUE INDEX idempotency_keys_pkey ON shared.idempotency_keys USING btree (tenant_id, id)
CREATE UNIQUE INDEX impersonations_pkey ON platform.impersonations USING btree (id)
CREATE UNIQUE INDEX installation_pkey ON platform.installation USING btree (id)
CREATE UNIQUE INDEX invitations_open ON shared.invitations USING btree (tenant_id, email_key) WHERE ((accepted_at IS NULL) AND (revoked_at IS NULL))
CREATE UNIQUE INDEX invitations_pkey ON shared.invitations USING btree (tenant_id, id)
CREATE UNIQUE INDEX job_clocks_pkey ON platform.job_clocks USING btree (name)
CREATE UNIQUE INDEX job_crons_pkey ON platform.job_crons USING btree (name, expression, time_zone)
CREATE UNIQUE INDEX job_lanes_pkey ON platform.job_lanes USING btree (name, tenant_id, step)
CREATE UNIQUE INDEX known_addresses_key ON shared.known_addresses USING btree (tenant_id, user_id, address_hash)
CREATE UNIQUE INDEX known_addresses_pkey ON shared.known_addresses USING btree (tenant_id, id)
CREATE UNIQUE INDEX member_mails_pkey ON shared.member_mails USING btree (tenant_id, id)
CREATE UNIQUE INDEX move_steps_pkey ON platform.move_steps USING btree (move_id, name)
CREATE UNIQUE INDEX moves_one_at_a_time ON platform.moves USING btree (tenant_id) WHERE (state = ANY (ARRAY['running'::text, 'undoing'::text]))
CREATE UNIQUE INDEX moves_pkey ON platform.moves USING btree (id)
CREATE UNIQUE INDEX outbox_events_pkey ON shared.outbox_events USING btree (tenant_id, id)
CREATE UNIQUE INDEX places_pkey ON platform.places USING btree (server, name)
CREATE UNIQUE INDEX plans_pkey ON platform.plans USING btree (name)
CREATE UNIQUE INDEX platform_admins_email_key ON platform.platform_admins USING btree (email_key)
CREATE UNIQUE INDEX platform_admins_pkey ON platform.platform_admins USING btree (id)
CREATE UNIQUE INDEX platform_devices_pkey ON platform.platform_devices USING btree (id)
CREATE UNIQUE INDEX platform_known_addresses_pkey ON platform.platform_known_addresses USING btree (user_id, address_hash)
CREATE UNIQUE INDEX platform_mfa_challenges_pkey ON platform.platform_mfa_challenges USING btree (id)
CREATE UNIQUE INDEX platform_settings_pkey ON platform.platform_settings USING btree (id)
CREATE UNIQUE INDEX provisioning_marks_pkey ON shared.provisioning_marks USING btree (tenant_id, id)
CREATE UNIQUE INDEX provisioning_marks_step_key ON shared.provisioning_marks USING btree (tenant_id, step)
CREATE UNIQUE INDEX provisioning_steps_pkey ON platform.provisioning_steps USING btree (tenant_id, "position")
CREATE UNIQUE INDEX provisionings_pkey ON platform.provisionings USING btree (tenant_id)
CREATE UNIQUE INDEX recovery_codes_pkey ON shared.recovery_codes USING btree (tenant_id, id)
CREATE UNIQUE INDEX resource_states_pkey ON platform.resource_states USING btree (tenant_id, resource)
CREATE UNIQUE INDEX restores_one_at_a_time ON platform.restores USING btree (tenant_id) WHERE (state = ANY (ARRAY['running'::text, 'ready'::text, 'swapping'::text, 'undoing'::text]))
CREATE UNIQUE INDEX restores_pkey ON platform.restores USING btree (id)
CREATE UNIQUE INDEX roles_name_key ON shared.roles USING btree (tenant_id, name)
CREATE UNIQUE INDEX roles_pkey ON shared.roles USING btree (tenant_id, id)
CREATE UNIQUE INDEX sandbox_access_pkey ON platform.sandbox_access USING btree (code_hash)
CREATE UNIQUE INDEX sent_notices_pkey ON shared.sent_notices USING btree (tenant_id, id)
CREATE UNIQUE INDEX servers_pkey ON platform.servers USING btree (name)
CREATE UNIQUE INDEX setting_changes_pkey ON platform.setting_changes USING btree (id)
CREATE UNIQUE INDEX signing_keys_pkey ON platform.signing_keys USING btree (kid)
CREATE UNIQUE INDEX signup_invites_pkey ON platform.signup_invites USING btree (id)
CREATE UNIQUE INDEX signups_pkey ON platform.signups USING btree (id)
CREATE UNIQUE INDEX slug_holds_pkey ON platform.slug_holds USING btree (slug)
CREATE UNIQUE INDEX slugs_pkey ON platform.slugs USING btree (slug)
CREATE UNIQUE INDEX sso_sign_ins_pkey ON shared.sso_sign_ins USING btree (tenant_id, id)
CREATE UNIQUE INDEX tenant_domains_of_tenant ON platform.tenant_domains USING btree (tenant_id, domain)
CREATE UNIQUE INDEX tenant_domains_pkey ON platform.tenant_domains USING btree (id)
CREATE UNIQUE INDEX tenant_domains_primary ON platform.tenant_domains USING btree (tenant_id) WHERE is_primary
CREATE UNIQUE INDEX tenant_domains_proven ON platform.tenant_domains USING btree (domain) WHERE (status = 'verified'::text)
CREATE UNIQUE INDEX tenant_files_pkey ON shared.tenant_files USING btree (tenant_id, id)
CREATE UNIQUE INDEX tenant_keys_pkey ON platform.tenant_keys USING btree (owner)
CREATE UNIQUE INDEX tenant_notices_key ON platform.tenant_notices USING btree (tenant_id, act, due_on, days)
CREATE UNIQUE INDEX tenant_notices_pkey ON platform.tenant_notices USING btree (id)
CREATE UNIQUE INDEX tenant_words_pkey ON platform.tenant_words USING btree (word, tenant_id)
CREATE UNIQUE INDEX tenants_pkey ON platform.tenants USING btree (id)
CREATE UNIQUE INDEX tenants_slug_key ON platform.tenants USING btree (slug)
CREATE UNIQUE INDEX user_tokens_pkey ON shared.user_tokens USING btree (tenant_id, id)
CREATE UNIQUE INDEX users_email_key ON shared.users USING btree (tenant_id, email_key)
CREATE UNIQUE INDEX users_pkey ON shared.users USING btree (tenant_id, id)

-- policies
shared.api_keys maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.api_keys tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.audit_events maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.audit_events tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.brand_logos maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.brand_logos tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.changes maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.changes tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.chat_messages maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.chat_messages tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.chat_sessions maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.chat_sessions tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.closures maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.closures tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.devices maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.devices tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.external_identities maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.external_identities tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.history maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.history tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.idempotency_keys maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.idempotency_keys tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.invitations maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.invitations tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.known_addresses maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.known_addresses tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.member_mails maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.member_mails tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.outbox_events maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.outbox_events tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.provisioning_marks maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.provisioning_marks tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.recovery_codes maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.recovery_codes tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.roles maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.roles tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.sent_notices maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.sent_notices tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.sso_sign_ins maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.sso_sign_ins tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.tenant_files maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.tenant_files tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.user_tokens maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.user_tokens tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.users maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.users tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))

-- grants
jobs.bam migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.job migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.job_common migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.job_dependency migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.queue migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.queue_stats migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.queue_stats_20261201 migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.queue_stats_20261202 migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.schedule migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.subscription migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.version migrator=arwdDxtm/migrator platform=arwd/migrator
jobs.warning migrator=arwdDxtm/migrator platform=arwd/migrator
platform.audit_events maintenance=rd/migrator migrator=arwdDxtm/migrator platform=ar/migrator
platform.backup_leases migrator=rwU/migrator platform=U/migrator
platform.backups migrator=arwdDxtm/migrator platform=arwd/migrator
platform.email_directory migrator=arwdDxtm/migrator platform=arwd/migrator
platform.histories migrator=arwdDxtm/migrator platform=arwd/migrator
platform.idempotency_keys migrator=arwdDxtm/migrator platform=arwd/migrator
platform.impersonations migrator=arwdDxtm/migrator platform=arw/migrator
platform.installation migrator=arwdDxtm/migrator platform=ar/migrator
platform.job_clocks migrator=arwdDxtm/migrator platform=arwd/migrator
platform.job_crons migrator=arwdDxtm/migrator platform=arwd/migrator
platform.job_lanes migrator=arwdDxtm/migrator platform=arwd/migrator
platform.migrations 
platform.migrations_id_seq 
platform.move_steps migrator=arwdDxtm/migrator platform=arwd/migrator
platform.moves migrator=arwdDxtm/migrator platform=arwd/migrator
platform.places migrator=arwdDxtm/migrator platform=arwd/migrator
platform.plans migrator=arwdDxtm/migrator platform=rw/migrator
platform.platform_admins migrator=arwdDxtm/migrator platform=arwd/migrator
platform.platform_devices maintenance=rd/migrator migrator=arwdDxtm/migrator platform=arwd/migrator
platform.platform_known_addresses migrator=arwdDxtm/migrator platform=arwd/migrator
platform.platform_mfa_challenges maintenance=rd/migrator migrator=arwdDxtm/migrator platform=arwd/migrator
platform.platform_settings migrator=arwdDxtm/migrator platform=rw/migrator
platform.provisioning_leases migrator=rwU/migrator platform=U/migrator
platform.provisioning_steps migrator=arwdDxtm/migrator platform=arwd/migrator
platform.provisionings migrator=arwdDxtm/migrator platform=arwd/migrator
platform.resource_states migrator=arwdDxtm/migrator platform=arwd/migrator
platform.restores migrator=arwdDxtm/migrator platform=arwd/migrator
platform.sandbox_access migrator=arwdDxtm/migrator platform=ard/migrator
platform.servers migrator=arwdDxtm/migrator platform=arwd/migrator
platform.setting_changes migrator=arwdDxtm/migrator platform=ard/migrator
platform.signing_keys migrator=arwdDxtm/migrator platform=arwd/migrator
platform.signup_invites migrator=arwdDxtm/migrator platform=arwd/migrator
platform.signups migrator=arwdDxtm/migrator platform=arwd/migrator
platform.slug_holds migrator=arwdDxtm/migrator platform=arwd/migrator
platform.slugs migrator=arwdDxtm/migrator platform=ard/migrator
platform.tenant_domains migrator=arwdDxtm/migrator platform=arwd/migrator
platform.tenant_keys migrator=arwdDxtm/migrator platform=arwd/migrator
platform.tenant_notices migrator=arwdDxtm/migrator platform=arwd/migrator
platform.tenant_words migrator=arwdDxtm/migrator platform=ard/migrator
platform.tenants migrator=arwdDxtm/migrator platform=arwd/migrator
shared.api_keys maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.audit_events maintenance=ard/migrator migrator=arwdDxtm/migrator tenant=ar/migrator
shared.brand_logos maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.changes maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=a/migrator
shared.changes_seq_seq 
shared.chat_messages maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.chat_sessions maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.closures maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=r/migrator
shared.devices maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.external_identities maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.history maintenance=ard/migrator migrator=arwdDxtm/migrator tenant=a/migrator
shared.history_seq_seq maintenance=rw/migrator migrator=rwU/migrator
shared.idempotency_keys maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.invitations maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.known_addresses maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.member_mails maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.migrations 
shared.migrations_id_seq 
shared.outbox_events maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.provisioning_marks maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.recovery_codes maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.roles maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.sent_notices maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.sso_sign_ins maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.tenant_files maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.user_tokens maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.users maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator

-- functions
platform.keep_tenant_words() owner=migrator c7332bf0a7b66cceea867587ada1ac32
platform.words_of(slug text, name text) owner=migrator 1fad22d8332aab83965b49c5afd4fbbd
shared.capture_change() owner=migrator 82b4068c14b8206d0a18e00054feb31e
shared.enter(tenant text, place text) owner=migrator 6f1fd639a5bfdcd81e9b2d29f8e1d9ba
shared.fence_key(tenant uuid) owner=migrator d41d8cd98f00b204e9800998ecf8427e

-- triggers
platform.tenants CREATE TRIGGER tenants_words_deleted AFTER DELETE ON platform.tenants REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION platform.keep_tenant_words()
platform.tenants CREATE TRIGGER tenants_words_inserted AFTER INSERT ON platform.tenants REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION platform.keep_tenant_words()
platform.tenants CREATE TRIGGER tenants_words_updated AFTER UPDATE ON platform.tenants REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION platform.keep_tenant_words()

-- schemas
jobs migrator=UC/migrator platform=U/migrator
platform maintenance=U/migrator migrator=UC/migrator platform=U/migrator
shared maintenance=U/migrator migrator=UC/migrator tenant=U/migrator
