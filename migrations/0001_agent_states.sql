CREATE TABLE `agent_states` (
	`agent_id` text PRIMARY KEY NOT NULL,
	`via` text,
	`held_version` integer,
	`applied_version` integer,
	`report_version` integer,
	`report_state` text,
	`report_error` text,
	`relay_id` text,
	`relay_session` text,
	`last_seen_at` integer NOT NULL,
	FOREIGN KEY (`agent_id`) REFERENCES `registered_agents`(`agent_id`) ON UPDATE no action ON DELETE cascade
);
