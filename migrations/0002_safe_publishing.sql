CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`role` text NOT NULL,
	`prefix` text NOT NULL,
	`digest` text NOT NULL,
	`created_at` text NOT NULL,
	`expires_at` text,
	`last_used_at` text,
	`revoked_at` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_digest_unique` ON `api_keys` (`digest`);--> statement-breakpoint
CREATE TABLE `audit_entries` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` text NOT NULL,
	`action` text NOT NULL,
	`key_id` text NOT NULL,
	`actor` text NOT NULL,
	`address` text NOT NULL,
	`request_id` text NOT NULL,
	`subject` text,
	`version_before` integer,
	`version_after` integer,
	`comment` text,
	`prev_hash` text NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `config_schemas` (
	`one` integer PRIMARY KEY NOT NULL,
	`revision` integer NOT NULL,
	`schema` text,
	`set_at` text NOT NULL,
	`set_by` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `publish_keys` (
	`key_id` text NOT NULL,
	`idempotency_key` text NOT NULL,
	`fingerprint` text NOT NULL,
	`version` integer NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`key_id`, `idempotency_key`)
);
--> statement-breakpoint
CREATE INDEX `publish_keys_at` ON `publish_keys` (`at`);--> statement-breakpoint
ALTER TABLE `config_versions` ADD `published_by` text;--> statement-breakpoint
ALTER TABLE `config_versions` ADD `rollback_of` integer;--> statement-breakpoint
ALTER TABLE `config_versions` ADD `request_id` text;--> statement-breakpoint
ALTER TABLE `config_versions` ADD `traceparent` text;--> statement-breakpoint
ALTER TABLE `registered_agents` ADD `owner` text;--> statement-breakpoint
CREATE TRIGGER `audit_entries_no_update` BEFORE UPDATE ON `audit_entries` BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;--> statement-breakpoint
CREATE TRIGGER `audit_entries_no_delete` BEFORE DELETE ON `audit_entries` BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
