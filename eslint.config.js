// Types-aware rules that biome lacks, and the two rules of the house that rot without a lint: which folder may
// import which, and that pure files stay pure. Biome does the rest.
import tseslint from 'typescript-eslint';

/** A folder may import only from itself and from what is listed here (docs/architecture.md, "The house"). */
const MAY_IMPORT = {
  runtime: [],
  units: ['runtime'],
  registry: ['units', 'runtime'],
  scheduler: ['registry', 'units', 'runtime'],
  agent: ['registry', 'units', 'runtime'],
  api: ['registry', 'units', 'runtime'],
  stores: ['runtime'],
  jobs: ['stores', 'runtime'],
};
const FOLDERS = [...Object.keys(MAY_IMPORT), 'cli'];

/** No await, clock, chance, environment or node: import (but createHash, createHmac and hash); a pure file imports only pure files' values. */
const PURE = [
  'runtime/{backoff,errors,series,glob}.ts',
  'units/*.ts',
  'registry/{model,keys,codec,cluster-events}.ts',
  'scheduler/{place,plan,seats,occupancy,absences,lease-bound,rank,decision,transfers,changes,rebalance,explain,departures,waits,candidates,resident,patterns,couplings,planner}.ts',
  'agent/{desired,ports,reconcile,restart,service-section,service-settings,service-values}.ts',
  'agent/{command,environment-file,fleet-conf,specifiers,words}.ts',
  'agent/supervisor/order.ts',
  'agent/systemd/{states,unit-text}.ts',
  'api/{complaint,error-codes,event-schemas,pending,reports,schemas}.ts',
  'api/{access,audit,wire,fleet-body,fleet-discovery,put-unit}.ts',
  'stores/{environment,key,limits,location,webdav-multistatus,xml}.ts',
  'stores/filesystem/names.ts',
  'stores/wire/{answer-head,nearness,request-head}.ts',
  'stores/azure/{credentials,errors,limits,string-to-sign}.ts',
  'stores/s3/{credentials,errors,listing,profile-file,settings,sign}.ts',
  'stores/swift/{answers,capabilities,catalog,credentials,login,login-v1,login-v2,login-v3,manifest,names,variables}.ts',
  'jobs/{adapt,checkpoint,descriptor,digest,dry-run-text,estimate,id-set,ids,image-filter,latency,ledger,left-to-do,md5-code,progress,pyramid,quantities,ranges,redis-keys,retry,share-out,tally,tile-sample,verify-plan,verify-report}.ts',
  'cli/{candidates,cluster-text,command-line,completion-scripts,connection-errors,csv,drain-view,endpoint,event-text,goals,limit-text,log-line,machine-label,merge-logs,migration-json,migration-text,progress-text,reason-text,scale-plan,ssh-line,stats-text,store-text,table,times,unit-args,unit-change,units-seen,why-text}.ts',
  'cli/dashboard/{acts,away-words,choice,dialogs,event-rows,facts,filter-words,fleet-alarms,fleet-model,fleet-page,keys,log-block,machine-page,machine-rows,moves,pages,press,press-in-dialog,program-line,rows,unit-facts,unit-machines,unit-page,unit-rows,unit-standing}.ts',
  'cli/dashboard/{chosen-migration,failure-names,failure-rows,latency-lines,migration-alarms,migration-keys,migration-rows,migration-tone,opened-for,progress-blocks,rate-charts,rates,worker-rows,failure-page,failures-page,image-page,migration-page,spans,worker-page}.ts',
  'cli/dashboard/{attributes,cells,compose,fitted,frame-text,layout,plot,table-lines,terminal-keys}.ts',
  'cli/dashboard/{history,intent-words,items-failed,reading,wanted-conditions}.ts',
];

/** Each third-party SDK is imported by one adapter only. */
const SDK_HOME = {
  etcd3: 'registry/etcd-{client,host}.ts',
  ioredis: 'jobs/redis-connection.ts',
  'dbus-native': 'agent/systemd/bus.ts',
  commander: '{runtime/options,cli/program}.ts',
  pino: 'runtime/log.ts',
  '@valibot/to-json-schema': 'api/openapi.ts',
  'prom-client': 'runtime/prometheus.ts',
  'p-queue': 'jobs/tile-pool.ts',
  'fast-xml-parser': '{jobs/descriptor,stores/xml}.ts',
  undici: '{stores/undici-carrier,api/pass-on,api/peers}.ts',
  '@azure/storage-blob': 'stores/azure/sdk.ts',
  pkgcloud: 'stores/pkgcloud/client.ts',
  sharp: 'cli/demo/render.ts',
  blessed: 'cli/dashboard/{blessed-view,blessed-contrib-canvas.d}.ts',
  'blessed-contrib(/.*)?': 'cli/dashboard/blessed-view.ts',
};

const layer = (folder, allowed) => ({
  files: [`${folder}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: `^\\.{1,2}/(.*/)?(${FOLDERS.filter((f) => f !== folder && !allowed.includes(f)).join('|')})/`,
            message: `${folder}/ may import only ${['itself', ...allowed].join(', ')}.`,
          },
          {
            regex: `^(${Object.keys(SDK_HOME).join('|')})$`,
            message: 'A third-party SDK is imported by its one adapter file only.',
          },
        ],
      },
    ],
  },
});

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**'] },
  {
    files: ['**/*.ts'],
    languageOptions: { parser: tseslint.parser, parserOptions: { projectService: true } },
    plugins: { '@typescript-eslint': tseslint.plugin },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
    },
  },
  {
    files: ['{runtime,units,registry,scheduler,agent,api,stores,jobs,cli}/**/*.ts'],
    rules: { 'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }] },
  },
  ...Object.entries(MAY_IMPORT).map(([folder, allowed]) => layer(folder, allowed)),
  layer('cli', FOLDERS),
  // The one place where agent, scheduler and api meet; and the adapters' own imports.
  { files: ['agent/daemon.ts', 'agent/daemon-main.ts'], rules: { 'no-restricted-imports': 'off' } },
  ...Object.values(SDK_HOME).map((file) => ({ files: [file], rules: { 'no-restricted-imports': 'off' } })),
  {
    files: PURE,
    rules: {
      'no-restricted-globals': [
        'error',
        ...[
          'process',
          'setTimeout',
          'setInterval',
          'setImmediate',
          'fetch',
          'performance',
          'crypto',
          'console',
        ].map((name) => ({ name, message: 'Pure file: pass it in.' })),
      ],
      'no-restricted-syntax': [
        'error',
        { selector: ':function[async=true], AwaitExpression', message: 'Pure file: nothing waits.' },
        {
          selector: "NewExpression[callee.name='Date'][arguments.length=0]",
          message: 'Pure file: pass the time in.',
        },
        {
          selector: "MemberExpression[object.name='Date'][property.name='now']",
          message: 'Pure file: pass the time in.',
        },
        {
          selector: "MemberExpression[object.name='Math'][property.name='random']",
          message: 'Pure file: pass chance in.',
        },
        {
          selector:
            "ImportDeclaration[importKind!='type'][source.value=/^node:/]:not([source.value='node:crypto'])",
          message: 'Pure file: no I/O.',
        },
        {
          selector:
            "ImportDeclaration[importKind!='type'][source.value='node:crypto'] ImportSpecifier:not([imported.name=/^(createH(ash|mac)|hash)$/])",
          message: 'Pure file: only createHash, createHmac and hash, which are functions of their input.',
        },
      ],
    },
  },
);
