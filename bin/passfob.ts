#!/usr/bin/env node
// The program's entrance: everything else is in src/cli/.
import { main } from '../src/cli/program.ts';

process.exitCode = await main(process.argv.slice(2));
