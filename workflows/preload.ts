/**
 * Evaluated once in each workflow thread, before any workflow. The core keeps no state in its modules, so that workflows
 * may share them: evaluated anew for every workflow, they cost each round some milliseconds.
 */
import '../core/engine/create.js';
import '../core/engine/study-run.js';
import '../core/late.js';
import '../core/study.js';

// The SDK keeps the stack of every promise, which costs more than anything else that a workflow of many trials does.
Error.stackTraceLimit = 2;
