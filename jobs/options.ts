import { LOG_LEVELS, type LogLevel } from '../runtime/log.js';
import { type OptionRow, parseChoice, parseListen, parseText } from '../runtime/options.js';

/** What all programs of a migration take. */
export const MIGRATION: OptionRow<string> = {
  flag: '--migration <name>',
  env: 'ZH_MIGRATION',
  help: 'serve only this migration; without it, all that are running',
  parse: parseText,
};

export const LOG_LEVEL = {
  flag: '--log-level <level>',
  env: 'ZH_LOG_LEVEL',
  help: `how much is logged: ${LOG_LEVELS.join(', ')}`,
  parse: parseChoice(LOG_LEVELS),
  default: 'info' as LogLevel,
};

export const LISTEN = {
  flag: '--listen <host:port>',
  env: 'ZH_LISTEN',
  help: 'serve /metrics (Prometheus) and /healthz there; port 0 takes a free one, which the log tells; without it, nowhere',
  parse: parseListen,
};

export const FINDING_REDIS = `Redis is found at REDIS_URL, or else by asking the convoyd at CONVOY_API for the service "redis".
Its password is REDIS_PASSWORD, or the file redis-password in CREDENTIALS_DIRECTORY.
Stores are opened with AZURE_STORAGE_*, OS_*, ST_*, RAX_*, AWS_* and WEBDAV_*, as variables or as files of that name in
CREDENTIALS_DIRECTORY; with SOURCE_ or DESTINATION_ before the name for one side of a migration alone.`;

export const EXIT_CODES = 'Exit codes: 0 done or told to stop, 1 failed, 2 wrong usage.';
