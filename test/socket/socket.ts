// One import for the tests of this folder.
export * from '../../src/socket/index.ts';
export { Deadline } from '../../src/socket/deadlines.ts';
