//! Single sign-on at an OpenID Connect provider: the authorization code flow with PKCE, and what is believed of its answer.
//!
//! Says who somebody is and in which groups; what they may do then is `actions/single_sign_on`'s. Everything that is fetched
//! goes through the guarded client, to the issuer's host and those that the configuration names.
// INVARIANT: an answer is taken once, for a question that this process asked the same browser, within ten minutes.
// INVARIANT: no claim is read before signature, issuer, audience, expiry and nonce were checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use openidconnect::{
    AccessTokenHash, AdditionalClaims, AsyncHttpClient, AuthenticationFlow, AuthorizationCode, Client as OidcClient, ClientId,
    ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdToken,
    IdTokenClaims, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    StandardErrorResponse, StandardTokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
        CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::{ActionError, Result};
use crate::{
    config::{
        Config,
        console::{Oidc, SignInBy},
    },
    domain::{ambient::Ambient, digest::Digest, id::SessionId, principal::Role, time::Timestamp},
    outbound::{Client, Limits, Request},
};

/// Every claim that is not one of the standard ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Others(serde_json::Map<String, serde_json::Value>);

impl AdditionalClaims for Others {}

type Token = IdToken<Others, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Fields = IdTokenFields<Others, EmptyExtraTokenFields, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Answer = StandardTokenResponse<Fields, CoreTokenType>;
type Provider = OidcClient<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Answer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why single sign-on cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum SignOnError {
    #[error("`console.oidc.issuer` is `{url}`: {why}")]
    Issuer { url: String, why: String },
    #[error("`console.oidc.groups.{index}.roles` names `{role}`: the roles are {}", Role::ALL.map(Role::as_str).join(", "))]
    Role { index: usize, role: String },
    #[error("`server.public_url` cannot be where the provider sends people back to: {0}")]
    PublicUrl(String),
}

/// The provider, and the questions that are open.
pub struct SingleSignOn {
    config: Oidc,
    issuer: IssuerUrl,
    guarded: Guarded,
    back: RedirectUrl,
    roles: BTreeMap<String, BTreeSet<Role>>,
    found: RwLock<Option<(Timestamp, Arc<Provider>)>>,
    asked: Mutex<BTreeMap<Digest, Asked>>,
}

/// A question to the provider.
#[derive(Clone)]
struct Asked {
    browser: Digest,
    nonce: String,
    verifier: String,
    next: String,
    /// The session whose person proves once more that they are there.
    again: Option<SessionId>,
    at: Timestamp,
}

/// Where the browser goes, and what it keeps until it comes back.
pub struct Question {
    pub url: Url,
    /// The text of the cookie by which the same browser is known.
    pub browser: String,
}

/// Who came back.
#[derive(Debug, Clone)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
    /// By the claim that the configuration names.
    pub person: String,
    pub groups: Vec<String>,
    pub roles: BTreeSet<Role>,
    /// When the person proved to the provider that they are there.
    pub proven_at: Option<Timestamp>,
    pub next: String,
    pub again: Option<SessionId>,
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Open questions; more are a flood, and the oldest go.
const MOST_ASKED: usize = 10_000;
/// Keys and addresses of the provider are read again after so long.
const KEPT: Duration = Duration::from_secs(3600);
/// What clocks may differ by.
const SKEW: Duration = Duration::from_secs(60);
const LIMITS: Limits = Limits { timeout: Duration::from_secs(10), response: 512 * 1024 };

/// Kinds of signatures that only the provider can make.
const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The only way to the provider: to the issuer's host or one that the configuration names, once, without redirects.
struct Guarded {
    issuer: Url,
    hosts: Vec<String>,
    allow_addresses: Vec<ipnet::IpNet>,
}

