/** Evaluated once in each workflow thread, before any workflow. */

// The SDK keeps the stack of every promise, which costs more than anything else that a workflow of many trials does.
Error.stackTraceLimit = 2;
