CREATE TABLE `agent_reports` (
	`agent_id` text NOT NULL,
	`version` integer NOT NULL,
	`state` text NOT NULL,
	`error` text,
	`at` integer NOT NULL,
	PRIMARY KEY(`agent_id`, `version`),
	FOREIGN KEY (`agent_id`) REFERENCES `registered_agents`(`agent_id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `agent_reports_version` ON `agent_reports` (`version`);--> statement-breakpoint
CREATE TABLE `console_sessions` (
	`digest` text PRIMARY KEY NOT NULL,
	`key_digest` text NOT NULL,
	`csrf` text NOT NULL,
	`expires_at` integer NOT NULL
);
