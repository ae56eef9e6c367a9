// A real OpenID Connect provider on a free port: `oidc-provider` of npm, which is certified.
// Arguments: the folder with node_modules, the address that people are sent back to. It says its port on a line of JSON.
// POST /test/people sets what it says of people: {"login": {"email": …, "email_verified": …, "groups": […]}}.
// POST /test/keys gives it new keys. It ends when its input does.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { generateKeyPairSync, randomUUID } from 'node:crypto';

const [folder, back] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

let people = {};
const key = () => {
  const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  return { ...jwk, kid: randomUUID(), alg: 'RS256', use: 'sig' };
};

const provider = (issuer) => {
  const made = new Provider(issuer, {
    clients: [{ client_id: 'sluicegate', client_secret: 'a secret of the two', redirect_uris: [back], token_endpoint_auth_method: 'client_secret_basic' }],
    jwks: { keys: [key()] },
    cookies: { keys: ['only for tests'] },
    pkce: { required: () => true },
    conformIdTokenClaims: false,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    findAccount: (_, login) => ({ accountId: login, claims: () => ({ sub: login, name: login, ...people[login] }) }),
    // Nobody is asked whether this client may know who they are.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  made.proxy = false;
  return made.callback();
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let answer = provider(issuer);
  server.on('request', (request, response) => {
    if (!request.url.startsWith('/test/')) return answer(request, response);
    let text = '';
    request.on('data', (part) => { text += part; });
    request.on('end', () => {
      if (request.url === '/test/people') people = JSON.parse(text);
      else answer = provider(issuer);
      response.end('{}');
    });
  });
  console.log(JSON.stringify({ port: server.address().port }));
});
process.stdin.resume().on('end', () => process.exit(0));
