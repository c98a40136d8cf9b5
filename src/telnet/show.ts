import { latin1 } from '../wire/bytes.ts';
import { type TelnetEvent, commandName } from './codec.ts';
import { optionName } from './options/table.ts';

/** An event for the transcript: 'IAC DO ECHO'. */
export function formatTelnetEvent(event: TelnetEvent): string {
  if (event.kind === 'data') return latin1(event.bytes);
  if (event.kind === 'negotiate') return `IAC ${event.verb} ${optionName(event.option)}`;
  if (event.kind === 'command') return `IAC ${commandName(event.code) ?? event.code}`;
  return `IAC SB ${optionName(event.option)} (${event.bytes.length} bytes) IAC SE`;
}
