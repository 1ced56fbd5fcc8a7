#!/usr/bin/env node
import { runMain } from '../runtime/main.js';
import { runVerifyProgram } from './verify-program.js';

await runMain('zh-verify', () => runVerifyProgram(process.argv.slice(2), process.env));
