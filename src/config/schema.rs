//! Every key of the configuration, as data: what the loader checks names against and reads text values by.
//!
//! A test holds it beside the structs, so that neither can gain or lose a key alone.

/// What stands under a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    Text,
    /// A text with a twin `…_file` that names a file holding it.
    Secret,
    /// The same for a text that anybody may read, like a certificate.
    Document,
    Integer,
    Float,
    Texts,
    /// Texts with a twin `…_file`: one path or several.
    Secrets,
    Table(&'static [(&'static str, Node)]),
    /// An array of tables; each may be addressed by its number or by its `name`.
    Tables(&'static [(&'static str, Node)]),
}

impl Node {
    pub(super) const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Secrets)
    }

    /// True when a twin `…_file` may stand in its place.
    pub(super) const fn has_file(self) -> bool {
        self.is_secret() || matches!(self, Self::Document)
    }
}

use Node::{Document, Float, Integer, Secret, Secrets, Table, Tables, Text, Texts};

/// Of whatever is called: connectors, directories, desks.
const AUTH: Node = Table(&[
    ("kind", Text),
    ("token", Secret),
    ("username", Text),
    ("password", Secret),
    ("name", Text),
    ("prefix", Text),
    ("value", Secret),
    ("token_url", Text),
    ("client_id", Text),
    ("client_secret", Secret),
    ("scope", Text),
    ("credentials_in", Text),
    ("allow_addresses", Texts),
    ("secret", Secret),
    ("key_id", Text),
    ("signature_header", Text),
    ("timestamp_header", Text),
    ("key_header", Text),
]);
const TLS: Node = Table(&[("ca", Document), ("certificate", Document), ("key", Secret)]);
const PROXY: Node = Table(&[("url", Text), ("username", Text), ("password", Secret), ("allow_addresses", Texts)]);

/// What may be asked of a connector, of all kinds together; each kind refuses the keys of the others.
const ALLOW: Node = Tables(&[
    ("method", Text),
    ("path", Text),
    ("job", Text),
    ("job_template", Integer),
    ("workflow_template", Integer),
    ("action", Text),
    ("namespace", Text),
    ("resource", Text),
    ("name", Text),
    ("repository", Text),
    ("workflow", Text),
    ("ref", Text),
    ("project", Text),
    ("hook", Text),
    ("operations", Texts),
    ("arguments", Texts),
]);

