import type { Carrier } from '../http-client.js';
import type { RequestClient } from './client.js';
import { requestCarrier, tame } from './request-carrier.js';

/** What our own signature set. */
const SIGNED = ['authorization', 'x-ms-date', 'x-ms-version'];

/** Carries requests to Azure by pkgcloud, which signs them anew, with the account's key and for version 2011-08-18. */
export function azureCarrier(client: RequestClient): Carrier {
  tame(client);
  return requestCarrier({
    ask({ origin, path, method }, given, body) {
      const headers = { ...given };
      for (const name of SIGNED) delete headers[name];
      if (body !== undefined) headers['content-length'] = String(body.length);
      const { pathname: sent, searchParams } = new URL(`${origin}${path}`);
      // The one character that `request` encodes of what our keys leave as it is: it has to be signed as it is sent.
      const pathname = sent.replaceAll("'", '%27');
      return client._request({
        ...{ method, headers, uri: `${origin}${pathname}` },
        // What is signed beside the account.
        ...{ path: pathname.slice(1), qs: Object.fromEntries(searchParams) },
        ...(body === undefined ? {} : { body }),
      });
    },
  });
}
