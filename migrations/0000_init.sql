CREATE TABLE `config_versions` (
	`version` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`data` text NOT NULL,
	`poll_interval_seconds` integer NOT NULL,
	`comment` text,
	`author` text,
	`created_at` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `config_versions_id_unique` ON `config_versions` (`id`);--> statement-breakpoint
CREATE TABLE `registered_agents` (
	`agent_id` text PRIMARY KEY NOT NULL,
	`instance_id` text,
	`hostname` text NOT NULL,
	`ip_address` text NOT NULL,
	`port` integer NOT NULL,
	`labels` text NOT NULL,
	`agent_version` text,
	`registered_at` text NOT NULL,
	`updated_at` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `write_probe` (
	`one` integer PRIMARY KEY NOT NULL,
	`at` text NOT NULL
);
