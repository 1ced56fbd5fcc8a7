#!/usr/bin/env node
import { runMain } from '../runtime/main.js';
import { runVerifyProgram } from './verify-program.js';

void runMain('zh-verify', () => runVerifyProgram(process.argv.slice(2), process.env));