pub(super) const ROOT: &[(&str, Node)] = &[
    (
        "server",
        Table(&[
            ("listen", Text),
            ("public_url", Text),
            ("body_limit", Integer),
            ("requests_per_address_minute", Integer),
            ("longest_wait", Text),
            ("drain", Text),
        ]),
    ),
    ("store", Table(&[("folder", Text), ("queue", Integer)])),
    (
        "log",
        Table(&[
            ("origin", Text),
            ("publish_every", Text),
            ("publish_after", Integer),
            ("witnesses", Tables(&[("url", Text), ("key", Text), ("allow_addresses", Texts)])),
        ]),
    ),
    (
        "triage",
        Table(&[
            ("model", Text),
            ("models", Text),
            ("frozen", Text),
            ("promotion_floor", Integer),
            ("promotion_level", Float),
            ("embedding", Text),
            ("similar", Text),
            ("catalogue", Text),
            ("signals", Text),
        ]),
    ),
    (
        "runbooks",
        Table(&[
            ("folder", Text),
            ("owners", Texts),
            ("alert_rules", Texts),
            ("embedding", Text),
            ("embedding_folder", Text),
            ("vectors", Text),
        ]),
    ),
    (
        "gate",
        Table(&[
            ("policies", Text),
            ("least_fit", Float),
            ("error_limit", Float),
            ("error_confidence", Float),
            ("demotion_alpha", Float),
            ("reopen_window", Text),
            ("approval_lifetime", Text),
            ("storm_size", Integer),
            ("storm_window", Text),
            ("hold", Text),
            ("environment_from", Texts),
            ("service_from", Texts),
            ("vip", Texts),
            ("flagged", Texts),
        ]),
    ),
    ("requesters", Table(&[("file", Text), ("directory", Text), ("rate_limit", Integer)])),
    ("pipeline", Table(&[("batch", Integer), ("lease", Text), ("executions", Integer), ("poll", Text)])),
    (
        "console",
        Table(&[
            ("idle", Text),
            ("longest", Text),
            ("prove_again", Text),
            ("invitation", Text),
            ("sign_in", Text),
            (
                "oidc",
                Table(&[
                    ("issuer", Text),
                    ("client_id", Text),
                    ("client_secret", Secret),
                    ("scopes", Texts),
                    ("person_claim", Text),
                    ("groups_claim", Text),
                    ("groups", Tables(&[("name", Text), ("roles", Texts)])),
                    ("label", Text),
                    ("hosts", Texts),
                    ("allow_addresses", Texts),
                ]),
            ),
            ("respond_within", Table(&[("p1", Text), ("p2", Text), ("p3", Text), ("p4", Text)])),
            ("manual_minutes", Integer),
            ("by_hand", Tables(&[("name", Text), ("minutes", Integer)])),
        ]),
    ),
    ("telemetry", Table(&[("format", Text), ("level", Text)])),
    (
        "sources",
        Tables(&[
            ("name", Text),
            ("tenant", Text),
            ("adapter", Text),
            ("quota_per_minute", Integer),
            ("own_actors", Texts),
            (
                "auth",
                Table(&[
                    ("scheme", Text),
                    ("name", Text),
                    ("secrets", Secrets),
                    ("tolerance", Text),
                    ("header", Text),
                    ("username", Text),
                    ("password", Secret),
                ]),
            ),
            (
                "write_back",
                Table(&[
                    ("kind", Text),
                    ("base_url", Text),
                    ("email", Text),
                    ("user", Text),
                    ("token", Secret),
                    ("client_id", Text),
                    ("client_secret", Secret),
                    ("visibility", Text),
                    ("priorities", Table(&[("p1", Text), ("p2", Text), ("p3", Text), ("p4", Text)])),
                    ("resolved", Text),
                    ("resolved_fields", Tables(&[("name", Text), ("value", Text)])),
                    ("categories", Tables(&[("name", Text), ("value", Text)])),
                    ("groups", Tables(&[("name", Text), ("value", Text)])),
                    ("allow_addresses", Texts),
                ]),
            ),
        ]),
    ),
    (
        "connectors",
        Tables(&[
            ("name", Text),
            ("kind", Text),
            ("base_url", Text),
            ("auth", AUTH),
            ("tls", TLS),
            ("proxy", PROXY),
            ("allow", ALLOW),
            ("allow_addresses", Texts),
            ("timeout", Text),
            ("response_limit", Integer),
            ("probe", Text),
        ]),
    ),
    (
        "directories",
        Tables(&[
            ("name", Text),
            ("kind", Text),
            ("base_url", Text),
            ("path", Text),
            ("query", Text),
            ("field", Text),
            ("auth", AUTH),
            ("tls", TLS),
            ("proxy", PROXY),
            ("allow_addresses", Texts),
            ("timeout", Text),
            ("response_limit", Integer),
            ("ttl", Text),
            ("stale_limit", Text),
        ]),
    ),
    (
        "webhooks",
        Tables(&[
            ("name", Text),
            ("tenant", Text),
            ("url", Text),
            ("secret", Secrets),
            ("events", Texts),
            ("disable_after", Text),
            ("owner_mail", Text),
            ("owner_chat", Text),
            ("allow_addresses", Texts),
        ]),
    ),
    (
        "chats",
        Tables(&[("name", Text), ("tenant", Text), ("kind", Text), ("url", Secret), ("occasions", Texts), ("allow_addresses", Texts)]),
    ),
    (
        "mail",
        Table(&[
            ("host", Text),
            ("port", Integer),
            ("security", Text),
            ("authorities", Text),
            ("username", Text),
            ("password", Secret),
            ("from", Text),
            ("timeout", Text),
            ("allow_addresses", Texts),
        ]),
    ),
    ("recipients", Tables(&[("name", Text), ("tenant", Text), ("address", Text)])),
    ("digests", Tables(&[("name", Text), ("tenant", Text), ("recipients", Texts), ("at", Texts), ("zone", Text)])),
];

/// The node under `key`, or the twin of a secret: `(node, true)` when `key` is the twin's.
pub(super) fn find(fields: &[(&'static str, Node)], key: &str) -> Option<(&'static str, Node, bool)> {
    let plain = fields.iter().find(|(name, _)| *name == key).map(|(name, node)| (*name, *node, false));
    plain.or_else(|| {
        let bare = key.strip_suffix("_file")?;
        fields.iter().find(|(name, node)| *name == bare && node.has_file()).map(|(name, node)| (*name, *node, true))
    })
}

/// The known key that `key` was probably meant to be.
pub(super) fn nearest(fields: &[(&'static str, Node)], key: &str) -> String {
    fields
        .iter()
        .flat_map(|(name, node)| [Some((*name).to_owned()), node.has_file().then(|| format!("{name}_file"))])
        .flatten()
        .max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)))
        .unwrap_or_default()
}
