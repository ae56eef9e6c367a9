//! How long the console believes a browser, and what its pages count with.

use serde::{Deserialize, Serialize};

use super::{secret::Secret, span::Span};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    /// A session that nobody used for so long is over.
    pub idle: Span,
    /// However much it is used, a session is over after so long.
    pub longest: Span,
    /// A dangerous change asks who signed in elsewhere to do so again when that is longer ago.
    pub prove_again: Span,
    /// How long the link works that lets a person set their password.
    pub invitation: Span,
    /// How people sign in.
    pub sign_in: SignInBy,
    /// The provider, when people sign in there.
    pub oidc: Oidc,
    /// How soon somebody should look at a ticket, by priority: the queue sorts by it where nothing else falls due.
    pub respond_within: RespondWithin,
    /// Minutes that a person takes to do by hand what a runbook does: what the overview counts saved toil with.
    pub manual_minutes: u32,
    /// Runbooks that take longer or shorter by hand.
    pub by_hand: Vec<ByHand>,
}

/// How people sign in to the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInBy {
    /// With the password of a local account.
    #[default]
    Local,
    /// At the single sign-on provider only.
    Oidc,
    /// Either way.
    Both,
}

/// An OpenID Connect provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Oidc {
    /// As the provider writes it in its tokens.
    pub issuer: String,
    pub client_id: String,
    /// Empty for a public client.
    pub client_secret: Secret,
    pub scopes: Vec<String>,
    /// The claim that names the person.
    pub person_claim: String,
    /// The claim that lists their groups.
    pub groups_claim: String,
    /// Which roles a group gives.
    pub groups: Vec<GroupRoles>,
    /// What the button says.
    pub label: String,
    /// Hosts of the provider beside the issuer's own.
    pub hosts: Vec<String>,
    /// Private addresses it may have, as networks; public ones are always allowed.
    pub allow_addresses: Vec<ipnet::IpNet>,
}

/// The roles that the members of one group have.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRoles {
    pub name: String,
    pub roles: Vec<String>,
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: Secret::default(),
            scopes: ["openid", "profile", "email"].map(str::to_owned).into(),
            person_claim: "email".to_owned(),
            groups_claim: "groups".to_owned(),
            groups: Vec::new(),
            label: "Single sign-on".to_owned(),
            hosts: Vec::new(),
            allow_addresses: Vec::new(),
        }
    }
}

/// How long a person takes for what one runbook does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// The runbook's id.
    pub name: String,
    pub minutes: u32,
}

/// A working day: who says more means something else.
pub const MOST_MINUTES: u32 = 480;

impl Default for Console {
    fn default() -> Self {
        Self {
            idle: Span::secs(30 * 60),
            longest: Span::secs(12 * 3600),
            prove_again: Span::secs(5 * 60),
            invitation: Span::secs(24 * 3600),
            sign_in: SignInBy::Local,
            oidc: Oidc::default(),
            respond_within: RespondWithin::default(),
            manual_minutes: 15,
            by_hand: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RespondWithin {
    pub p1: Span,
    pub p2: Span,
    pub p3: Span,
    pub p4: Span,
}

impl Default for RespondWithin {
    fn default() -> Self {
        Self { p1: Span::secs(15 * 60), p2: Span::secs(3600), p3: Span::secs(8 * 3600), p4: Span::secs(24 * 3600) }
    }
}