impl Guarded {
    async fn fetch(&self, request: HttpRequest) -> std::result::Result<HttpResponse, NotFetched> {
        let failed = |why: &dyn std::fmt::Display| NotFetched(why.to_string());
        let url = Url::parse(&request.uri().to_string()).map_err(|why| failed(&why))?;
        let host = url.host_str().unwrap_or_default();
        let own = self.issuer.host_str() == Some(host) && url.scheme() == self.issuer.scheme();
        let named = url.scheme() == "https" && self.hosts.iter().any(|known| known == host);
        if !own && !named {
            return Err(NotFetched(format!("`{host}` is neither the issuer's host nor one of `console.oidc.hosts`")));
        }
        let client = Client::new(&url, &self.allow_addresses, LIMITS).map_err(|why| failed(&why))?;
        let (head, body) = request.into_parts();
        let mut asked = Request::new(head.method, None);
        asked.headers = head.headers;
        asked.body = (!body.is_empty()).then_some(body);
        let answer = client.send(asked).await.map_err(|why| failed(&why))?;
        let mut response = HttpResponse::new(answer.body);
        *response.status_mut() = axum::http::StatusCode::from_u16(answer.status).map_err(|why| failed(&why))?;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

// By hand: of a closure the compiler cannot tell that its future may move between threads.
impl<'c> AsyncHttpClient<'c> for Guarded {
    type Error = NotFetched;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<HttpResponse, NotFetched>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}

/// Something fetched that was not got. The text names the host and never a secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotFetched(String);

fn unreachable(what: &str, why: &dyn std::fmt::Display) -> ActionError {
    // For the log: a person who signs in can do nothing about it, and a stranger must not learn of it.
    tracing::error!(%why, "single sign-on: {what}");
    ActionError::Elsewhere(format!("the sign-on provider could not be asked ({what})"))
}

impl SingleSignOn {
    /// `None` when the configuration has none.
    ///
    /// # Errors
    /// The issuer is no URL, or a group has a role that there is not.
    pub fn from_config(config: &Config) -> std::result::Result<Option<Self>, SignOnError> {
        let oidc = &config.console.oidc;
        if config.console.sign_in == SignInBy::Local {
            return Ok(None);
        }
        let bad = |why: String| SignOnError::Issuer { url: oidc.issuer.clone(), why };
        let issuer = IssuerUrl::new(oidc.issuer.clone()).map_err(|why| bad(why.to_string()))?;
        let mut roles: BTreeMap<String, BTreeSet<Role>> = BTreeMap::new();
        for (index, group) in oidc.groups.iter().enumerate() {
            for role in &group.roles {
                let known: Role = role.parse().map_err(|_| SignOnError::Role { index, role: role.clone() })?;
                roles.entry(group.name.clone()).or_default().insert(known);
            }
        }
        let back = format!("{}/login/oidc/back", config.server.public_url.trim_end_matches('/'));
        let back = RedirectUrl::new(back).map_err(|why| SignOnError::PublicUrl(why.to_string()))?;
        let (found, asked) = (RwLock::default(), Mutex::default());
        let guarded = Guarded { issuer: issuer.url().clone(), hosts: oidc.hosts.clone(), allow_addresses: oidc.allow_addresses.clone() };
        Ok(Some(Self { config: oidc.clone(), issuer, guarded, back, roles, found, asked }))
    }

    /// What the button says.
    pub fn label(&self) -> &str {
        &self.config.label
    }

    /// The provider as it describes itself; read anew after an hour, or when `anew`.
    async fn provider(&self, now: Timestamp, anew: bool) -> Result<Arc<Provider>> {
        if let Some((at, provider)) = &*self.found.read().unwrap_or_else(PoisonError::into_inner)
            && !anew
            && now < at.plus(KEPT)
        {
            return Ok(Arc::clone(provider));
        }
        let metadata = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.guarded).await;
        let metadata = metadata.map_err(|why| unreachable("it does not describe itself", &told(&why)))?;
        let secret = (!self.config.client_secret.is_empty()).then(|| ClientSecret::new(self.config.client_secret.expose().to_owned()));
        let provider = Provider::from_provider_metadata(metadata, ClientId::new(self.config.client_id.clone()), secret);
        let provider = Arc::new(provider.set_redirect_uri(self.back.clone()));
        *self.found.write().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&provider)));
        Ok(provider)
    }

    /// Asks the provider who sits before this browser. With `again`, to prove it once more.
    ///
    /// # Errors
    /// The provider cannot be reached.
    pub async fn ask(&self, ambient: &dyn Ambient, next: &str, again: Option<SessionId>) -> Result<Question> {
        let now = ambient.now();
        let provider = self.provider(now, false).await?;
        let draw = || format!("{:032x}{:032x}", ambient.random(), ambient.random());
        let (state, nonce, verifier, browser) = (draw(), draw(), draw(), draw());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
        let mut request = provider
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                {
                    let state = state.clone();
                    move || CsrfToken::new(state.clone())
                },
                {
                    let nonce = nonce.clone();
                    move || Nonce::new(nonce.clone())
                },
            )
            .set_pkce_challenge(challenge)
            .add_scopes(self.config.scopes.iter().filter(|scope| *scope != "openid").map(|scope| Scope::new(scope.clone())));
        if again.is_some() {
            request = request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO);
        }
        let (url, _, _) = request.url();
        let asked = Asked { browser: Digest::of(browser.as_bytes()), nonce, verifier, next: next.to_owned(), again, at: now };
        let mut open = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, asked| now < asked.at.plus(PATIENCE));
        while open.len() >= MOST_ASKED {
            let Some(oldest) = open.iter().min_by_key(|(_, asked)| asked.at).map(|(state, _)| *state) else { break };
            open.remove(&oldest);
        }
        open.insert(Digest::of(state.as_bytes()), asked);
        Ok(Question { url, browser })
    }

    /// Who the provider says it is.
    ///
    /// # Errors
    /// Nobody asked this, not this browser, too long ago, twice; or the answer does not hold.
    pub async fn answer(&self, ambient: &dyn Ambient, state: &str, code: &str, browser: &str) -> Result<Identity> {
        let now = ambient.now();
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&Digest::of(state.as_bytes()));
        let mine = asked.filter(|asked| now < asked.at.plus(PATIENCE) && asked.browser == Digest::of(browser.as_bytes()));
        let Some(asked) = mine else {
            return Err(ActionError::Refused(vec![
                "this sign-on was not begun here, was used already or took too long: begin again".to_owned(),
            ]));
        };
        let provider = self.provider(now, false).await?;
        let exchange = provider.exchange_code(AuthorizationCode::new(code.to_owned()));
        let exchange = exchange.map_err(|why| unreachable("it has no token endpoint", &why))?;
        let answer = exchange.set_pkce_verifier(PkceCodeVerifier::new(asked.verifier.clone())).request_async(&self.guarded).await;
        let answer = answer.map_err(|why| unreachable("it did not take the code", &told(&why)))?;
        let Some(token) = answer.extra_fields().id_token() else { return Err(unreachable("it gave no ID token", &"none in the answer")) };
        let mut provider = provider;
        let mut claims = self.claims(&provider, token, &asked, now);
        // It may sign with a new key by now.
        if let Err(openidconnect::ClaimsVerificationError::SignatureVerification(_)) = claims {
            provider = self.provider(now, true).await?;
            claims = self.claims(&provider, token, &asked, now);
        }
        let claims = claims.map_err(|why| unbelievable(&why))?;
        if let Some(expected) = claims.access_token_hash() {
            let verified = provider.id_token_verifier();
            let algorithm = token.signing_alg().map_err(|why| unbelievable(&why))?;
            let key = token.signing_key(&verified).map_err(|why| unbelievable(&why))?;
            let actual = AccessTokenHash::from_token(answer.access_token(), algorithm, key).map_err(|why| unbelievable(&why))?;
            if actual != *expected {
                return Err(unbelievable(&"the access token is not the one that the ID token speaks of"));
            }
        }
        self.identity(&claims, asked)
    }

    fn claims(
        &self,
        provider: &Provider,
        token: &Token,
        asked: &Asked,
        now: Timestamp,
    ) -> std::result::Result<IdTokenClaims<Others, CoreGenderClaim>, openidconnect::ClaimsVerificationError> {
        let present = move || chrono::DateTime::from_timestamp_millis(now.minus(SKEW).as_millis()).unwrap_or_default();
        let verifier = provider.id_token_verifier().set_allowed_algs(SIGNATURES).set_time_fn(present);
        token.claims(&verifier, &Nonce::new(asked.nonce.clone())).cloned()
    }

    fn identity(&self, claims: &IdTokenClaims<Others, CoreGenderClaim>, asked: Asked) -> Result<Identity> {
        let all = serde_json::to_value(claims)?;
        let claim = |name: &str| all.get(name).cloned().unwrap_or(serde_json::Value::Null);
        let wanted = &self.config.person_claim;
        let Some(person) = claim(wanted).as_str().map(str::to_owned) else {
            return Err(ActionError::Refused(vec![format!(
                "the sign-on provider says no `{wanted}` of you; an operator sets `console.oidc.person_claim`"
            )]));
        };
        // Whoever can write any address into their profile could be anybody.
        if wanted == "email" && claim("email_verified") == serde_json::Value::Bool(false) {
            return Err(ActionError::Refused(vec![format!("the sign-on provider has not verified the address `{person}`")]));
        }
        let groups: Vec<String> = match claim(&self.config.groups_claim) {
            serde_json::Value::Array(names) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            serde_json::Value::String(name) => vec![name],
            _ => Vec::new(),
        };
        let roles = groups.iter().filter_map(|group| self.roles.get(group)).flatten().copied().collect();
        Ok(Identity {
            issuer: claims.issuer().as_str().to_owned(),
            subject: claims.subject().as_str().to_owned(),
            person,
            groups,
            roles,
            proven_at: claims.auth_time().map(|at| Timestamp::from_millis(at.timestamp_millis())),
            next: asked.next,
            again: asked.again,
        })
    }
}

fn unbelievable(why: &dyn std::fmt::Display) -> ActionError {
    tracing::warn!(%why, "single sign-on: an answer was not believed");
    ActionError::Refused(vec!["the sign-on provider's answer does not hold; the service's log says why".to_owned()])
}

/// An error with its causes: the library's own text often says nothing.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text += &format!(": {next}");
        cause = next.source();
    }
    text
}
