-- tables
platform.audit_events owner=migrator rls=f force=f
platform.installation owner=migrator rls=f force=f
platform.migrations owner=migrator rls=f force=f
platform.slugs owner=migrator rls=f force=f
platform.tenants owner=migrator rls=f force=f
shared.chat_messages owner=migrator rls=t force=t
shared.chat_sessions owner=migrator rls=t force=t
shared.idempotency_keys owner=migrator rls=t force=t
shared.migrations owner=migrator rls=f force=f

-- columns
platform.audit_events.id uuid NOT NULL
platform.audit_events.occurred_at timestamp with time zone NOT NULL
platform.audit_events.event text NOT NULL
platform.audit_events.tenant_id uuid
platform.audit_events.request_id text
platform.audit_events.address text
platform.audit_events.occurrences integer NOT NULL DEFAULT 1
platform.audit_events.details jsonb NOT NULL DEFAULT '{}'::jsonb
platform.installation.id integer NOT NULL
platform.installation.key_fingerprint text NOT NULL
platform.installation.created_at timestamp with time zone NOT NULL DEFAULT now()
platform.migrations.id integer NOT NULL DEFAULT nextval('platform.migrations_id_seq'::regclass)
platform.migrations."timestamp" bigint NOT NULL
platform.migrations.name character varying NOT NULL
platform.slugs.slug text NOT NULL
platform.slugs.tenant_id uuid NOT NULL
platform.slugs.reserved_at timestamp with time zone NOT NULL DEFAULT now()
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
shared.idempotency_keys.tenant_id uuid NOT NULL
shared.idempotency_keys.id uuid NOT NULL
shared.idempotency_keys.key_hash bytea NOT NULL
shared.idempotency_keys.request_hash bytea NOT NULL
shared.idempotency_keys.claimed_until timestamp with time zone NOT NULL
shared.idempotency_keys.expires_at timestamp with time zone NOT NULL
shared.idempotency_keys.status integer
shared.idempotency_keys.answer bytea
shared.migrations.id integer NOT NULL DEFAULT nextval('shared.migrations_id_seq'::regclass)
shared.migrations."timestamp" bigint NOT NULL
shared.migrations.name character varying NOT NULL

-- constraints
platform.audit_events audit_events_pkey PRIMARY KEY (id)
platform.installation installation_id_check CHECK ((id = 1))
platform.installation installation_pkey PRIMARY KEY (id)
platform.migrations "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY (id)
platform.slugs slugs_pkey PRIMARY KEY (slug)
platform.tenants tenants_pkey PRIMARY KEY (id)
platform.tenants tenants_slug_is_a_dns_label CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
platform.tenants tenants_slug_key UNIQUE (slug)
platform.tenants tenants_status_known CHECK ((status = ANY (ARRAY['provisioning'::text, 'active'::text, 'failed'::text, 'suspended'::text, 'archived'::text, 'deleted'::text])))
shared.chat_messages chat_messages_pkey PRIMARY KEY (tenant_id, id)
shared.chat_messages chat_messages_role_known CHECK ((role = ANY (ARRAY['user'::text, 'assistant'::text])))
shared.chat_messages chat_messages_session FOREIGN KEY (tenant_id, session_id) REFERENCES shared.chat_sessions(tenant_id, id) ON DELETE CASCADE
shared.chat_sessions chat_sessions_pkey PRIMARY KEY (tenant_id, id)
shared.chat_sessions chat_sessions_token_key UNIQUE (tenant_id, token_hash)
shared.idempotency_keys idempotency_keys_key UNIQUE (tenant_id, key_hash)
shared.idempotency_keys idempotency_keys_pkey PRIMARY KEY (tenant_id, id)
shared.migrations "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY (id)

-- indexes
CREATE INDEX audit_events_time ON platform.audit_events USING btree (occurred_at, id)
CREATE INDEX chat_messages_history ON shared.chat_messages USING btree (tenant_id, session_id, id)
CREATE INDEX chat_sessions_idle ON shared.chat_sessions USING btree (last_active_at)
CREATE INDEX idempotency_keys_expiry ON shared.idempotency_keys USING btree (expires_at)
CREATE UNIQUE INDEX "PK_8c82d7f526340ab734260ea46be" ON platform.migrations USING btree (id)
CREATE UNIQUE INDEX "PK_8c82d7f526340ab734260ea46be" ON shared.migrations USING btree (id)
CREATE UNIQUE INDEX audit_events_pkey ON platform.audit_events USING btree (id)
CREATE UNIQUE INDEX chat_messages_pkey ON shared.chat_messages USING btree (tenant_id, id)
CREATE UNIQUE INDEX chat_sessions_pkey ON shared.chat_sessions USING btree (tenant_id, id)
CREATE UNIQUE INDEX chat_sessions_token_key ON shared.chat_sessions USING btree (tenant_id, token_hash)
CREATE UNIQUE INDEX idempotency_keys_key ON shared.idempotency_keys USING btree (tenant_id, key_hash)
CREATE UNIQUE INDEX idempotency_keys_pkey ON shared.idempotency_keys USING btree (tenant_id, id)
CREATE UNIQUE INDEX installation_pkey ON platform.installation USING btree (id)
CREATE UNIQUE INDEX slugs_pkey ON platform.slugs USING btree (slug)
CREATE UNIQUE INDEX tenants_pkey ON platform.tenants USING btree (id)
CREATE UNIQUE INDEX tenants_slug_key ON platform.tenants USING btree (slug)

-- policies
shared.chat_messages maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.chat_messages tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.chat_sessions maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.chat_sessions tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))
shared.idempotency_keys maintenance_b5bea41b PERMISSIVE ALL to {maintenance} using true check true
shared.idempotency_keys tenant_752603c9 PERMISSIVE ALL to {public} using (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif")) check (tenant_id = ( SELECT (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid AS "nullif"))

-- grants
platform.audit_events maintenance=rd/migrator migrator=arwdDxtm/migrator platform=ar/migrator
platform.installation migrator=arwdDxtm/migrator platform=ar/migrator
platform.migrations 
platform.migrations_id_seq 
platform.slugs migrator=arwdDxtm/migrator platform=ar/migrator
platform.tenants migrator=arwdDxtm/migrator platform=arw/migrator
shared.chat_messages maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.chat_sessions maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.idempotency_keys maintenance=arwd/migrator migrator=arwdDxtm/migrator tenant=arwd/migrator
shared.migrations 
shared.migrations_id_seq 

-- schemas
platform maintenance=U/migrator migrator=UC/migrator platform=U/migrator
shared maintenance=U/migrator migrator=UC/migrator tenant=U/migrator
