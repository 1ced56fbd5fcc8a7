import type { UnitRecord } from '../registry/model.js';
import { isTemplate, whyBadName } from '../units/name.js';
import { isTargetState, TARGET_STATES, type TargetState } from '../units/state.js';
import { hashOf, type UnitFile } from '../units/unit-file.js';
import { whyBadOptions } from '../units/validate.js';
import type { FleetCode } from './error-codes.js';
import type { UnitBody } from './fleet-body.js';

/** What a PUT of a unit comes to. */
export type Put =
  | { readonly kind: 'refuse'; readonly status: number; readonly code: FleetCode; readonly message: string }
  | { readonly kind: 'submit'; readonly unit: UnitFile; readonly target: TargetState }
  | { readonly kind: 'set-target'; readonly target: TargetState };

/**
 * Fleet's order of decisions, with its holes closed: the desired state is checked wherever it comes, a template is
 * never activated, and options are checked on replacing too.
 */
export function decidePut(name: string, body: UnitBody, existing: UnitRecord | null): Put {
  if (body.name !== '' && body.name !== name)
    return bad(`name in URL "${name}" differs from unit name in request body "${body.name}"`);
  const badName = whyBadName(name);
  if (badName !== null) return bad(badName);

  const unit: UnitFile = { options: body.options };
  const empty = unit.options.length === 0;
  if (existing === null && empty)
    return refuse(409, 'no-options', 'unit does not exist and options field empty');
  const submits = existing === null || (!empty && hashOf(unit) !== existing.hash);
  const badOptions = submits ? whyBadOptions(name, unit) : null;
  if (badOptions !== null) return bad(badOptions);
  if (!submits && body.desiredState === '')
    return refuse(409, 'no-desired-state', 'must provide DesiredState to update existing unit');

  const target = body.desiredState === '' ? 'inactive' : body.desiredState;
  if (!isTargetState(target))
    return bad(`invalid desired state "${target}": expected one of ${TARGET_STATES.join(', ')}`);
  if (isTemplate(name) && target !== 'inactive') return bad(`cannot activate template "${name}"`);
  return submits ? { kind: 'submit', unit, target } : { kind: 'set-target', target };
}

function bad(message: string): Put {
  return refuse(400, 'bad-request', message);
}

function refuse(status: number, code: FleetCode, message: string): Put {
  return { kind: 'refuse', status, code, message };
}
