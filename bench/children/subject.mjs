// One subject of a workload in a process of its own: no other subject's garbage, and no code that another has made slow, is measured with it.
// Nor is a collection forced between turns: V8 drops optimised code in one, which no program that runs meets.
const [, , module, workload, subject] = process.argv;
const act = (await import(module)).subjects(workload)[subject];
const turn = async () => process.send(await act().catch((error) => ({ error: String(error?.message ?? error) })));
process.on('message', () => void turn());
process.send('ready');
