// A real provider of OpenID Connect on loopback, and something in front of it that can change what its
// tokens say: signed again with the provider's own key, so that nothing but the change is wrong.

import { createSign, generateKeyPairSync } from "node:crypto";
import http from "node:http";
import { once } from "node:events";

import Provider from "oidc-provider";

export const CLIENT = { id: "stagedoor-test", secret: "a secret of the tests alone, long enough for it" };

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const decode = (part) => JSON.parse(Buffer.from(part, "base64url").toString());

/** Signs claims as a JSON Web Token (RFC 7515). */
function sign(header, claims, key) {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key).toString("base64url")}`;
}

/** Whoever signs in as `name` has the address `name@example.com`, verified unless the name says otherwise. */
function account(name) {
  const claims = { sub: name, email: `${name}@example.com`, email_verified: !name.startsWith("unverified"), name: `Ms ${name}` };
  return { accountId: name, claims: () => claims };
}

/**
 * Starts listening; `open(redirectUrl)` then makes the provider. `provider.change` is given header and
 * claims of each ID token and may change them; it may also give another key to sign with.
 */
export async function startProvider() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const server = http.createServer((request, response) => answer(request, response).catch((error) => {
    response.destroy(error);
  }));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const self = {
    issuer, other: other.privateKey, change: undefined, keeps: false, kept: undefined, isAway: false, asked: [],
    open(redirectUrl) {
      const key = { ...privateKey.export({ format: "jwk" }), kid: "one", use: "sig", alg: "RS256" };
      const provider = new Provider(issuer, {
        clients: [{ client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: [redirectUrl] }],
        claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
        conformIdTokenClaims: false,
        cookies: { keys: ["a key for cookies of the tests"] },
        findAccount: (_, name) => account(name),
        jwks: { keys: [key] },
        pkce: { required: () => true },
      });
      self.handle = provider.callback();
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function answer(request, response) {
    const path = request.url.split("?")[0];
    self.asked.push(path);
    if (self.isAway) return response.writeHead(502).end();
    if (self.keeps) keepWayBack(response);
    if (path !== "/token" || !self.change) return self.handle(request, response);
    const end = response.end.bind(response);
    response.end = (body) => {
      const told = JSON.parse(body);
      if (told.id_token) told.id_token = changed(told.id_token);
      const text = JSON.stringify(told);
      response.setHeader("content-length", Buffer.byteLength(text));
      return end(text);
    };
    return self.handle(request, response);
  }

  /** The browser stays with the provider, and the test learns where it would have been sent. */
  function keepWayBack(response) {
    const end = response.end.bind(response);
    response.end = (body) => {
      const location = response.getHeader("location");
      if (!location?.includes("/auth/oidc/callback")) return end(body);
      self.kept = location;
      response.statusCode = 200;
      for (const name of ["location", "content-length"]) response.removeHeader(name);
      return end("kept");
    };
  }

  function changed(token) {
    const [header, claims] = token.split(".", 2).map(decode);
    const key = self.change({ header, claims }) ?? privateKey;
    return sign(header, claims, key);
  }

  return self;
}
