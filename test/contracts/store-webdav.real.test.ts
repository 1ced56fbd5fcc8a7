import { storeEnvironment } from '../../stores/environment.js';
import type { Ability } from '../../stores/store.js';
import { webdavStore } from '../../stores/webdav.js';
import { useGround } from '../support/services.js';
import { startNginx } from '../support/stores/nginx.js';
import { storeContract } from './store-contract.js';
import { storeFaults } from './store-faults.js';

const ground = useGround('webdav-contract');
const abilities: readonly Ability[] = [
  ...['write', 'remove', 'createContainer', 'listPage', 'listFolder'],
  ...['readStream', 'writeStream'],
] as Ability[];
const login = { username: 'convoy', password: 'p4ss wörd' };
const env = storeEnvironment({ WEBDAV_USERNAME: login.username, WEBDAV_PASSWORD: login.password });

/** With the folders made by nginx, and with the folders made by the store. */
for (const createsPaths of [true, false])
  storeContract(
    createsPaths ? 'webdav' : 'webdav that makes no folders by itself',
    async () => {
      const nginx = await startNginx(ground, { name: `nginx-${createsPaths}`, createsPaths, login });
      const store = webdavStore(`${nginx.davUrl}/a collection`, env);
      await store.createContainer();
      let absent = 0;
      const wrong = 'wrong-s3cret';
      return {
        store,
        openAbsent: async () => webdavStore(`${nginx.davUrl}/absent/${absent++}`, env),
        wrong: {
          secret: wrong,
          variable: 'WEBDAV_PASSWORD',
          open: async () =>
            webdavStore(
              nginx.davUrl,
              storeEnvironment({ WEBDAV_USERNAME: login.username, WEBDAV_PASSWORD: wrong }),
            ),
        },
        close: () => store.close(),
      };
    },
    {
      abilities,
      pageKeys: 1,
      skip: [
        ...[
          'the content type comes back, if the store keeps it',
          'a content type with parameters comes back, if the store keeps it',
        ].map((test) => ({ test, reason: "nginx tells one all the same, by the object's name" })),
        ...[
          'holds the name ".hidden/..visible/..." exactly',
          'a prefix is taken letter by letter, whatever the letters',
        ].map((test) => ({ test, reason: 'nginx lists no names that begin with a dot' })),
      ],
    },
  );

storeFaults(
  'webdav',
  async () => {
    const nginx = await startNginx(ground, { name: 'faults', login });
    return {
      target: nginx.url,
      open: async (url, options) => webdavStore(`${url}/dav`, env, options),
      close: async () => {},
    };
  },
  { abilities },
);
